//! The TLS configuration of the site's services, from its certificate files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, WantsServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig};

use crate::certificates::{Authority, CLIENT, CLIENT_KEY, CertificateSet, Leaf, ROOT, SERVER, SERVER_KEY};
use crate::error::Error;
use crate::options::Options;

/// The TLS configurations of the site's services, one for each [`Handshake`].
#[derive(Debug, Clone)]
pub(super) struct Tls {
    own: Arc<ServerConfig>,
    foreign: Arc<ServerConfig>,
    refused: Arc<ServerConfig>,
}

/// How a service handles TLS handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// It presents the site's server certificate.
    Own,
    /// It presents a certificate of another CA for the same names.
    Foreign,
    /// It sends an alert.
    Refused,
}

impl Tls {
    pub fn config(&self, handshake: Handshake) -> Arc<ServerConfig> {
        match handshake {
            Handshake::Own => self.own.clone(),
            Handshake::Foreign => self.foreign.clone(),
            Handshake::Refused => self.refused.clone(),
        }
    }
}

/// Offers no certificate, so that rustls sends an alert.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Reads the certificate files of the site, and creates them first if there are none.
pub(super) fn create_or_read(options: &Options) -> Result<Tls, Error> {
    let (folder, names) = (&options.certs, options.server_names());
    let (found, missing): (Vec<_>, Vec<_>) = [CLIENT, CLIENT_KEY, ROOT, SERVER, SERVER_KEY]
        .into_iter()
        .partition(|name| folder.join(name).exists());
    if found.is_empty() {
        CertificateSet::new([names.clone(), options.spare_addresses()].concat())?.write(folder)?;
    } else if !missing.is_empty() {
        return Err(Error::IncompleteSet { folder: folder.to_owned(), found, missing });
    }
    read(folder, &names)
}

/// Reads the certificate files. All configurations require a client certificate of the site's CA.
fn read(folder: &Path, names: &[String]) -> Result<Tls, Error> {
    let (root_path, server_path) = (folder.join(ROOT), folder.join(SERVER));
    let mut roots = RootCertStore::empty();
    for root in certificates(&root_path)? {
        roots.add(root).map_err(|error| unusable(&root_path, error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| unusable(&root_path, error))?;

    let chain = certificates(&server_path)?;
    warn_of_missing_names(&server_path, &chain, names);
    let key_path = folder.join(SERVER_KEY);
    let text = fs::read(&key_path).map_err(|error| Error::File { path: key_path.clone(), error })?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| unusable(&key_path, error))?;
    let own = builder(&verifier)
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| unusable(&server_path, error))?;

    let foreign = Authority::new("Another site-CA")?.issue(&Leaf::server(names.to_vec()))?;
    let certificate = CertificateDer::from_pem_slice(foreign.certificate.as_bytes())
        .map_err(|error| unusable(&server_path, error))?;
    let key = PrivateKeyDer::from_pem_slice(foreign.key.as_bytes())
        .map_err(|error| unusable(&server_path, error))?;
    let foreign = builder(&verifier)
        .and_then(|builder| builder.with_single_cert(vec![certificate], key))
        .map_err(|error| unusable(&server_path, error))?;
    let refused = builder(&verifier)
        .map(|builder| builder.with_cert_resolver(Arc::new(NoCertificate)))
        .map_err(|error| unusable(&root_path, error))?;
    Ok(Tls { own: Arc::new(own), foreign: Arc::new(foreign), refused: Arc::new(refused) })
}

fn unusable(path: &Path, problem: impl ToString) -> Error {
    Error::Certificate { path: path.to_owned(), problem: problem.to_string() }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn builder(
    verifier: &Arc<dyn ClientCertVerifier>,
) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_client_cert_verifier(verifier.clone()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable(path, "no certificate in it")),
        Err(error) => Err(unusable(path, error)),
    }
}

/// Logs a warning when the server certificate lacks names of the site: it may be that of a smaller site. It is no
/// error, since a test may need it.
fn warn_of_missing_names(path: &Path, chain: &[CertificateDer<'_>], names: &[String]) {
    let Some(Ok(certificate)) = chain.first().map(ParsedCertificate::try_from) else { return };
    let missing: Vec<_> = names
        .iter()
        .filter(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| rustls::client::verify_server_name(&certificate, &name).is_err())
        })
        .cloned()
        .collect();
    if !missing.is_empty() {
        tracing::warn!(
            certificate = %path.display(),
            names = missing.join(","),
            "server certificate lacks addresses of the site: clients that verify names refuse these"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        try_read(folder.path()).unwrap();
        folder
    }

    fn try_read(folder: &Path) -> Result<Tls, Error> {
        create_or_read(&Options { certs: folder.to_owned(), ..Options::default() })
    }

    #[test]
    fn certificates_are_created_once() {
        let folder = created();
        let before = fs::read(folder.path().join(ROOT)).unwrap();
        try_read(folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join(ROOT)).unwrap(), before);
    }

    #[test]
    fn an_incomplete_set_is_refused_with_the_names_of_the_files() {
        let folder = created();
        for name in [CLIENT_KEY, SERVER, SERVER_KEY] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let message = try_read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("(client.pem, root.pem)"), "{message}");
        assert!(message.contains("(client_key.pem, server.pem, server_key.pem)"), "{message}");
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let folder = created();
        fs::write(folder.path().join(SERVER), "nothing").unwrap();
        let message = try_read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("server.pem: no certificate in it"), "{message}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (created(), created());
        fs::copy(other.path().join(SERVER_KEY), one.path().join(SERVER_KEY)).unwrap();
        assert!(matches!(try_read(one.path()), Err(Error::Certificate { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_keys() {
        use std::os::unix::fs::PermissionsExt;
        let folder = created();
        for name in [CLIENT_KEY, SERVER_KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
