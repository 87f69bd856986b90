//! The site's certificate files, and TLS as its services speak it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, WantsServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig};

use crate::certificates::{Authority, CLIENT, CLIENT_KEY, CertificateSet, Leaf, ROOT, SERVER, SERVER_KEY};
use crate::error::Error;

/// How the site's services shake hands.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    own: Arc<ServerConfig>,
    foreign: Arc<ServerConfig>,
    refused: Arc<ServerConfig>,
}

/// What comes of a client's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// With the site's server certificate.
    Own,
    /// With one of another authority, for the same names.
    Foreign,
    /// An alert.
    Refused,
}

impl Tls {
    pub fn of(&self, handshake: Handshake) -> Arc<ServerConfig> {
        match handshake {
            Handshake::Own => self.own.clone(),
            Handshake::Foreign => self.foreign.clone(),
            Handshake::Refused => self.refused.clone(),
        }
    }
}

/// Has no certificate for anybody, at which rustls sends an alert.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Makes the certificates when there are none, for these names and the spare ones, and reads what the services
/// need of them.
pub(super) fn make_or_read(folder: &Path, names: &[String], spare: &[String]) -> Result<Tls, Error> {
    let (found, missing): (Vec<_>, Vec<_>) = [CLIENT, CLIENT_KEY, ROOT, SERVER, SERVER_KEY]
        .into_iter()
        .partition(|name| folder.join(name).exists());
    if found.is_empty() {
        CertificateSet::new([names, spare].concat())?.write(folder)?;
    } else if !missing.is_empty() {
        return Err(Error::HalfSet { folder: folder.to_owned(), found, missing });
    }
    tls(folder, names)
}

/// TLS with the server's certificate, for clients whose certificate the site's authority issued.
fn tls(folder: &Path, names: &[String]) -> Result<Tls, Error> {
    let problem = |name: &str, problem: String| Error::Certificate { path: folder.join(name), problem };
    let mut roots = RootCertStore::empty();
    for root in certificates(folder.join(ROOT))? {
        roots.add(root).map_err(|error| problem(ROOT, error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| problem(ROOT, error.to_string()))?;

    let chain = certificates(folder.join(SERVER))?;
    warn_of_names(&folder.join(SERVER), &chain, names);
    let path = folder.join(SERVER_KEY);
    let text = fs::read(&path).map_err(|error| Error::File { path, error })?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| problem(SERVER_KEY, error.to_string()))?;
    let own = builder(&verifier)
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| problem(SERVER, error.to_string()))?;

    let foreign = Authority::new("Another site-CA")?.issue(&Leaf::server(names.to_vec()))?;
    let unreadable = |error: pem::Error| problem(SERVER, error.to_string());
    let certificate = CertificateDer::from_pem_slice(foreign.certificate.as_bytes()).map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(foreign.key.as_bytes()).map_err(unreadable)?;
    let foreign = builder(&verifier)
        .and_then(|builder| builder.with_single_cert(vec![certificate], key))
        .map_err(|error| problem(SERVER, error.to_string()))?;
    let refused = builder(&verifier)
        .map(|builder| builder.with_cert_resolver(Arc::new(NoCertificate)))
        .map_err(|error| problem(ROOT, error.to_string()))?;
    Ok(Tls { own: Arc::new(own), foreign: Arc::new(foreign), refused: Arc::new(refused) })
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

fn certificates(path: PathBuf) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = fs::read(&path).map_err(|error| Error::File { path: path.clone(), error })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::Certificate { path, problem: "no certificate in it".to_owned() }),
        Err(error) => Err(Error::Certificate { path, problem: error.to_string() }),
    }
}

/// A certificate that was made for fewer nodes is worth a word; one without these names may be wanted.
fn warn_of_names(path: &Path, chain: &[CertificateDer<'_>], names: &[String]) {
    let Some(Ok(certificate)) = chain.first().map(ParsedCertificate::try_from) else { return };
    let unnamed: Vec<_> = names
        .iter()
        .filter(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| rustls::client::verify_server_name(&certificate, &name).is_err())
        })
        .cloned()
        .collect();
    if !unnamed.is_empty() {
        tracing::warn!(
            certificate = %path.display(),
            names = unnamed.join(","),
            "the server certificate is not for all addresses of the site; clients that verify names will \
             refuse these"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        make_or_read(folder.path(), &["localhost".into()], &[]).unwrap();
        folder
    }

    #[test]
    fn certificates_are_made_once() {
        let folder = made();
        let before = fs::read(folder.path().join(ROOT)).unwrap();
        make_or_read(folder.path(), &["localhost".into()], &[]).unwrap();
        assert_eq!(fs::read(folder.path().join(ROOT)).unwrap(), before);
    }

    #[test]
    fn a_half_set_is_told_with_what_is_there_and_what_is_not() {
        let folder = made();
        for name in [CLIENT_KEY, SERVER, SERVER_KEY] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let message = make_or_read(folder.path(), &[], &[]).unwrap_err().to_string();
        assert!(message.contains("(client.pem, root.pem)"), "{message}");
        assert!(message.contains("(client_key.pem, server.pem, server_key.pem)"), "{message}");
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = made();
        fs::write(folder.path().join(SERVER), "nothing").unwrap();
        let message = make_or_read(folder.path(), &[], &[]).unwrap_err().to_string();
        assert!(message.contains("server.pem: no certificate in it"), "{message}");
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let (one, other) = (made(), made());
        fs::copy(other.path().join(SERVER_KEY), one.path().join(SERVER_KEY)).unwrap();
        assert!(matches!(make_or_read(one.path(), &[], &[]), Err(Error::Certificate { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = made();
        for name in [CLIENT_KEY, SERVER_KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
