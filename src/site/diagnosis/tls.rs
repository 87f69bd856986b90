//! Explains TLS failures: the server's certificate, and the client certificate.

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
                "This program supports TLS 1.2 and 1.3 only, because older versions are not secure: enable TLS 1.2 on \
                 that Windows server (SCHANNEL\\Protocols in its registry), then restart Qlik's services.",
            ),
            TlsFailure::Renegotiation => {
                self.certificate_not_requested(format!("{address} starts a TLS renegotiation"))
            }
            TlsFailure::ClientRefused(alert) => diagnosis(
                format!("{address} refuses the client certificate (TLS alert {alert:?})"),
                self.about_client_certificate(),
            ),
            TlsFailure::EndedByServer(Alert::HandshakeFailure | Alert::InsufficientSecurity)
                if self.server.is_none() =>
            {
                diagnosis(
                    format!("{address} and this program have no TLS cipher suite in common"),
                    "Enable TLS 1.3, or a TLS 1.2 cipher suite with ECDHE and AES-GCM, on that Windows server.",
                )
            }
            // The alerts of servers whose renegotiation the client refuses.
            TlsFailure::EndedByServer(
                alert @ (Alert::HandshakeFailure | Alert::NoRenegotiation | Alert::UnexpectedMessage),
            ) if !self.requested_certificate => self
                .certificate_not_requested(format!("{address} ended the connection (TLS alert {alert:?})")),
            TlsFailure::EndedByServer(alert) if self.requested_certificate => diagnosis(
                format!(
                    "{address} ended the connection after it received the client certificate (TLS alert {alert:?})"
                ),
                self.about_client_certificate(),
            ),
            TlsFailure::NotTls if self.server.is_none() => diagnosis(
                format!("{address} answers, but not with TLS"),
                format!("Check that this is the port of the {}. {}", self.service.name(), self.about_port()),
            ),
            other => diagnosis(
                format!("TLS with {address} failed: {other}"),
                format!("Check that the {} answers there. {}", self.service.name(), self.about_port()),
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
            // A self-signed CA certificate, for example, cannot be verified as a server certificate.
            ServerFailure::Other(_) if subject == issuer => self.foreign(&subject, &issuer),
            ServerFailure::OtherHost(_) if names.is_empty() => diagnosis(
                format!(
                    "the certificate of {address}, {subject:?}, has no subject alternative name, so the host name \
                     cannot be checked"
                ),
                format!(
                    "Older installations have such certificates. Set {}, which checks the CA but not the name.",
                    self.verify("ca")
                ),
            ),
            ServerFailure::OtherHost(_) => diagnosis(
                format!("the certificate of {address} is not for {host:?}; it is for {}", listed(&names)),
                format!(
                    "Use one of these names in the address, or set {}, which checks the CA but not the name.",
                    self.verify("ca")
                ),
            ),
            ServerFailure::Expired if not_after < now() => diagnosis(
                format!("the certificate of {address}, {subject:?}, expired on {}", day(not_after)),
                "Recreate this node's certificates in the management console, then restart its services.",
            ),
            // The server's own certificate is valid, so that its CA's is the expired one.
            ServerFailure::Expired => diagnosis(
                format!("the CA that issued the certificate of {address}, {issuer:?}, has expired"),
                "Create a new CA and new certificates for the site, then export them again.",
            ),
            ServerFailure::NotYetValid => diagnosis(
                format!("the certificate of {address}, {subject:?}, is not valid before {}", day(not_before)),
                "Check the clocks of this host and of the Qlik Sense nodes.",
            ),
            ServerFailure::Other(_) => diagnosis(
                format!("the certificate of {address}, {subject:?} by {issuer:?}, {failure}"),
                format!(
                    "Check that Qlik's own CA issued it. {} {} accepts any certificate, also that of an attacker.",
                    self.about_port(),
                    self.verify("none")
                ),
            ),
        }
    }

    /// Explains a server certificate that another CA issued.
    fn foreign(&self, subject: &str, issuer: &str) -> Diagnosis {
        let address = self.address();
        let trusted: Vec<&str> = self.credentials.ca_facts().iter().map(|facts| &*facts.subject).collect();
        let message = format!(
            "the certificate of {address}, {subject:?}, was issued by {issuer:?}, not by the CA in this site's \
             {} file, {}",
            self.key("ca"),
            listed(&trusted)
        );
        let advice = if trusted.contains(&issuer) {
            "That is a CA of the same name with another key: the site's certificates were recreated, or the \
             configured ones are from another site. Export client.pem, client_key.pem and root.pem from this site \
             again."
                .to_owned()
        } else if subject == issuer {
            format!(
                "It is self-signed. Check that no other program listens on that port. {}",
                self.about_port()
            )
        } else {
            format!(
                "Check that the server belongs to this site, and that {} is the root.pem exported from it. {}",
                self.key("ca"),
                self.about_port()
            )
        };
        diagnosis(message, advice)
    }

    /// Explains a failure without a request for the client certificate, by which a service knows the client.
    pub(super) fn certificate_not_requested(&self, failure: String) -> Diagnosis {
        diagnosis(
            format!("{failure}; the handshake did not request the client certificate"),
            format!(
                "Check that the {} answers there. {} If it does, it may request the certificate by TLS 1.2 renegotiation, \
                 which this program does not support, because it is not secure: configure the server to request the \
                 certificate in the first handshake (on Windows: netsh http show sslcert, and \
                 clientcertnegotiation=enable), or use TLS 1.3.",
                self.service.name(),
                self.about_port()
            ),
        )
    }

    /// Returns what is wrong with the client certificate, or its issuer and expiry.
    pub(super) fn about_client_certificate(&self) -> String {
        let CertificateFacts { subject, issuer, not_before, not_after, .. } = self.credentials.client_facts();
        let ours = format!("The client certificate is {subject:?}, issued by {issuer:?}");
        if *not_after < now() {
            return format!("{ours}. It expired on {}: export a new one.", day(*not_after));
        }
        if *not_before > now() {
            return format!("{ours}. It is not valid before {}: check the clocks.", day(*not_before));
        }
        if self.credentials.is_foreign() {
            return format!(
                "{ours}, not by the CA in this site's {} file: export client.pem and client_key.pem from this site.",
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
            "{ours}, and valid until {}. Check that it was exported from this site since its CA was last recreated.",
            day(*not_after)
        )
    }
}
