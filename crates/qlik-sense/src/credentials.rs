//! What we show to Qlik's services, and what they have to show us: certificates, key, CA.
//!
//! Pure parsing of bytes: who reads the files, and names them in messages, is `config`. The
//! errors' texts follow the name of the file that they are about.

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

/// How much of a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Issued by the site's CA, for the host name that is asked.
    Full,
    /// Issued by the site's CA; the host name is not checked. For certificates without a subject
    /// alternative name, and for sites that are reached by IP address or alias.
    Ca,
    /// Nothing at all.
    None,
}

/// A site's certificates and key, checked against each other.
pub struct Credentials {
    client: Arc<CertifiedKey>,
    ca: Vec<CertificateDer<'static>>,
    verify: Verify,
    client_facts: CertificateFacts,
    ca_facts: Vec<CertificateFacts>,
}

/// The key is not that of the client certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key does not belong to the certificate of {subject:?}: \
     take both from one export of the management console"
)]
pub struct KeyMismatch {
    /// The subject of the certificate that was given first.
    pub subject: String,
}

impl Credentials {
    /// Puts together what was read. `chain` is not empty when it comes from
    /// [`parse_certificates`]; the certificate that the key belongs to may stand anywhere in it.
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
        // TLS sends the own certificate first, its issuers after it.
        let own = chain.remove(own);
        let client_facts = facts(&own).unwrap_or_default();
        chain.insert(0, own);
        let ca_facts = ca.iter().filter_map(|certificate| facts(certificate).ok()).collect();
        Ok(Self { client: Arc::new(CertifiedKey::new(chain, key)), ca, verify, client_facts, ca_facts })
    }

    /// The client certificate with its chain and key, as rustls wants them.
    pub fn client(&self) -> &Arc<CertifiedKey> {
        &self.client
    }

    /// The site's CA; empty only with [`Verify::None`].
    pub fn ca(&self) -> &[CertificateDer<'static>] {
        &self.ca
    }

    /// How servers are checked.
    pub fn verify(&self) -> Verify {
        self.verify
    }

    /// What the client certificate says of itself.
    pub fn client_facts(&self) -> &CertificateFacts {
        &self.client_facts
    }

    /// What the CA's certificates say of themselves, in the order of [`Credentials::ca`].
    pub fn ca_facts(&self) -> &[CertificateFacts] {
        &self.ca_facts
    }

    /// Whether this is no client certificate of the site's CA, so that Qlik's services would refuse it:
    /// of another CA, self-signed, or not for clients. What can only be told there, or is told by the
    /// dates, is not.
    pub fn is_foreign(&self) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.ca.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let Ok(verifier) = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()
        else {
            return false;
        };
        let Some((own, issuers)) = self.client.cert.split_first() else { return false };
        // rustls refuses X.509 version 1 whoever issued it, and a server may accept it.
        // And it refuses a CA's own certificate, which whoever trusts that CA may accept.
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
                    // Such as SHA-1, which Windows may accept.
                    | Refusal::UnsupportedSignatureAlgorithmContext { .. }
                    | Refusal::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
            ),
            Err(_) => true,
        }
    }
}

/// The same certificates and the same checks; the key then is the same too.
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
