//! The proxy service's interface (QPS, port 4243).

use std::time::Duration;

use percent_encoding::utf8_percent_encode;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::timeout;

use crate::client::{Client, PLAIN};
use crate::error::{QueryError, is_end_of_connection};
use crate::session_list::{HTML, NOT_JSON, Row, SessionListDecoder, describe};
use crate::types::{SessionId, VirtualProxy};

/// Lists the sessions of one virtual proxy: calls `each` with every row as it arrives, with the members that `R`
/// decodes.
///
/// # Errors
/// When there is no complete session list within the client's limits of time and size. The rows passed to `each`
/// before an error are an incomplete list: discard them.
pub async fn list_sessions<R: Row>(
    client: &Client,
    virtual_proxy: &VirtualProxy,
    each: impl FnMut(R::Of<'_>),
) -> Result<(), QueryError> {
    let limits = client.limits();
    let list = read_sessions::<R>(client, virtual_proxy, limits.response_size, each);
    timeout(limits.timeout, list).await.unwrap_or(Err(QueryError::Timeout(limits.timeout)))
}

async fn read_sessions<R: Row>(
    client: &Client,
    virtual_proxy: &VirtualProxy,
    max_size: u64,
    mut each: impl FnMut(R::Of<'_>),
) -> Result<(), QueryError> {
    let mut response = client.get(&session_path(virtual_proxy)).await?;
    let mut decoder = SessionListDecoder::<R>::default();
    let mut size = 0;
    // Where the connection's end is also the end of the response, a missing TLS close_notify is no error: the
    // decoder notices a list that was cut off.
    let ends_with_connection =
        [CONTENT_LENGTH, TRANSFER_ENCODING].iter().all(|name| !response.headers().contains_key(name));
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) if ends_with_connection && is_end_of_connection(&error) => break,
            Err(error) => return Err(QueryError::in_body(&error)),
        };
        size += piece.len() as u64;
        if size > max_size {
            return Err(QueryError::TooLarge(max_size));
        }
        decoder.push(&piece, &mut each)?;
    }
    Ok(decoder.finish(&mut each)?)
}

/// The outcome of a request to delete a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    Deleted,
    /// Status 404. Usually no session has this id; but a proxy service in trouble may send 404 too, so only a list shows
    /// whether the session is gone.
    NotFound,
}

/// Deletes one session of a virtual proxy. Takes at most the client's timeout, plus one second after a success.
///
/// # Errors
/// When the service does not confirm the deletion. [`QueryError::leaves_doubt`] returns whether the session may be
/// gone all the same.
pub async fn delete_session(
    client: &Client,
    virtual_proxy: &VirtualProxy,
    id: SessionId<'_>,
) -> Result<Deletion, QueryError> {
    let limits = client.limits();
    let path = format!("{}/{}", session_path(virtual_proxy), utf8_percent_encode(id.as_str(), PLAIN));
    let response = timeout(limits.timeout, client.delete(&path)).await;
    let mut response = match response.unwrap_or(Err(QueryError::Timeout(limits.timeout))) {
        Ok(response) => response,
        Err(QueryError::HttpStatus(status)) if status == StatusCode::NOT_FOUND => {
            return Ok(Deletion::NotFound);
        }
        Err(error) => return Err(error),
    };
    // The status of a proxy service decides; the body shows whether it is one. It is read to its end so that the
    // connection can be reused.
    let mut first = None;
    let body = async {
        while let Ok(Some(piece)) = response.chunk().await {
            first = first.or(piece.iter().copied().find(|byte| !byte.is_ascii_whitespace()));
        }
    };
    let _ = timeout(BODY_TIMEOUT, body).await;
    match first.map(describe) {
        Some(other @ (HTML | NOT_JSON)) => Err(QueryError::NoDeletion(other)),
        _ => Ok(Deletion::Deleted),
    }
}

/// How long to wait for the body of a response whose status decides.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns `/qps/session` for the default virtual proxy, `/qps/{prefix}/session` for the others.
fn session_path(virtual_proxy: &VirtualProxy) -> String {
    let prefix = virtual_proxy.prefix();
    if prefix.is_empty() { "/qps/session".to_owned() } else { format!("/qps/{prefix}/session") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_virtual_proxy_has_no_prefix_in_its_path() {
        for (prefix, path) in
            [("/", "/qps/session"), ("sales", "/qps/sales/session"), ("a/b", "/qps/a/b/session")]
        {
            assert_eq!(session_path(&VirtualProxy::parse(prefix).unwrap()), path);
        }
    }
}
