//! The client certificate, its key and the site's CA.
//!
//! This module parses bytes; the caller reads the files. The error texts are predicates: put the file's name before
//! them.

mod certificate;
mod key;
mod pem_text;

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CertificateError as Refusal, RootCertStore};

pub use certificate::{CertificateError, CertificateFacts, day, facts, now, parse_certificates};
pub use key::{KeyError, ParsedKey, parse_key};
pub use pem_text::NotPem;

/// How thoroughly a server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// The site's CA issued it, for the requested host name.
    Full,
    /// The site's CA issued it; any host name is accepted. For certificates without a subject alternative name, and
    /// for sites that are reached by IP address or alias.
    Ca,
    /// Nothing is verified.
    None,
}

/// A site's certificates and key, whose client certificate and key belong together.
pub struct Credentials {
    client: Arc<CertifiedKey>,
    ca: Vec<CertificateDer<'static>>,
    verify: Verify,
    client_facts: CertificateFacts,
    ca_facts: Vec<CertificateFacts>,
}

/// The error for a key that does not belong to the client certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key does not belong to the certificate of {subject:?}: \
     take both from one export of the management console"
)]
pub struct KeyMismatch {
    /// The subject of the first certificate in the chain.
    pub subject: String,
}

impl Credentials {
    /// Combines certificates and key. `chain` is the result of [`parse_certificates`]; the certificate of the key may
    /// have any position in it.
    ///
    /// # Errors
    /// When no certificate of the chain belongs to the key.
    pub fn new(
        mut chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
        ca: Vec<CertificateDer<'static>>,
        verify: Verify,
    ) -> Result<Self, KeyMismatch> {
        let own = chain.iter().position(|certificate| certificate::is_of_key(certificate, &*key));
        let Some(own) = own else {
            let subject = chain.first().and_then(|first| facts(first).ok()).map(|facts| facts.subject);
            return Err(KeyMismatch { subject: subject.unwrap_or_default() });
        };
        // TLS sends the certificate of the key first and its issuers after it.
        let own = chain.remove(own);
        let client_facts = facts(&own).unwrap_or_default();
        chain.insert(0, own);
        let ca_facts = ca.iter().filter_map(|certificate| facts(certificate).ok()).collect();
        Ok(Self { client: Arc::new(CertifiedKey::new(chain, key)), ca, verify, client_facts, ca_facts })
    }

    /// Returns the client certificate with its chain and key, in rustls' form.
    pub fn client(&self) -> &Arc<CertifiedKey> {
        &self.client
    }

    /// Returns the certificates of the site's CA; empty only with [`Verify::None`].
    pub fn ca(&self) -> &[CertificateDer<'static>] {
        &self.ca
    }

    /// Returns how server certificates are verified.
    pub fn verify(&self) -> Verify {
        self.verify
    }

    /// Returns the facts of the client certificate.
    pub fn client_facts(&self) -> &CertificateFacts {
        &self.client_facts
    }

    /// Returns the facts of the CA's certificates, in the order of [`Credentials::ca`].
    pub fn ca_facts(&self) -> &[CertificateFacts] {
        &self.ca_facts
    }

    /// Returns whether Qlik's services would refuse the client certificate because it is of another CA, self-signed,
    /// or not for clients. Dates do not count, nor does anything that only the server can decide.
    pub fn is_foreign(&self) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.ca.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let Ok(verifier) = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()
        else {
            return false;
        };
        let Some((own, issuers)) = self.client.cert.split_first() else { return false };
        // rustls refuses every X.509 version 1 certificate and every CA's own certificate. A server that trusts the CA
        // may accept both.
        if certificate::is_version_1(own) || self.ca.contains(own) {
            return false;
        }
        match verifier.verify_client_cert(own, issuers, UnixTime::now()) {
            Ok(_) => false,
            Err(rustls::Error::InvalidCertificate(refusal)) => !matches!(
                refusal,
                Refusal::Expired
                    | Refusal::ExpiredContext { .. }
                    | Refusal::NotValidYet
                    | Refusal::NotValidYetContext { .. }
                    // SHA-1, for instance, which Windows may accept.
                    | Refusal::UnsupportedSignatureAlgorithmContext { .. }
                    | Refusal::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
            ),
            Err(_) => true,
        }
    }
}

/// Compares certificates and verification. Equal certificates have equal keys.
impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        (&self.client.cert, &self.ca, self.verify) == (&other.client.cert, &other.ca, other.verify)
    }
}

impl Eq for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client", &self.client_facts.subject)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
