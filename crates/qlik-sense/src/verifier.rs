//! Which server certificates are accepted: those that the site's own CA issued, and no others. And our
//! own certificate, shown to who asks for it.

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

/// Verifies as the site's `verify` says, and remembers the certificate that it was shown last, also
/// when that was refused. A resumed TLS session shows none.
#[derive(Debug)]
pub struct ServerTrust {
    check: Check,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

/// Our certificate and key, which remember whether a server ever asked for them.
#[derive(Debug)]
pub struct ClientCertificate {
    certificate: Arc<CertifiedKey>,
    asked_for: AtomicBool,
}

impl ClientCertificate {
    pub fn new(certificate: Arc<CertifiedKey>) -> Self {
        Self { certificate, asked_for: AtomicBool::new(false) }
    }

    /// Whether any handshake so far asked for it. A resumed TLS session does not.
    pub fn was_asked_for(&self) -> bool {
        self.asked_for.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked_for.store(true, Ordering::Relaxed);
        // Whoever issued it: what the server says it would accept is a hint only.
        Some(self.certificate.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// [`Verify`] with what it needs.
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

impl ServerTrust {
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
        Ok(Self { check, provider, seen: Mutex::default() })
    }

    /// The server certificate that was shown last, in DER.
    pub fn seen(&self) -> Option<CertificateDer<'static>> {
        self.seen.lock().clone()
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock() = Some(end_entity.clone().into_owned());
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
