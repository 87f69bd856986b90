//! The cause of a TLS error, in words for administrators; rustls' own words are for programmers.

use std::fmt;

use rustls::{
    AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved,
};

/// How many names of a list are printed.
const NAMES: usize = 5;

/// The kinds of TLS errors that an administrator can do something about.
#[derive(Debug, Clone, PartialEq)]
pub enum TlsFailure<'a> {
    /// The client refused the server's certificate.
    ServerRefused(ServerFailure<'a>),
    /// The server refused the client certificate.
    ClientRefused(Alert),
    /// The server sent any other alert.
    EndedByServer(Alert),
    OldVersion,
    Renegotiation,
    NotTls,
    Other(&'a Error),
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerFailure<'a> {
    /// Another CA issued it.
    Foreign,
    /// It is for these names and not for the requested host.
    OtherHost(Vec<&'a str>),
    /// It has expired, or the certificate of an intermediate CA has.
    Expired,
    NotYetValid,
    Other(&'a CertificateError),
}

impl<'a> TlsFailure<'a> {
    /// Classifies a TLS error.
    pub fn of(error: &'a Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::ServerRefused(ServerFailure::of(error)),
            Error::AlertReceived(Alert::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::ServerDoesNotSupportTls12Or13,
            ) => Self::OldVersion,
            Error::AlertReceived(
                alert @ (Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::DecryptError
                | Alert::AccessDenied),
            ) => Self::ClientRefused(*alert),
            Error::AlertReceived(alert) => Self::EndedByServer(*alert),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => Self::Renegotiation,
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            other => Self::Other(other),
        }
    }
}

impl<'a> ServerFailure<'a> {
    fn of(error: &'a CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Foreign,
            CertificateError::NotValidForName => Self::OtherHost(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherHost(presented.iter().filter_map(|name| host(name)).collect())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            other => Self::Other(other),
        }
    }
}

/// Returns the host name in rustls' `DnsName("sense1")` or `IpAddress(10.0.0.1)`; other kinds are no hosts.
fn host(presented: &str) -> Option<&str> {
    let name = presented.strip_prefix("DnsName(").or_else(|| presented.strip_prefix("IpAddress("))?;
    Some(name.strip_suffix(')')?.trim_matches('"'))
}

impl fmt::Display for TlsFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerRefused(failure) => write!(f, "the server's certificate {failure}"),
            Self::ClientRefused(alert) => {
                write!(f, "the server refused our client certificate (alert {alert:?})")
            }
            Self::EndedByServer(alert) => write!(f, "the server ended the connection (alert {alert:?})"),
            Self::OldVersion => f.write_str("the server speaks neither TLS 1.2 nor TLS 1.3"),
            Self::Renegotiation => f.write_str("the server wants to negotiate TLS anew"),
            Self::NotTls => f.write_str("this port does not speak TLS"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// Writes the predicate of a sentence that begins with "the certificate".
impl fmt::Display for ServerFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("was not issued by this site's CA"),
            Self::OtherHost(names) if names.is_empty() => {
                f.write_str("is not for this host name (it names none)")
            }
            Self::OtherHost(names) => {
                write!(f, "is not for this host name (it is for {})", listed(names))
            }
            Self::Expired => f.write_str("has expired"),
            Self::NotYetValid => f.write_str("is not valid yet"),
            Self::Other(error) => write!(f, "cannot be checked: {error}"),
        }
    }
}

/// Returns the first names in quotes, and how many more there are.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().take(NAMES).map(|name| format!("{:?}", name.as_ref())).collect();
    match names.len().saturating_sub(NAMES) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn text(error: impl Into<Error>) -> String {
        TlsFailure::of(&error.into()).to_string()
    }

    fn other_host(presented: &[&str]) -> CertificateError {
        let expected = ServerName::try_from("sense1").unwrap();
        let presented = presented.iter().map(|name| (*name).to_owned()).collect();
        CertificateError::NotValidForNameContext { expected, presented }
    }

    #[test]
    fn common_failures_are_plain_sentences() {
        for (error, expected) in [
            (
                CertificateError::UnknownIssuer.into(),
                "the server's certificate was not issued by this site's CA",
            ),
            (
                CertificateError::BadSignature.into(),
                "the server's certificate was not issued by this site's CA",
            ),
            (CertificateError::Expired.into(), "the server's certificate has expired"),
            (CertificateError::NotValidYet.into(), "the server's certificate is not valid yet"),
            (
                Error::AlertReceived(Alert::BadCertificate),
                "the server refused our client certificate (alert BadCertificate)",
            ),
            (
                Error::AlertReceived(Alert::HandshakeFailure),
                "the server ended the connection (alert HandshakeFailure)",
            ),
            (Error::AlertReceived(Alert::ProtocolVersion), "the server speaks neither TLS 1.2 nor TLS 1.3"),
            (InvalidMessage::InvalidContentType.into(), "this port does not speak TLS"),
            (Error::General("text of rustls".into()), "unexpected error: text of rustls"),
        ] {
            assert_eq!(text(error), expected);
        }
    }

    #[test]
    fn a_certificate_for_other_hosts_is_reported_with_their_names() {
        let start = "the server's certificate is not for this host name";
        let two =
            ["DnsName(\"sense1.company.com\")", "UniformResourceIdentifier(\"x\")", "IpAddress(10.0.0.1)"];
        assert_eq!(
            text(other_host(&two)),
            format!("{start} (it is for \"sense1.company.com\", \"10.0.0.1\")")
        );
        assert_eq!(text(other_host(&[])), format!("{start} (it names none)"));
        assert_eq!(
            text(other_host(&["DnsName(\"a\")"; 1000])),
            format!("{start} (it is for \"a\", \"a\", \"a\", \"a\", \"a\" and 995 more)")
        );
    }
}
