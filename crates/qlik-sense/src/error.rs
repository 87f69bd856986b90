//! How a query can fail, grouped by what an administrator can do about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::session_list::DecodeError;
use crate::tls_failure::TlsFailure;

/// Defines the reasons once, so that none is missing in [`Reason::ALL`].
macro_rules! reasons {
    ($($reason:ident => $text:literal),+ $(,)?) => {
        /// The kinds of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason {
            $($reason),+
        }

        impl Reason {
            /// Every reason, in the order of the discriminants.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$reason),+];

            /// Returns the reason in snake case, such as `http_status`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $text),+
                }
            }
        }
    };
}

reasons! {
    Connect => "connect",
    Tls => "tls",
    Timeout => "timeout",
    HttpStatus => "http_status",
    Denied => "denied",
    Decode => "decode",
    TooLarge => "too_large",
}

/// Why a query failed: there is no usable response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// There is no connection, or it broke before a response began.
    #[error("no connection: {0}")]
    Connect(NoConnection),
    /// The handshake failed, or an alert followed it: with TLS 1.3 a server refuses a client certificate there.
    #[error("TLS failed: {}", TlsFailure::of(.0))]
    Tls(rustls::Error),
    #[error("no complete answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("HTTP status {0} instead of 200")]
    HttpStatus(u16),
    /// 400 because the Xrfkey header and parameter did not arrive as they were sent.
    #[error("HTTP status 400 instead of 200: XSRF prevention check failed")]
    Xsrf,
    /// 401 or 403.
    #[error("HTTP status {0}: this user or client certificate has no rights here")]
    Denied(u16),
    /// 200 with an empty list: the repository silently omits the objects that the user may not read.
    #[error("the repository shows no proxy service, though every site has one")]
    NoProxyServices,
    /// The bytes received over TLS are no HTTP response.
    #[error("the answer is no HTTP")]
    NotHttp,
    #[error("the answer is not a session list: {0}")]
    Decode(#[from] DecodeError),
    /// Something other than a proxy service answered a deletion, for instance with a login page.
    #[error("the answer does not confirm the deletion: expected JSON or nothing, found {0}")]
    NoDeletion(&'static str),
    /// The repository's response has another shape than expected.
    #[error("the answer is no list of {what}: {problem}")]
    Shape { what: &'static str, problem: ShapeError },
    /// The body has more bytes than [`Limits::response_size`](crate::Limits::response_size).
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
}

impl QueryError {
    /// Returns the kind of failure.
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

    /// Returns whether the service may have processed the request although the query failed: its response was
    /// lost or is unusable.
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

    /// Classifies a failure before the head of the response arrived.
    pub(super) fn before_answer(error: &reqwest::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::Tls(tls.clone()),
            None if sources(error).any(is_parse) => Self::NotHttp,
            None => Self::Connect(NoConnection::because_of(error)),
        }
    }

    /// Classifies a failure while the body arrived: it was cut off, or a late TLS alert came.
    pub(super) fn in_body(error: &reqwest::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls @ rustls::Error::AlertReceived(_)) => Self::Tls(tls.clone()),
            _ => Self::Decode(DecodeError::CutOff),
        }
    }
}

/// Why a response of the repository cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("it was cut off")]
    CutOff,
    #[error("{0}")]
    Other(String),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoConnection {
    #[error("the host name is not known ({0})")]
    UnknownHost(String),
    #[error("refused")]
    Refused,
    /// The operating system reported a timeout or an unreachable host; usually the request's timeout is sooner.
    #[error("{0}")]
    NoAnswer(String),
    /// The service closed the connection before it sent a response.
    #[error("closed by the other side before an answer")]
    Closed,
    #[error("{0}")]
    Other(String),
}

impl NoConnection {
    fn because_of(error: &reqwest::Error) -> Self {
        let text = innermost(error);
        // The HTTP client's own text: the error codes of name resolution differ between operating systems.
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

/// Returns whether the connection ended without a TLS close_notify.
pub(super) fn is_end_of_connection(error: &reqwest::Error) -> bool {
    sources(error).any(is_unexpected_eof)
}

fn is_unexpected_eof(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// Returns whether the bytes received are no HTTP.
fn is_parse(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_parse)
}

/// Returns whether the connection ended before the response head was complete.
fn is_incomplete(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
}

/// Returns an error and its sources. `io::Error` hides the error that it wraps from `source()`.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// Returns the first of an error and its sources that has type `T`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// Returns the text of the deepest source: that of the operating system or the HTTP library, without the address
/// that the layers above repeat.
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
    fn messages_are_short_and_not_those_of_the_library() {
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
    fn reasons_are_listed_in_the_order_of_their_discriminants() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
