//! The connections to one service: how many are kept, and the retry when a kept one was closed.

use std::cell::Cell;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use rustls::ClientConfig;
use tokio::task_local;
use tower::util::MapResponseLayer;
use url::Url;

use crate::error::{NoConnection, QueryError};

/// How long an idle connection is kept: longer than the minute between two queries that is usual in monitoring,
/// and shorter than the two minutes after which Windows' HTTP server closes it.
const IDLE: Duration = Duration::from_secs(90);

/// Sends requests and keeps some of the connections for later ones.
pub(super) struct Connections {
    kept: Client,
    /// Opens a connection for each request and keeps none.
    fresh: Client,
}

task_local! {
    /// Whether the request that this task sends opened a new connection.
    static HAS_OPENED: Cell<bool>;
}

impl Connections {
    /// Keeps up to `max_idle` connections for later requests. All requests carry `headers`.
    pub fn new(tls: &ClientConfig, headers: &HeaderMap, max_idle: usize) -> reqwest::Result<Self> {
        Ok(Self { kept: client(tls, headers, max_idle)?, fresh: client(tls, headers, 0)? })
    }

    /// Starts a request for [`Self::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.kept.request(method, url)
    }

    /// Sends a request and returns the response as soon as its head has arrived.
    ///
    /// A service may close a kept connection at the moment of its reuse, without having seen the request. A GET
    /// is then sent once more, on a new connection. A request that already had a new connection is not repeated,
    /// so that a service in trouble is not queried twice. An incomplete response head counts as closed too: the
    /// HTTP library reports no difference.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, QueryError> {
        let request = request.build().map_err(|error| QueryError::before_answer(&error))?;
        let retry = if request.method() == Method::GET { request.try_clone() } else { None };
        let attempt = async { (self.kept.execute(request).await, HAS_OPENED.with(Cell::get)) };
        let (result, opened_connection) = HAS_OPENED.scope(Cell::new(false), attempt).await;
        let result = match (result, retry) {
            (Err(error), Some(retry)) if !opened_connection && was_closed(&error) => {
                self.fresh.execute(retry).await
            }
            (result, _) => result,
        };
        result.map_err(|error| QueryError::before_answer(&error))
    }
}

fn client(tls: &ClientConfig, headers: &HeaderMap, max_idle: usize) -> reqwest::Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .default_headers(headers.clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .retry(reqwest::retry::never())
        .connector_layer(MapResponseLayer::new(opened))
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(max_idle)
        .build()
}

/// Marks the current request as one that opened a connection, and passes the connection on. Outside a request
/// there is nothing to mark: the request took another connection that became idle first.
fn opened<C>(connection: C) -> C {
    let _ = HAS_OPENED.try_with(|has_opened| has_opened.set(true));
    connection
}

/// Returns whether the error is an established connection that was closed.
fn was_closed(error: &reqwest::Error) -> bool {
    !error.is_connect()
        && matches!(QueryError::before_answer(error), QueryError::Connect(NoConnection::Closed))
}
