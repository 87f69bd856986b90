//! One service of a site, reached over mutual TLS: what every call to QRS and QPS has in common.

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
use crate::verifier::{ClientCertificate, ServerTrust, UnusableCa};

/// What stays as it is in a value of the `X-Qlik-User` header, and in a segment of a path.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of a refusal is read, to see what it is about.
const REFUSAL_BYTES: usize = 4096;

/// In the text of the answer when the two cross-site keys differ.
const XSRF: &str = "XSRF prevention check failed";

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From connect to last byte.
    pub timeout: Duration,
    /// Bytes of one answer.
    pub response_size: u64,
    /// Connections that are kept for the next requests.
    pub connections: usize,
}

/// A service's address with everything needed to ask it. Lives as long as its site, so that
/// connections and TLS sessions are used again.
pub struct Client {
    connections: Connections,
    base: Url,
    trust: Arc<ServerTrust>,
    certificate: Arc<ClientCertificate>,
    limits: Limits,
}

/// Why no client could be built for a service.
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
    pub fn new(
        base: &Url,
        credentials: &Credentials,
        user: &QlikUser,
        limits: Limits,
    ) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trust = Arc::new(ServerTrust::new(credentials.ca(), credentials.verify(), provider.clone())?);
        let certificate = Arc::new(ClientCertificate::new(credentials.client().clone()));
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(trust.clone())
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
        let connections = Connections::new(tls, headers, limits.connections)?;
        Ok(Self { connections, base: base.clone(), trust, certificate, limits })
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The certificate that the service showed last, in DER; none before the first handshake.
    pub fn server_certificate(&self) -> Option<CertificateDer<'static>> {
        self.trust.seen()
    }

    /// Whether the service ever asked for our certificate in a handshake.
    pub fn asked_for_certificate(&self) -> bool {
        self.certificate.was_asked_for()
    }

    /// The service's address.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// The whole answer to a GET, within the endpoint's limits of time and size.
    pub(super) async fn get_whole(&self, path: &str) -> Result<Vec<u8>, QueryError> {
        let Limits { timeout, response_size, .. } = self.limits;
        let body = async {
            let mut answer = self.get(path).await?;
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(|e| QueryError::within_answer(&e))? {
                if (body.len() + piece.len()) as u64 > response_size {
                    return Err(QueryError::TooLarge(response_size));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        tokio::time::timeout(timeout, body).await.unwrap_or(Err(QueryError::Timeout(timeout)))
    }

    /// Sends a GET and returns the answer once its head is there and says 200.
    pub(super) async fn get(&self, path: &str) -> Result<Response, QueryError> {
        self.send(Method::GET, path, |status| status == StatusCode::OK).await
    }

    /// Sends a DELETE and returns the answer once its head is there and says that it was done: any 2xx, for there
    /// need be no content.
    pub(super) async fn delete(&self, path: &str) -> Result<Response, QueryError> {
        self.send(Method::DELETE, path, |status| status.is_success()).await
    }

    /// Sends a request without a body and returns the answer once its head is there, with a status that is good.
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
        let answer = self.connections.send(request).await?;
        match answer.status() {
            status if is_good(status) => Ok(answer),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(QueryError::Denied(status.as_u16()))
            }
            StatusCode::BAD_REQUEST => Err(match is_about_xsrf(answer).await {
                true => QueryError::Xsrf,
                false => QueryError::HttpStatus(StatusCode::BAD_REQUEST.as_u16()),
            }),
            status => Err(QueryError::HttpStatus(status.as_u16())),
        }
    }
}

/// Whether a refusal says that the two cross-site keys differ.
async fn is_about_xsrf(mut answer: Response) -> bool {
    let mut text = Vec::new();
    while text.len() < REFUSAL_BYTES
        && let Ok(Some(piece)) = answer.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    String::from_utf8_lossy(&text).contains(XSRF)
}
