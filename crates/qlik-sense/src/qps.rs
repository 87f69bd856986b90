//! The proxy service's interface (QPS, port 4243).

use std::time::Duration;

use percent_encoding::utf8_percent_encode;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::timeout;

use crate::client::{Client, PLAIN};
use crate::error::{QueryError, is_end_of_connection};
use crate::session_list::{HTML, NO_JSON, Row, SessionListDecoder, describe};
use crate::types::{SessionId, VirtualProxy};

/// Asks for the sessions of one virtual proxy and hands on each, as far as `R` has it decoded, as it arrives.
///
/// Ends within the endpoint's timeout. What was handed on before an error is to be forgotten.
pub async fn list_sessions<R: Row>(
    endpoint: &Client,
    virtual_proxy: &VirtualProxy,
    mut each: impl FnMut(R::Of<'_>),
) -> Result<(), QueryError> {
    let limits = endpoint.limits();
    let list = async {
        let mut answer = endpoint.get(&session_path(virtual_proxy)).await?;
        let mut decoder = SessionListDecoder::<R>::default();
        let mut size = 0;
        // Where the end of the connection is that of the answer, a missing farewell of TLS cuts nothing off
        // that the decoder would not miss.
        let ends_with_connection =
            [CONTENT_LENGTH, TRANSFER_ENCODING].iter().all(|name| !answer.headers().contains_key(name));
        loop {
            let piece = match answer.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) if ends_with_connection && is_end_of_connection(&error) => break,
                Err(error) => return Err(QueryError::within_answer(&error)),
            };
            size += piece.len() as u64;
            if size > limits.response_size {
                return Err(QueryError::TooLarge(limits.response_size));
            }
            decoder.push(&piece, &mut each)?;
        }
        Ok(decoder.finish(&mut each)?)
    };
    timeout(limits.timeout, list).await.unwrap_or(Err(QueryError::Timeout(limits.timeout)))
}

/// What became of a session that was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    Deleted,
    /// 404: there was none of that id, as it seems. A proxy in trouble may say the same; only a list tells.
    NotFound,
}

/// Ends one session of a virtual proxy.
///
/// Ends within the timeout of the endpoint, and a second when it was done. After an error nobody knows whether the
/// session is gone, unless it is a status or a handshake that failed.
pub async fn delete_session(
    endpoint: &Client,
    virtual_proxy: &VirtualProxy,
    id: SessionId<'_>,
) -> Result<Deletion, QueryError> {
    let limits = endpoint.limits();
    let path = format!("{}/{}", session_path(virtual_proxy), utf8_percent_encode(id.as_str(), PLAIN));
    let answer = timeout(limits.timeout, endpoint.delete(&path)).await;
    let mut answer = match answer.unwrap_or(Err(QueryError::Timeout(limits.timeout))) {
        Ok(answer) => answer,
        Err(QueryError::HttpStatus(status)) if status == StatusCode::NOT_FOUND => {
            return Ok(Deletion::NotFound);
        }
        Err(error) => return Err(error),
    };
    // The status has said it, where it is the proxy service's. The rest is read only so that the connection can be
    // used again.
    let mut first = None;
    let rest = async {
        while let Ok(Some(piece)) = answer.chunk().await {
            first = first.or(piece.iter().copied().find(|byte| !byte.is_ascii_whitespace()));
        }
    };
    let _ = timeout(REST, rest).await;
    match first.map(describe) {
        Some(other @ (HTML | NO_JSON)) => Err(QueryError::NoDeletion(other)),
        _ => Ok(Deletion::Deleted),
    }
}

/// How long the rest of an answer is waited for, when only its status matters.
const REST: Duration = Duration::from_secs(1);

/// `/qps/session` for the default virtual proxy, `/qps/{prefix}/session` for the others.
fn session_path(virtual_proxy: &VirtualProxy) -> String {
    let prefix = virtual_proxy.prefix();
    if prefix.is_empty() { "/qps/session".to_owned() } else { format!("/qps/{prefix}/session") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_virtual_proxy_has_no_prefix_in_its_path() {
        let path = |prefix| session_path(&VirtualProxy::parse(prefix).unwrap());
        assert_eq!(path("/"), "/qps/session");
        assert_eq!(path("sales"), "/qps/sales/session");
        assert_eq!(path("a/b"), "/qps/a/b/session");
    }
}
