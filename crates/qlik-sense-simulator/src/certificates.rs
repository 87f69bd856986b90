//! The certificates that a site's CA issues, and unusual ones: without subject alternative names, expired, for
//! another host.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

use crate::error::Error;

// The file names that Qlik's certificate export uses.
pub(super) const ROOT: &str = "root.pem";
pub(super) const CLIENT: &str = "client.pem";
pub(super) const CLIENT_KEY: &str = "client_key.pem";
pub(super) const SERVER: &str = "server.pem";
pub(super) const SERVER_KEY: &str = "server_key.pem";

const DAY: Duration = Duration::from_secs(86_400);
/// About the validity of Qlik's own certificates.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The latest time for a certificate, in Unix seconds: in the year 9892, as certificates end with the year 9999.
const LATEST: u64 = 250_000_000_000;

/// A site's certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// The content of a certificate that is no CA's.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The subject's common name.
    pub common_name: String,
    /// Host names and addresses; with none the certificate has no such extension.
    pub subject_alt_names: Vec<String>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// Whether it is for a server; otherwise it is for a client.
    pub server: bool,
}

/// A certificate and its private key, in PEM.
pub struct KeyedCertificate {
    pub certificate: String,
    /// In PKCS#8.
    pub key: String,
}

/// The certificates and keys of a site, in PEM: the content of its five files.
pub struct CertificateSet {
    pub root: String,
    pub client: KeyedCertificate,
    pub server: KeyedCertificate,
}

impl Authority {
    /// Creates a CA with a new key.
    ///
    /// # Errors
    /// When the system has no source of randomness.
    pub fn new(common_name: &str) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let now = SystemTime::now();
        let mut params = params(common_name, now - DAY, now + VALIDITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Returns the CA's own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate with a new key: an RSA key for a client, as the management console exports it, and an
    /// elliptic curve key for a server, which is fast to generate.
    ///
    /// # Errors
    /// When a subject alternative name is invalid.
    pub fn issue(&self, leaf: &Leaf) -> Result<KeyedCertificate, Error> {
        let key = if leaf.server {
            KeyPair::generate()?
        } else {
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?
        };
        let mut params = params(&leaf.common_name, leaf.not_before, leaf.not_after);
        params.subject_alt_names = CertificateParams::new(leaf.subject_alt_names.clone())?.subject_alt_names;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![if leaf.server {
            ExtendedKeyUsagePurpose::ServerAuth
        } else {
            ExtendedKeyUsagePurpose::ClientAuth
        }];
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(KeyedCertificate { certificate, key: key.serialize_pem() })
    }
}

impl Leaf {
    /// Returns a server's certificate for these host names and addresses, valid now.
    pub fn server(names: Vec<String>) -> Self {
        let common_name = names.first().cloned().unwrap_or_else(|| "sense".to_owned());
        Self { subject_alt_names: names, server: true, ..Self::client(&common_name) }
    }

    /// Returns a client's certificate, valid now.
    pub fn client(common_name: &str) -> Self {
        let now = SystemTime::now();
        Self {
            common_name: common_name.to_owned(),
            subject_alt_names: Vec::new(),
            not_before: now - DAY,
            not_after: now + VALIDITY,
            server: false,
        }
    }

    /// Removes the subject alternative names, as on older installations.
    pub fn without_alt_names(self) -> Self {
        Self { subject_alt_names: Vec::new(), ..self }
    }

    /// Moves the validity into the past: it ended yesterday.
    pub fn expired(self) -> Self {
        let now = SystemTime::now();
        Self { not_before: now - 30 * DAY, not_after: now - DAY, ..self }
    }
}

impl CertificateSet {
    /// Issues the certificates of a site with these server names from a new CA.
    ///
    /// # Errors
    /// When a name is invalid in a certificate.
    pub fn new(names: Vec<String>) -> Result<Self, Error> {
        let authority = Authority::new("Simulated site-CA")?;
        Self::issued_by(&authority, &Leaf::server(names))
    }

    /// Issues a client certificate and this server certificate from `authority`.
    ///
    /// # Errors
    /// When a name is invalid in a certificate.
    pub fn issued_by(authority: &Authority, server: &Leaf) -> Result<Self, Error> {
        Ok(Self {
            root: authority.pem().to_owned(),
            client: authority.issue(&Leaf::client("QlikClient"))?,
            server: authority.issue(server)?,
        })
    }

    /// Writes the five files into `folder`; only the owner may read the keys.
    ///
    /// # Errors
    /// When one of the files exists or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|error| Error::File { path: folder.to_owned(), error })?;
        create(folder.join(ROOT), &self.root, Access::Everyone)?;
        create(folder.join(CLIENT), &self.client.certificate, Access::Everyone)?;
        create(folder.join(CLIENT_KEY), &self.client.key, Access::Owner)?;
        create(folder.join(SERVER), &self.server.certificate, Access::Everyone)?;
        create(folder.join(SERVER_KEY), &self.server.key, Access::Owner)
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Everyone,
    /// On Windows the permissions of the folder apply instead.
    Owner,
}

/// Creates a file; an existing one is an error.
fn create(path: PathBuf, text: &str, access: Access) -> Result<(), Error> {
    create_new(&path, text, access).map_err(|error| Error::File { path, error })
}

fn create_new(path: &Path, text: &str, access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)?.write_all(text.as_bytes())
}

fn params(common_name: &str, not_before: SystemTime, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(not_after);
    params
}

fn since_epoch(time: SystemTime) -> Duration {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Duration::from_secs(seconds.min(LATEST))
}

#[cfg(test)]
mod tests {
    use x509_parser::pem::parse_x509_pem;

    use super::*;

    fn parsed<T>(pem: &str, read: impl FnOnce(&x509_parser::certificate::X509Certificate<'_>) -> T) -> T {
        let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
        read(&pem.parse_x509().unwrap())
    }

    #[test]
    fn a_server_certificate_names_hosts_and_addresses() {
        let authority = Authority::new("CA").unwrap();
        let leaf = Leaf::server(vec!["127.0.0.1".into(), "localhost".into()]);
        let names = parsed(&authority.issue(&leaf).unwrap().certificate, |certificate| {
            let names = certificate.subject_alternative_name().unwrap().unwrap();
            names.value.general_names.iter().map(ToString::to_string).collect::<Vec<_>>()
        });
        assert_eq!(names, ["IPAddress(7f:00:00:01)", "DNSName(localhost)"]);
    }

    #[test]
    fn a_server_certificate_can_lack_alternative_names() {
        let authority = Authority::new("CA").unwrap();
        let leaf = Leaf::server(vec!["sense1".into()]).without_alt_names();
        parsed(&authority.issue(&leaf).unwrap().certificate, |certificate| {
            assert!(certificate.subject_alternative_name().unwrap().is_none());
            assert_eq!(certificate.subject().to_string(), "CN=sense1");
        });
    }

    #[test]
    fn a_certificate_can_be_expired() {
        let authority = Authority::new("CA").unwrap();
        for (leaf, valid) in
            [(Leaf::client("QlikClient"), true), (Leaf::client("QlikClient").expired(), false)]
        {
            let certificate = authority.issue(&leaf).unwrap().certificate;
            assert_eq!(parsed(&certificate, |certificate| certificate.validity().is_valid()), valid);
        }
    }
}
