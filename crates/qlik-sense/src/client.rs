//! Client for one service of a site over mutual TLS: what all requests to QRS and QPS have in common.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::connections::Connections;
use crate::credentials::Credentials;
use crate::error::QueryError;
use crate::types::QlikUser;
use crate::verifier::{ClientCertificate, ServerVerifier, UnusableCa};

/// The characters that need no escape in an `X-Qlik-User` header and in a path segment.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of the body of a 400 response is read to find its cause, in bytes.
const REFUSAL_BYTES: usize = 4096;

/// In the body of the 400 response when the Xrfkey header and parameter differ.
const XSRF_TEXT: &str = "XSRF prevention check failed";

/// The limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the connection to the last byte of the response.
    pub timeout: Duration,
    /// The largest response body, in bytes.
    pub response_size: u64,
    /// Idle connections that are kept for the next requests.
    pub connections: usize,
}

/// A client for one QPS or QRS service. Keep it as long as the service is queried, so that connections and TLS
/// sessions are reused.
pub struct Client {
    connections: Connections,
    base: Url,
    verifier: Arc<ServerVerifier>,
    certificate: Arc<ClientCertificate>,
    limits: Limits,
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Ca(#[from] UnusableCa),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the user cannot be written in a header: {0}")]
    User(#[from] reqwest::header::InvalidHeaderValue),
}

impl Client {
    /// Builds a client for the service at `base`, which acts in the name of `user`. Connects with the first
    /// request.
    ///
    /// # Errors
    /// When the CA cannot verify others, TLS or the HTTP library cannot be set up, or the user does not fit a
    /// header.
    pub fn new(
        base: &Url,
        credentials: &Credentials,
        user: &QlikUser,
        limits: Limits,
    ) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            Arc::new(ServerVerifier::new(credentials.ca(), credentials.verify(), provider.clone())?);
        let certificate = Arc::new(ClientCertificate::new(credentials.client().clone()));
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_client_cert_resolver(certificate.clone());
        let header = format!(
            "UserDirectory={}; UserId={}",
            utf8_percent_encode(&user.directory, PLAIN),
            utf8_percent_encode(&user.id, PLAIN)
        );
        let headers = HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static("x-qlik-user"),
            HeaderValue::try_from(header)?,
        )]);
        let connections = Connections::new(&tls, &headers, limits.connections)?;
        Ok(Self { connections, base: base.clone(), verifier, certificate, limits })
    }

    /// Returns the limits of each request.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the certificate that the service presented last, in DER; `None` before the first handshake.
    pub fn server_certificate(&self) -> Option<CertificateDer<'static>> {
        self.verifier.last_presented()
    }

    /// Returns whether the service ever requested the client certificate in a handshake.
    pub fn requested_certificate(&self) -> bool {
        self.certificate.was_requested()
    }

    /// Returns the service's address.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// Sends a GET and returns the whole response body, within the client's limits of time and size.
    pub(super) async fn get_whole(&self, path: &str) -> Result<Vec<u8>, QueryError> {
        let Limits { timeout, response_size, .. } = self.limits;
        let body = self.read_whole(path, response_size);
        tokio::time::timeout(timeout, body).await.unwrap_or(Err(QueryError::Timeout(timeout)))
    }

    async fn read_whole(&self, path: &str, max_size: u64) -> Result<Vec<u8>, QueryError> {
        let mut response = self.get(path).await?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| QueryError::in_body(&error))? {
            if (body.len() + piece.len()) as u64 > max_size {
                return Err(QueryError::TooLarge(max_size));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Sends a GET and returns the response as soon as its head has arrived; any status but 200 is an error.
    pub(super) async fn get(&self, path: &str) -> Result<Response, QueryError> {
        self.send(Method::GET, path, |status| status == StatusCode::OK).await
    }

    /// Sends a DELETE and returns the response as soon as its head has arrived. Any 2xx is a success, since a
    /// deletion may have no content.
    pub(super) async fn delete(&self, path: &str) -> Result<Response, QueryError> {
        self.send(Method::DELETE, path, |status| status.is_success()).await
    }

    /// Sends a request without a body and returns the response as soon as its head has arrived, if `is_good`
    /// accepts its status.
    async fn send(
        &self,
        method: Method,
        path: &str,
        is_good: impl Fn(StatusCode) -> bool,
    ) -> Result<Response, QueryError> {
        let key: String = std::iter::repeat_with(fastrand::alphanumeric).take(16).collect();
        let mut url = self.base.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("Xrfkey", &key);
        let request = self.connections.request(method, url).header("X-Qlik-Xrfkey", key);
        let response = self.connections.send(request).await?;
        match response.status() {
            status if is_good(status) => Ok(response),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(QueryError::Denied(status.as_u16()))
            }
            StatusCode::BAD_REQUEST => Err(match is_xsrf_refusal(response).await {
                true => QueryError::Xsrf,
                false => QueryError::HttpStatus(StatusCode::BAD_REQUEST.as_u16()),
            }),
            status => Err(QueryError::HttpStatus(status.as_u16())),
        }
    }
}

/// Returns whether a 400 response was caused by a missing or different Xrfkey.
async fn is_xsrf_refusal(mut response: Response) -> bool {
    let mut text = Vec::new();
    while text.len() < REFUSAL_BYTES
        && let Ok(Some(piece)) = response.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    String::from_utf8_lossy(&text).contains(XSRF_TEXT)
}
