//! How a query can fail, sorted by what an administrator would do about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::session_list::DecodeError;

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
    Connect(String),
    /// The handshake failed, or an alert came after it: TLS 1.3 refuses client certificates there.
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
    #[error("no complete answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("HTTP status {0} instead of 200")]
    HttpStatus(u16),
    /// 401 or 403.
    #[error("HTTP status {0}: this user or client certificate has no rights here")]
    Denied(u16),
    #[error("the answer is no session list: {0}")]
    Decode(#[from] DecodeError),
    /// More bytes than `max_response_size`.
    #[error("the answer is larger than {0} bytes (max_response_size)")]
    TooLarge(u64),
}

impl QueryError {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) => Reason::Connect,
            Self::Tls(_) => Reason::Tls,
            Self::Timeout(_) => Reason::Timeout,
            Self::HttpStatus(_) => Reason::HttpStatus,
            Self::Denied(_) => Reason::Denied,
            Self::Decode(_) => Reason::Decode,
            Self::TooLarge(_) => Reason::TooLarge,
        }
    }

    /// What went wrong before the head of an answer had come.
    pub(super) fn before_answer(error: &reqwest::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::Tls(tls.clone()),
            None => Self::Connect(innermost(error)),
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

/// Searches an error and its sources for one type. `io::Error` hides what it wraps from `source()`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
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
    fn reasons_are_numbered_as_they_are_listed() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
