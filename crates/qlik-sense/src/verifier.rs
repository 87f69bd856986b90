//! The verifier of server certificates, which accepts those of the site's own CA only, and the resolver of the
//! client certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::credentials::Verify;

/// Verifies server certificates according to [`Verify`] and keeps the last one presented, whether it was
/// accepted or refused. A resumed TLS session presents none.
#[derive(Debug)]
pub struct ServerVerifier {
    check: Check,
    provider: Arc<CryptoProvider>,
    last_presented: Mutex<Option<CertificateDer<'static>>>,
}

/// The client certificate and key, and whether a server ever requested them.
#[derive(Debug)]
pub struct ClientCertificate {
    certificate: Arc<CertifiedKey>,
    requested: AtomicBool,
}

impl ClientCertificate {
    /// Wraps a certificate that no server has requested yet.
    pub fn new(certificate: Arc<CertifiedKey>) -> Self {
        Self { certificate, requested: AtomicBool::new(false) }
    }

    /// Returns whether a server requested the certificate in any handshake so far. Resumed TLS sessions do not.
    pub fn was_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        // The issuers that a server lists are only a hint: send the certificate whatever they are.
        Some(self.certificate.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// [`Verify`] with the data that each check needs.
#[derive(Debug)]
enum Check {
    Full(Arc<WebPkiServerVerifier>),
    Ca(RootCertStore),
    Nothing,
}

/// The CA's certificates cannot be used to verify others.
#[derive(Debug, thiserror::Error)]
#[error("the CA's certificate cannot be used to verify others: {0}")]
pub struct UnusableCa(String);

impl ServerVerifier {
    /// Builds a verifier.
    ///
    /// # Errors
    /// When `verify` needs a CA and `ca` holds none that can verify others.
    pub fn new(
        ca: &[CertificateDer<'static>],
        verify: Verify,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, UnusableCa> {
        let check = match verify {
            Verify::Full => {
                let roots = Arc::new(roots(ca)?);
                let webpki = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Check::Full(webpki.map_err(|error| UnusableCa(error.to_string()))?)
            }
            Verify::Ca => Check::Ca(roots(ca)?),
            Verify::None => Check::Nothing,
        };
        Ok(Self { check, provider, last_presented: Mutex::default() })
    }

    /// Returns the server certificate that was presented last, in DER.
    pub fn last_presented(&self) -> Option<CertificateDer<'static>> {
        self.last_presented.lock().clone()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.last_presented.lock() = Some(end_entity.clone().into_owned());
        match &self.check {
            Check::Full(webpki) => {
                webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Check::Ca(roots) => rustls::client::verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )
            .map(|()| ServerCertVerified::assertion()),
            Check::Nothing => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn roots(ca: &[CertificateDer<'static>]) -> Result<RootCertStore, UnusableCa> {
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate.clone()).map_err(|error| UnusableCa(error.to_string()))?;
    }
    Ok(roots)
}
