//! What a failure of TLS means: the server's certificate, and ours.

use rustls::AlertDescription as Alert;

use super::{Circumstances, Diagnosis, diagnosis};
use qlik_sense::credentials::{CertificateFacts, day, now};
use qlik_sense::tls_failure::{ServerFailure, TlsFailure, listed};

impl Circumstances<'_> {
    pub(super) fn tls(&self, failure: &TlsFailure<'_>) -> Diagnosis {
        let address = self.address();
        match failure {
            TlsFailure::ServerRefused(failure) => self.server_certificate(failure),
            TlsFailure::OldVersion => diagnosis(
                format!("{address} speaks neither TLS 1.2 nor TLS 1.3, probably only TLS 1.0 or 1.1"),
                "This program has TLS 1.2 and 1.3 only, as older versions are not safe: enable TLS 1.2 on that \
                 Windows server (SCHANNEL\\Protocols in its registry), then restart Qlik's services.",
            ),
            TlsFailure::Renegotiation => {
                self.never_asked(format!("{address} wants to negotiate TLS anew within the connection"))
            }
            TlsFailure::ClientRefused(alert) => diagnosis(
                format!("{address} refuses our client certificate (TLS alert {alert:?})"),
                self.about_client_certificate(),
            ),
            TlsFailure::EndedByServer(Alert::HandshakeFailure | Alert::InsufficientSecurity)
                if self.server.is_none() =>
            {
                diagnosis(
                    format!("{address} and this program have no TLS cipher suite in common"),
                    "Allow one of TLS 1.2's suites with ECDHE and AES-GCM, or TLS 1.3, on that Windows server.",
                )
            }
            // How servers take it that a client does not negotiate anew.
            TlsFailure::EndedByServer(
                alert @ (Alert::HandshakeFailure | Alert::NoRenegotiation | Alert::UnexpectedMessage),
            ) if !self.asked_for_certificate => {
                self.never_asked(format!("{address} ended the connection (TLS alert {alert:?})"))
            }
            TlsFailure::EndedByServer(alert) if self.asked_for_certificate => diagnosis(
                format!(
                    "{address} ended the connection after it had our client certificate (TLS alert {alert:?})"
                ),
                self.about_client_certificate(),
            ),
            TlsFailure::NotTls if self.server.is_none() => diagnosis(
                format!("{address} answers, but not with TLS"),
                format!("Is that the port of the {}? {}", self.service.name(), self.about_port()),
            ),
            other => diagnosis(
                format!("TLS with {address} failed: {other}"),
                format!("Is that the {}? {}", self.service.name(), self.about_port()),
            ),
        }
    }

    fn server_certificate(&self, failure: &ServerFailure<'_>) -> Diagnosis {
        let host = self.url.host_str().unwrap_or_default();
        let CertificateFacts { subject, issuer, not_before, not_after, names, .. } =
            self.server.clone().unwrap_or_default();
        let address = self.address();
        match failure {
            ServerFailure::Foreign => self.foreign(&subject, &issuer),
            // Such as a CA's own one, which cannot be checked as a server's.
            ServerFailure::Other(_) if subject == issuer => self.foreign(&subject, &issuer),
            ServerFailure::OtherHost(_) if names.is_empty() => diagnosis(
                format!(
                    "the certificate of {address}, {subject:?}, has no subject alternative name, so that no \
                         host name can be checked"
                ),
                format!(
                    "It is from this site's CA, as on older installations: set {}, which checks the CA and not \
                     the name.",
                    self.verify("ca")
                ),
            ),
            ServerFailure::OtherHost(_) => diagnosis(
                format!("the certificate of {address} is not for {host:?}; it is for {}", listed(&names)),
                format!(
                    "Use one of these names in the address, or set {}, which checks the CA and not the name.",
                    self.verify("ca")
                ),
            ),
            ServerFailure::Expired if not_after < now() => diagnosis(
                format!("the certificate of {address}, {subject:?}, expired on {}", day(not_after)),
                "Have the management console make this node's certificates anew, and restart its services.",
            ),
            // It is not the server's own one, then.
            ServerFailure::Expired => diagnosis(
                format!("the CA that issued the certificate of {address}, {issuer:?}, has expired"),
                "The site needs a new CA and new certificates; export them again afterwards.",
            ),
            ServerFailure::NotYetValid => diagnosis(
                format!("the certificate of {address}, {subject:?}, is valid from {} on", day(not_before)),
                "Are the clocks right, here and there?",
            ),
            ServerFailure::Other(_) => diagnosis(
                format!("the certificate of {address}, {subject:?} by {issuer:?}, {failure}"),
                format!(
                    "Is it one that Qlik's own CA issued? {} With {}, it would be accepted, and anybody's.",
                    self.about_port(),
                    self.verify("none")
                ),
            ),
        }
    }

    /// Another CA than the one we hold.
    fn foreign(&self, subject: &str, issuer: &str) -> Diagnosis {
        let address = self.address();
        let held: Vec<&str> = self.credentials.ca_facts().iter().map(|facts| &*facts.subject).collect();
        let message = format!(
            "the certificate of {address}, {subject:?}, was issued by {issuer:?}, and not by the CA in this \
             site's {} file, {}",
            self.key("ca"),
            listed(&held)
        );
        let advice = if held.contains(&issuer) {
            "That is a CA of the same name with another key: the site's certificates were made anew, or these \
             are another site's. Export client.pem, client_key.pem and root.pem from this site again."
                .to_owned()
        } else if subject == issuer {
            format!("It signed itself. Is another program at that port? {}", self.about_port())
        } else {
            format!(
                "Is that a server of this site, and is {} the root.pem that was exported from it? {}",
                self.key("ca"),
                self.about_port()
            )
        };
        diagnosis(message, advice)
    }

    /// A service that does not want our certificate cannot know who we are.
    pub(super) fn never_asked(&self, what: String) -> Diagnosis {
        diagnosis(
            format!("{what}; the handshake did not ask for our client certificate"),
            format!(
                "Is that the {}? {} If so, it may want to ask for the certificate by TLS 1.2 renegotiation, which \
                 this program does not do, as it is not safe: have the server ask in the first handshake \
                 (on Windows: netsh http show sslcert, and clientcertnegotiation=enable), or use TLS 1.3.",
                self.service.name(),
                self.about_port()
            ),
        )
    }

    pub(super) fn about_client_certificate(&self) -> String {
        let CertificateFacts { subject, issuer, not_before, not_after, .. } = self.credentials.client_facts();
        let ours = format!("Ours is {subject:?} by {issuer:?}");
        if *not_after < now() {
            return format!("{ours} and expired on {}: export a new one.", day(*not_after));
        }
        if *not_before > now() {
            return format!("{ours} and is valid from {} on: are the clocks right?", day(*not_before));
        }
        if self.credentials.is_foreign() {
            return format!(
                "{ours}, and no client certificate of the CA in this site's {} file: export client.pem from \
                 this site.",
                self.key("ca")
            );
        }
        if let Some(server) = &self.server
            && server.issuer != *issuer
        {
            return format!(
                "{ours}, the server's by {:?}: export client.pem and client_key.pem from this site.",
                server.issuer
            );
        }
        format!(
            "{ours}, valid until {}: was it exported from this site, after its CA was last made anew?",
            day(*not_after)
        )
    }
}
