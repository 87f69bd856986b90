//! Which server certificates are accepted: those that the site's own CA issued, and no others.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::credentials::Verify;

/// Verifies as the site's `verify` says, and remembers the certificate that it was shown last, also
/// when that was refused. A resumed TLS session shows none.
#[derive(Debug)]
pub struct ServerTrust {
    verify: Verify,
    roots: Arc<RootCertStore>,
    webpki: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<CertificateDer<'static>>>,
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
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            roots.add(certificate.clone()).map_err(|error| UnusableCa(error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let webpki = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| UnusableCa(error.to_string()))?;
        Ok(Self { verify, roots, webpki, provider, seen: Mutex::default() })
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
        match self.verify {
            Verify::Full => {
                self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Verify::Ca => rustls::client::verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                &self.roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )
            .map(|()| ServerCertVerified::assertion()),
            Verify::None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
