//! Parser of private keys in the encodings that Qlik's management console and OpenSSL write.

use std::fmt;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;

use super::pem_text::{NotPem, occurrences, sections};

/// The most rounds of a key derivation. Keys that need more rounds or memory are refused: they would block the
/// caller without better protection.
const MAX_ROUNDS: u32 = 20_000_000;
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
const MAX_SCRYPT_PARALLELIZATION: u16 = 4;

/// A private key that can sign.
#[derive(Clone)]
pub struct ParsedKey {
    pub signing: Arc<dyn SigningKey>,
    /// Whether the key was encrypted.
    pub encrypted: bool,
}

/// Why a file holds no usable key. No error text quotes its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    NotPem(#[from] NotPem),
    #[error("holds a certificate and no private key: are the files of certificate and key exchanged?")]
    IsCertificate,
    #[error("holds no private key that can be used but {0}, expected PKCS#8, PKCS#1 or SEC1")]
    Missing(String),
    #[error("is encrypted, expected its password")]
    PasswordMissing,
    #[error("does not open the key: the password is another one")]
    PasswordWrong,
    #[error(
        "is in the older PEM encryption (Proc-Type: 4,ENCRYPTED), expected PKCS#8: convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    LegacyEncryption,
    #[error(
        "is PKCS#8 in the older encryption PBES1, expected PBES2: convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` \
         (OpenSSL 3 may need `-provider legacy -provider default` with it)"
    )]
    Pbes1,
    #[error(
        "is encrypted in a way that is not supported, expected AES or 3DES with PBKDF2 or scrypt: \
         convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    Cipher,
    #[error(
        "holds a damaged key or one of an unsupported kind, expected RSA, P-256, P-384, P-521 or Ed25519"
    )]
    Unusable,
}

/// Parses the first private key in a PEM text, and decrypts it with `password` when it is encrypted.
///
/// # Errors
/// When there is no key, or it cannot be decrypted or used.
pub fn parse_key(text: &[u8], password: Option<&[u8]>) -> Result<ParsedKey, KeyError> {
    if occurrences(text, b"Proc-Type: 4,ENCRYPTED") > 0 {
        return Err(KeyError::LegacyEncryption);
    }
    let sections = sections(text, "pkey")?;
    let tags: Vec<String> = sections.iter().map(|section| section.tag().to_owned()).collect();
    for section in sections {
        let tag = section.tag().to_owned();
        let content = section.into_contents();
        let encrypted = tag == "ENCRYPTED PRIVATE KEY";
        let der = match tag.as_str() {
            "ENCRYPTED PRIVATE KEY" => PrivatePkcs8KeyDer::from(decrypt(&content, password)?).into(),
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(content).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(content).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(content).into(),
            _ => continue,
        };
        return Ok(ParsedKey { signing: signing(der)?, encrypted });
    }
    Err(match tags.iter().all(|tag| tag.ends_with("CERTIFICATE")) {
        true => KeyError::IsCertificate,
        false => KeyError::Missing(tags.join(", ")),
    })
}

fn signing(der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, KeyError> {
    rustls::crypto::aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(der)
        .map_err(|_| KeyError::Unusable)
}

/// Decrypts an encrypted PKCS#8 key.
fn decrypt(der: &[u8], password: Option<&[u8]>) -> Result<Vec<u8>, KeyError> {
    // First, since PBES1 is unsupported with any parameters and any password.
    if is_pbes1(der) {
        return Err(KeyError::Pbes1);
    }
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Cipher)?;
    if !is_affordable(&info.encryption_algorithm) {
        return Err(KeyError::Cipher);
    }
    let password = password.ok_or(KeyError::PasswordMissing)?;
    match info.decrypt(password) {
        Ok(document) => Ok(document.as_bytes().to_vec()),
        // A wrong password leads to wrong padding, or to bytes that are no key.
        Err(
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_),
        ) => Err(KeyError::PasswordWrong),
        Err(_) => Err(KeyError::Cipher),
    }
}

/// Returns whether the encryption is one of PKCS#5's PBES1 (OIDs 1.2.840.113549.1.5.1 to 11; 12 is PBKDF2 and 13
/// PBES2) or of PKCS#12 (1.2.840.113549.1.12.1).
fn is_pbes1(der: &[u8]) -> bool {
    const PKCS: [u8; 7] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01];
    // The algorithm's identifier is at the start, inside two sequences with headers of 4 bytes at most.
    let start = der.get(..32).unwrap_or(der);
    let Some(at) = start.windows(PKCS.len()).position(|window| window == PKCS) else { return false };
    match start.get(at + PKCS.len()..) {
        Some([5, kind, ..]) => *kind <= 11,
        Some([12, 1, ..]) => true,
        _ => false,
    }
}

/// Returns whether deriving the key takes seconds at most, and bounded memory.
fn is_affordable(scheme: &EncryptionScheme) -> bool {
    match scheme {
        EncryptionScheme::Pbes2(parameters) => match &parameters.kdf {
            Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MAX_ROUNDS,
            Kdf::Scrypt(kdf) => {
                let bytes = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size)).saturating_mul(128);
                bytes <= MAX_SCRYPT_BYTES && kdf.parallelization <= MAX_SCRYPT_PARALLELIZATION
            }
            _ => false,
        },
        _ => false,
    }
}

impl fmt::Debug for ParsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedKey").field("encrypted", &self.encrypted).finish_non_exhaustive()
    }
}
