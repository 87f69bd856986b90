//! The proxy service's interface (QPS, port 4243).

use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::error::{QueryError, is_end_of_connection};
use super::session_list::{Session, SessionListDecoder};
use super::vocabulary::VirtualProxy;

/// Asks for the sessions of one virtual proxy and hands on each as it arrives.
///
/// Ends within the endpoint's timeout. What was handed on before an error is to be forgotten.
pub async fn list_sessions(
    endpoint: &Endpoint,
    virtual_proxy: &VirtualProxy,
    mut each: impl FnMut(Session<'_>),
) -> Result<(), QueryError> {
    let limits = endpoint.limits();
    let list = async {
        let mut answer = endpoint.get(&session_path(virtual_proxy)).await?;
        let mut decoder = SessionListDecoder::default();
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
