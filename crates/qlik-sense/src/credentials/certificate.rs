//! Parser of certificates and their facts.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

use super::pem_text::{NotPem, sections};

/// The last second of the year 9999, since the Unix epoch.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// Why a file holds no usable certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    NotPem(#[from] NotPem),
    #[error("holds a private key and no certificate: are the files of certificate and key exchanged?")]
    IsKey,
    #[error("holds no certificate but {0}, expected -----BEGIN CERTIFICATE-----")]
    Missing(String),
    #[error("its certificate number {0} is damaged")]
    Damaged(usize),
}

/// The facts of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The distinguished name of the holder, such as `CN=sense1.company.com`.
    pub subject: String,
    /// The distinguished name of the issuer.
    pub issuer: String,
    /// The start of its validity, in Unix seconds.
    pub not_before: i64,
    /// The end of its validity, in Unix seconds.
    pub not_after: i64,
    /// Whether it may issue others; true for X.509 version 1, which has no field for it.
    pub is_ca: bool,
    /// The host names and IP addresses among its subject alternative names.
    pub names: Vec<String>,
}

/// Parses the certificates in a PEM text; returns at least one.
///
/// # Errors
/// When the text is no PEM, or holds no certificate or a damaged one.
pub fn parse_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let sections = sections(text, "x509")?;
    let tags: Vec<String> = sections.iter().map(|section| section.tag().to_owned()).collect();
    let found: Vec<_> = sections
        .into_iter()
        .filter(|section| matches!(section.tag(), "CERTIFICATE" | "X509 CERTIFICATE"))
        .map(|section| CertificateDer::from(section.into_contents()))
        .collect();
    if found.is_empty() {
        return Err(match tags.iter().any(|tag| tag.ends_with("PRIVATE KEY")) {
            true => CertificateError::IsKey,
            false => CertificateError::Missing(tags.join(", ")),
        });
    }
    match found.iter().position(|certificate| facts(certificate).is_err()) {
        Some(at) => Err(CertificateError::Damaged(at + 1)),
        None => Ok(found),
    }
}

/// The error for bytes that are no X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no X.509 certificate")]
pub struct NoCertificate;

/// Parses the facts of a certificate from its DER bytes.
///
/// # Errors
/// When the bytes are no X.509 certificate.
pub fn facts(der: &[u8]) -> Result<CertificateFacts, NoCertificate> {
    let certificate = parsed(der)?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.iter().filter_map(host).collect());
    Ok(CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        is_ca: certificate.is_ca() || certificate.version() == X509Version::V1,
        names: names.unwrap_or_default(),
    })
}

/// Returns the current time in Unix seconds, the unit of certificates' dates.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Returns the UTC date of a time in Unix seconds, such as `2026-11-24`.
pub fn day(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    // Later years do not fit the format, and no certificate has them.
    let at = SystemTime::UNIX_EPOCH.checked_add(since.min(LATEST)).unwrap_or(SystemTime::UNIX_EPOCH);
    let written = humantime::format_rfc3339_seconds(at).to_string();
    written.split('T').next().unwrap_or_default().to_owned()
}

/// Returns whether `key` is the private key of this certificate.
///
/// Compares the public keys: rustls' own check refuses X.509 version 1, which a server may accept.
pub fn is_of_key(certificate: &[u8], key: &dyn SigningKey) -> bool {
    match (parsed(certificate), key.public_key()) {
        (Ok(certificate), Some(public)) => certificate.public_key().raw == public.as_ref(),
        _ => false,
    }
}

/// Returns whether the certificate is of X.509 version 1, which has no extensions.
pub fn is_version_1(der: &[u8]) -> bool {
    parsed(der).is_ok_and(|certificate| certificate.version() == X509Version::V1)
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, NoCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(NoCertificate),
    }
}

/// Returns the host name or IP address; `None` for other kinds of names, such as e-mail and URI.
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
