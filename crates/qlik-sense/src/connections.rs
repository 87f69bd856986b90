//! The connections to one service: which are kept, and what happens when a kept one was closed.

use std::cell::Cell;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use rustls::ClientConfig;
use tokio::task_local;
use tower::util::MapResponseLayer;
use url::Url;

use crate::error::{NoConnection, QueryError};

/// How long an unused connection is kept: longer than usual scrape intervals, and shorter than servers
/// usually keep it (two minutes with Windows' HTTP server).
const IDLE: Duration = Duration::from_secs(90);

/// Sends requests, and keeps some of the connections that this took.
pub(super) struct Connections {
    kept: Client,
    /// Opens a connection for each request, and keeps none.
    new: Client,
}

task_local! {
    /// Whether the request that this task sends has opened a connection.
    static HAS_OPENED: Cell<bool>;
}

impl Connections {
    /// Keeps so many for the next requests. `headers` go with each of these.
    pub fn new(tls: ClientConfig, headers: HeaderMap, kept: usize) -> reqwest::Result<Self> {
        let client = |kept| {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .default_headers(headers.clone())
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .http1_only()
                .retry(reqwest::retry::never())
                .connector_layer(MapResponseLayer::new(opened))
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(kept)
                .build()
        };
        Ok(Self { kept: client(kept)?, new: client(0)? })
    }

    /// A request for [`Self::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.kept.request(method, url)
    }

    /// Sends a request and returns the answer once its head is there.
    ///
    /// A service may close a kept connection just as it is used again, without having seen the request: a
    /// GET is then sent once more, on a new connection. Never one whose own connection was new: a service in
    /// trouble is not asked twice. What came of a head that was not complete makes no difference: the HTTP
    /// library does not tell.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, QueryError> {
        let request = request.build().map_err(|error| QueryError::before_answer(&error))?;
        let again = (request.method() == Method::GET).then(|| request.try_clone()).flatten();
        let sending = async { (self.kept.execute(request).await, HAS_OPENED.with(Cell::get)) };
        let answer = match (HAS_OPENED.scope(Cell::new(false), sending).await, again) {
            ((Err(error), false), Some(again)) if was_closed(&error) => self.new.execute(again).await,
            ((answer, _), _) => answer,
        };
        answer.map_err(|error| QueryError::before_answer(&error))
    }
}

/// Passes on a connection that was just opened, and notes it for the request that wanted it. One whose
/// request has taken another meanwhile is kept.
fn opened<C>(connection: C) -> C {
    let _ = HAS_OPENED.try_with(|has_opened| has_opened.set(true));
    connection
}

/// Whether a connection was closed that had been open.
fn was_closed(error: &reqwest::Error) -> bool {
    !error.is_connect()
        && matches!(QueryError::before_answer(error), QueryError::Connect(NoConnection::Closed))
}
