//! Certificates: reading them, and what they say.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

use super::pem_text::{NotPem, sections};

/// The last second of the year 9999, since 1970.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// Why a file gives no certificate.
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

/// What a certificate says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is, such as `CN=sense1.company.com`.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// From when on it is valid, in Unix seconds.
    pub not_before: i64,
    /// Until when it is valid, in Unix seconds.
    pub not_after: i64,
    /// Whether it may issue others; X.509's first version does not say, and then it may.
    pub is_ca: bool,
    /// The host names and IP addresses that it is for (subject alternative names).
    pub names: Vec<String>,
}

/// The certificates in a PEM text; at least one.
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

/// These bytes are no X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no X.509 certificate")]
pub struct NoCertificate;

/// Reads a certificate's facts from its DER bytes.
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

/// The time, in Unix seconds as the dates of certificates are.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The day of a moment in Unix seconds, as `2026-11-24`.
pub fn day(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    // Beyond the year 9999 there is no such text, nor a certificate.
    let at = SystemTime::UNIX_EPOCH.checked_add(since.min(LATEST)).unwrap_or(SystemTime::UNIX_EPOCH);
    let written = humantime::format_rfc3339_seconds(at).to_string();
    written.split('T').next().unwrap_or_default().to_owned()
}

/// Whether `key` is the private key of this certificate.
///
/// Compared by hand, since rustls' own check refuses X.509 version 1, which a server may accept.
pub fn is_of_key(certificate: &[u8], key: &dyn SigningKey) -> bool {
    match (parsed(certificate), key.public_key()) {
        (Ok(certificate), Some(public)) => certificate.public_key().raw == public.as_ref(),
        _ => false,
    }
}

/// Whether it is of X.509's first version, which knows no extensions.
pub fn is_version_1(der: &[u8]) -> bool {
    parsed(der).is_ok_and(|certificate| certificate.version() == X509Version::V1)
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, NoCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(NoCertificate),
    }
}

/// The name of a host, when it is one: the others (mail, URI…) say nothing about servers.
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
