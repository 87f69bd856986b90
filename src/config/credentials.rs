//! The certificates and keys that a site names.

use super::keys::{self, Key};
use super::kinds::FilePath;
use super::named_file::without_line_end;
use super::reader::{AlreadyReported, NamedFile, Section};
use qlik_sense::credentials::{
    CertificateFacts, Credentials, KeyError, ParsedKey, Verify, day, now, parse_certificates, parse_key,
};

type Certificates = Vec<rustls::pki_types::CertificateDer<'static>>;

/// What byte order marks look like in a file that is read as bytes.
const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];

/// Reads the credentials of one site.
pub fn read(site: &Section<'_>) -> Result<Credentials, AlreadyReported> {
    let verify = site.required(&keys::site::VERIFY);
    let certificate = certificates(site, &keys::site::CERTIFICATE, true);
    let key = key(site);
    // Without any check of servers no CA is needed.
    let ca = certificates(site, &keys::site::CA, !matches!(verify, Ok(Verify::None)));
    let (certificate, key) = (certificate?, key?);
    // Whether they belong together is checked even where the rest is wrong.
    let trust = ca.and_then(|ca| Ok((ca, verify?)));
    let (ca, verify) = trust.as_ref().map_or((Vec::new(), Verify::Full), Clone::clone);
    let credentials = Credentials::new(certificate, key.signing, ca, verify)
        .map_err(|mismatch| site.error(&keys::site::KEY.info, mismatch.to_string()))?;
    trust?;
    warn_of_certificates(site, &credentials);
    Ok(credentials)
}

fn certificates(
    site: &Section<'_>,
    key: &Key<FilePath>,
    is_required: bool,
) -> Result<Certificates, AlreadyReported> {
    match site.file(key)? {
        Some(NamedFile { path, bytes }) => parse_certificates(&bytes)
            .map_err(|error| site.error(&key.info, format!("{} {error}", path.display()))),
        None if is_required => Err(site.missing(key)),
        None => Ok(Vec::new()),
    }
}

fn key(site: &Section<'_>) -> Result<ParsedKey, AlreadyReported> {
    let (key_info, password_info) = (&keys::site::KEY.info, &keys::site::KEY_PASSWORD_FILE.info);
    let file = site.file(&keys::site::KEY);
    let password_file = site.file(&keys::site::KEY_PASSWORD_FILE);
    let Some(file) = file? else { return Err(site.missing(&keys::site::KEY)) };
    let password_file = password_file?;
    let password = password_file.as_ref().map(|file| without_line_end(file.bytes.clone()));
    let path = file.path.display();
    match (parse_key(&file.bytes, password.as_deref()), password_file) {
        (Ok(key), Some(_)) if !key.encrypted => {
            site.warn(password_info, "not needed, the key is not encrypted");
            Ok(key)
        }
        (Ok(key), _) => Ok(key),
        (Err(KeyError::PasswordWrong), Some(password)) => {
            let mut text = format!("{} {}", password.path.display(), KeyError::PasswordWrong);
            if BYTE_ORDER_MARKS.iter().any(|mark| password.bytes.starts_with(mark)) {
                text += " (the file begins with a byte order mark, which counts as part of the password)";
            }
            Err(site.error(password_info, text))
        }
        (Err(KeyError::PasswordMissing), _) => {
            let name = if site.is_by_flags() { password_info.flag() } else { password_info.name.to_owned() };
            let text = format!("{path} {} in the file that {name} names", KeyError::PasswordMissing);
            Err(site.error(key_info, text))
        }
        (Err(error), _) => Err(site.error(key_info, format!("{path} {error}"))),
    }
}

fn warn_of_certificates(site: &Section<'_>, credentials: &Credentials) {
    let client = credentials.client_facts();
    warn_of_dates(site, &keys::site::CERTIFICATE, "the client certificate", client);
    for facts in credentials.ca_facts() {
        warn_of_dates(site, &keys::site::CA, "the CA's certificate", facts);
        if !facts.is_ca {
            let text = format!("the certificate {:?} is no CA's, expected root.pem", facts.subject);
            site.warn(&keys::site::CA.info, text);
        }
    }
    if credentials.is_foreign() {
        let CertificateFacts { subject, issuer, .. } = client;
        let text = format!(
            "the client certificate {subject:?} by {issuer:?} is no client certificate of this site's CA"
        );
        site.warn(&keys::site::CERTIFICATE.info, text);
    }
}

fn warn_of_dates(site: &Section<'_>, key: &Key<FilePath>, what: &str, facts: &CertificateFacts) {
    let now = now();
    let CertificateFacts { subject, not_before, not_after, .. } = facts;
    if *not_after < now {
        site.warn(&key.info, format!("{what} of {subject:?} expired on {}", day(*not_after)));
    } else if *not_before > now {
        site.warn(&key.info, format!("{what} of {subject:?} is not valid before {}", day(*not_before)));
    }
}
