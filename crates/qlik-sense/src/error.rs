//! How a query can fail, sorted by what an administrator would do about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::session_list::DecodeError;
use crate::tls_failure::TlsFailure;

/// The kinds of failure: the values of the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Connect,
    Tls,
    Timeout,
    HttpStatus,
    Denied,
    Decode,
    TooLarge,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::HttpStatus,
        Self::Denied,
        Self::Decode,
        Self::TooLarge,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::HttpStatus => "http_status",
            Self::Denied => "denied",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why a query brought no answer that could be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// No connection, or one that broke before an answer began.
    #[error("no connection: {0}")]
    Connect(NoConnection),
    /// The handshake failed, or an alert came after it: TLS 1.3 refuses client certificates there.
    #[error("TLS failed: {}", TlsFailure::of(.0))]
    Tls(rustls::Error),
    #[error("no complete answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("HTTP status {0} instead of 200")]
    HttpStatus(u16),
    /// 400 because the two cross-site keys of the request did not arrive as they were sent.
    #[error("HTTP status 400 instead of 200: XSRF prevention check failed")]
    Xsrf,
    /// 401 or 403.
    #[error("HTTP status {0}: this user or client certificate has no rights here")]
    Denied(u16),
    /// 200, and an empty list: the repository leaves out, without an error, what a user may not read.
    #[error("the repository shows no proxy service, though every site has one")]
    NoProxyServices,
    /// What came over TLS has no head that HTTP knows.
    #[error("the answer is no HTTP")]
    NotHttp,
    #[error("the answer is no session list: {0}")]
    Decode(#[from] DecodeError),
    /// Somebody else answered a deletion, such as a page to log in.
    #[error("the answer tells of no deletion: expected JSON or nothing, found {0}")]
    NoDeletion(&'static str),
    /// From the repository.
    #[error("the answer is no list of {what}: {problem}")]
    Shape { what: &'static str, problem: ShapeError },
    /// More bytes than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
}

impl QueryError {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) => Reason::Connect,
            Self::Tls(_) => Reason::Tls,
            Self::Timeout(_) => Reason::Timeout,
            Self::HttpStatus(_) | Self::Xsrf => Reason::HttpStatus,
            Self::Denied(_) | Self::NoProxyServices => Reason::Denied,
            Self::NotHttp | Self::Decode(_) | Self::NoDeletion(_) | Self::Shape { .. } => Reason::Decode,
            Self::TooLarge(_) => Reason::TooLarge,
        }
    }

    /// Whether the service may have done what was wanted all the same: its answer was lost, or is none.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::Connect(why) => matches!(why, NoConnection::Closed | NoConnection::Other(_)),
            Self::Tls(_) | Self::HttpStatus(_) | Self::Xsrf | Self::Denied(_) | Self::NoProxyServices => {
                false
            }
            Self::Timeout(_)
            | Self::NotHttp
            | Self::Decode(_)
            | Self::NoDeletion(_)
            | Self::Shape { .. }
            | Self::TooLarge(_) => true,
        }
    }

    /// What went wrong before the head of an answer had come.
    pub(super) fn before_answer(error: &reqwest::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::Tls(tls.clone()),
            None if sources(error).any(is_parse) => Self::NotHttp,
            None => Self::Connect(NoConnection::because_of(error)),
        }
    }

    /// What went wrong while the body came: a cut, or a late TLS alert.
    pub(super) fn within_answer(error: &reqwest::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls @ rustls::Error::AlertReceived(_)) => Self::Tls(tls.clone()),
            _ => Self::Decode(DecodeError::CutOff),
        }
    }
}

/// Why an answer of the repository is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("it was cut off")]
    CutOff,
    #[error("{0}")]
    Other(String),
}

/// How far a connection came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoConnection {
    #[error("the host name is not known ({0})")]
    UnknownHost(String),
    #[error("refused")]
    Refused,
    /// The operating system gave up, which is rarely sooner than the timeout of the request.
    #[error("{0}")]
    NoAnswer(String),
    /// Opened, and closed by the other side before an answer.
    #[error("closed by the other side before an answer")]
    Closed,
    #[error("{0}")]
    Other(String),
}

impl NoConnection {
    fn because_of(error: &reqwest::Error) -> Self {
        let text = innermost(error);
        // The client's own word; what the operating system says of names differs between systems.
        if sources(error).any(|source| source.to_string() == "dns error") {
            return Self::UnknownHost(text);
        }
        match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown,
            ) => Self::NoAnswer(text),
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => Self::Closed,
            _ if sources(error).any(is_incomplete) => Self::Closed,
            _ => Self::Other(text),
        }
    }
}

/// Whether the connection ended without TLS saying so.
pub(super) fn is_end_of_connection(error: &reqwest::Error) -> bool {
    let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    sources(error).any(|source| source.downcast_ref().is_some_and(is_end))
}

/// Whether the HTTP library says that what came is no HTTP.
fn is_parse(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_parse)
}

/// Whether the HTTP library says that the connection ended before the answer did.
fn is_incomplete(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
}

/// An error and its sources. `io::Error` hides what it wraps from `source()`.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// Searches an error and its sources for one type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// The text of the deepest source: what the operating system or the HTTP library said, without the
/// address that the layers above repeat.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_inside_an_io_error() {
        let inner = rustls::Error::General("no".into());
        let outer = io::Error::other(io::Error::other(inner.clone()));
        assert_eq!(find::<rustls::Error>(&outer), Some(&inner));
    }

    #[test]
    fn nothing_is_said_twice_or_in_the_librarys_words() {
        let refused = QueryError::Connect(NoConnection::Refused);
        assert_eq!(refused.to_string(), "no connection: refused");
        let closed = QueryError::Connect(NoConnection::Closed);
        assert_eq!(closed.to_string(), "no connection: closed by the other side before an answer");
        let foreign = QueryError::Tls(rustls::CertificateError::UnknownIssuer.into());
        assert_eq!(
            foreign.to_string(),
            "TLS failed: the server's certificate was not issued by this site's CA"
        );
    }

    #[test]
    fn reasons_are_numbered_as_they_are_listed() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
