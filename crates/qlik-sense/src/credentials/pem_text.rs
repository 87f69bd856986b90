//! Parser of PEM sections, which recognizes the formats that people supply instead.

use pem::Pem;

/// Why a file is not PEM text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPem {
    #[error("is empty, expected PEM text (-----BEGIN …)")]
    Empty,
    #[error("is UTF-16 text (PowerShell's `>` writes that), expected PEM text: save it as UTF-8")]
    Utf16,
    #[error(
        "is a PKCS#12 store (.pfx), expected PEM text: \
         export with \"Platform independent PEM-format\" in the management console"
    )]
    Pkcs12,
    #[error("is binary (DER), expected PEM text: convert it with `openssl {0} -inform der -in OLD -out NEW`")]
    Der(&'static str),
    #[error("is not PEM text, expected -----BEGIN … in it")]
    NoSection,
    #[error("is PEM text with a section that is damaged or cut off")]
    Damaged,
}

/// Parses the sections in `text`; returns at least one. `command` is the openssl command for such a file in DER.
pub fn sections(text: &[u8], command: &'static str) -> Result<Vec<Pem>, NotPem> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(NotPem::Empty);
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(NotPem::Utf16);
    }
    let begun = occurrences(text, b"-----BEGIN ");
    if begun == 0 {
        return Err(binary(text, command).unwrap_or(NotPem::NoSection));
    }
    match pem::parse_many(text) {
        Ok(found) if found.len() == begun => Ok(found),
        _ => Err(NotPem::Damaged),
    }
}

/// Returns how often `part` occurs in `text`.
pub fn occurrences(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).filter(|window| *window == part).count()
}

/// Recognizes binary encodings: keys and certificates in DER are an ASN.1 sequence in the long form, whose content
/// begins with the version 3 in a PKCS#12 store (RFC 7292).
fn binary(text: &[u8], command: &'static str) -> Option<NotPem> {
    let (0x30, length @ 0x80..=0x84) = (*text.first()?, *text.get(1)?) else { return None };
    let content = text.get(2 + usize::from(length - 0x80)..)?;
    Some(if content.starts_with(&[2, 1, 3]) { NotPem::Pkcs12 } else { NotPem::Der(command) })
}
