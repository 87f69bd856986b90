//! The control address: plain HTTP on loopback, which sets faults and opens and deletes sessions.

mod state;

use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use state::SiteState;

use crate::error::Error;
use crate::faults::{self, Fault};
use crate::ids::uuid;
use crate::services::Services;
use crate::session::User;
use crate::site::{Pair, Site};

/// The most sessions that one request may open.
const MAX_SESSIONS: usize = 10_000;

/// The control address of a running site.
pub(super) struct Control {
    pub url: Url,
    /// Serves requests until the token of [`start`] is cancelled.
    pub task: JoinHandle<()>,
}

/// The site that requests observe and change.
#[derive(Clone)]
struct ControlledSite {
    site: Arc<Site>,
    services: Arc<Services>,
}

/// An example in the help.
struct Example {
    curl_options: &'static str,
    path: &'static str,
    purpose: &'static str,
}

const fn example(curl_options: &'static str, path: &'static str, purpose: &'static str) -> Example {
    Example { curl_options, path, purpose }
}

const EXAMPLES: [Example; 9] = [
    example("", "/state", "the faults that are set, and counts of requests and responses"),
    example("-X PUT ", "/fault/1/sales?kind=503", "sets a fault of one virtual proxy on node 1"),
    example("-X PUT ", "/fault/1/?kind=latency:2s", "sets a fault of the default virtual proxy there"),
    example("-X PUT ", "/fault/1/*?kind=refuse", "sets a fault of the whole proxy service of node 1"),
    example("-X PUT ", "/fault/qrs/*?kind=hang", "sets a fault of the repository"),
    example("-X DELETE ", "/fault/1/sales", "clears the fault of one virtual proxy"),
    example("-X DELETE ", "/fault", "clears all faults"),
    example("-X POST ", "/sessions?node=1&prefix=sales&user=LAB%5Canna&count=5", "opens sessions of a user"),
    example("-X DELETE ", "/sessions?node=1&prefix=sales&user=LAB%5Canna", "deletes the sessions of a user"),
];

/// Returns the help of the control address, with examples for `address`, and the list of faults.
pub fn help(address: &str) -> String {
    let mut text = String::new();
    for Example { curl_options, path, purpose } in EXAMPLES {
        text += &format!("  # {purpose}\n  curl {curl_options}\"{address}{path}\"\n");
    }
    format!("{text}\nFaults (kind=):\n{}", faults::help())
}

/// Listens on the loopback address only.
///
/// # Errors
/// When the port is in use.
pub(super) async fn start(
    port: u16,
    site: Arc<Site>,
    services: Arc<Services>,
    stop: CancellationToken,
) -> Result<Control, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |error| Error::Control { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let url = Url::parse(&url).map_err(|error| failed(std::io::Error::other(error)))?;
    let serve = axum::serve(listener, router(ControlledSite { site, services }, &url))
        .with_graceful_shutdown(stop.cancelled_owned());
    // Never fails: axum retries to accept connections.
    let task = tokio::spawn(async { drop(serve.into_future().await) });
    Ok(Control { url, task })
}

fn router(controlled: ControlledSite, url: &Url) -> Router {
    let help = format!(
        "The control address of a simulated Qlik Sense site.\n\n{}",
        help(url.as_str().trim_end_matches('/'))
    );
    Router::new()
        .route("/", get(|| async { help }))
        .route("/state", get(site_state))
        .route("/fault", delete(clear_faults))
        .route("/fault/{node}/", put(set_default).delete(clear_default))
        .route("/fault/{node}/{*prefix}", put(set_fault).delete(clear_fault))
        .route("/sessions", post(open_sessions).delete(delete_sessions))
        .fallback(|| async { (StatusCode::NOT_FOUND, "No such path: see GET /.\n") })
        .with_state(controlled)
}

/// The status and text of a refused request.
type Refusal = (StatusCode, String);

fn refusal(error: &Error) -> Refusal {
    let status = match error {
        Error::NoSuchNode { .. } | Error::NoSuchLink { .. } => StatusCode::NOT_FOUND,
        Error::WholeNodeOnly { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n"))
}

fn bad_request(text: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("{text}\n"))
}

/// Parses the number of a node: `1` or `qps-1`.
fn node_number(node: &str) -> Result<usize, Refusal> {
    let number = node.strip_prefix("qps-").unwrap_or(node).parse();
    number.map_err(|_| bad_request(format!("{node:?} is no node (1, 2, … or qrs for the repository)")))
}

#[derive(Deserialize)]
struct SetFault {
    kind: String,
}

async fn site_state(State(controlled): State<ControlledSite>) -> Json<SiteState> {
    Json(SiteState::of(&controlled.site))
}

async fn set_default(
    controlled: State<ControlledSite>,
    Path(node): Path<String>,
    query: Query<SetFault>,
) -> Response {
    set_fault(controlled, Path((node, String::new())), query).await
}

async fn set_fault(
    State(controlled): State<ControlledSite>,
    Path((node, prefix)): Path<(String, String)>,
    Query(SetFault { kind }): Query<SetFault>,
) -> Response {
    let fault = match kind.parse::<Fault>() {
        Ok(fault) => fault,
        Err(error) => return bad_request(error).into_response(),
    };
    let changed = controlled.change(&node, &prefix, Some(fault)).await;
    changed.map(|_| format!("{fault} is set\n")).into_response()
}

async fn clear_default(controlled: State<ControlledSite>, Path(node): Path<String>) -> Response {
    clear_fault(controlled, Path((node, String::new()))).await
}

async fn clear_fault(
    State(controlled): State<ControlledSite>,
    Path((node, prefix)): Path<(String, String)>,
) -> Response {
    let changed = controlled.change(&node, &prefix, None).await;
    changed.map(|changed| if changed { "cleared\n" } else { "there was none\n" }).into_response()
}

async fn clear_faults(State(controlled): State<ControlledSite>) -> Response {
    let cleared = controlled.services.clear_faults().await;
    cleared.map(|()| "all cleared\n").map_err(|error| refusal(&error)).into_response()
}

impl ControlledSite {
    /// Sets or clears a fault. Returns false if there was none to clear.
    async fn change(&self, node: &str, prefix: &str, fault: Option<Fault>) -> Result<bool, Refusal> {
        let prefix = (prefix != "*").then(|| prefix.trim_matches('/'));
        let changed = match (node, prefix) {
            ("qrs", None) => self.services.set_repository_fault(fault).await,
            ("qrs", Some(_)) => return Err(bad_request("the repository's faults are set on qrs/*")),
            (node, prefix) => self.services.set_fault(node_number(node)?, prefix, fault).await,
        };
        changed.map_err(|error| refusal(&error))
    }

    fn pair(&self, query: &SessionsQuery) -> Result<Arc<Pair>, Refusal> {
        let node = self.site.node_or_error(node_number(&query.node)?);
        let pair = node.and_then(|node| node.pair_or_error(query.prefix.trim_matches('/')));
        pair.map_err(|error| refusal(&error))
    }
}

#[derive(Deserialize)]
struct SessionsQuery {
    #[serde(default = "first_node")]
    node: String,
    #[serde(default)]
    prefix: String,
    /// `DIR\ID`.
    user: String,
    #[serde(default = "one")]
    count: usize,
}

fn first_node() -> String {
    "1".to_owned()
}

fn one() -> usize {
    1
}

impl SessionsQuery {
    /// Returns the directory and the id of the user.
    fn user(&self) -> Result<(&str, &str), Refusal> {
        self.user.split_once('\\').ok_or_else(|| bad_request(r"user must have the form DIRECTORY\ID"))
    }
}

async fn open_sessions(
    State(controlled): State<ControlledSite>,
    Query(query): Query<SessionsQuery>,
) -> Response {
    controlled.open_sessions(&query).into_response()
}

async fn delete_sessions(
    State(controlled): State<ControlledSite>,
    Query(query): Query<SessionsQuery>,
) -> Response {
    controlled.delete_sessions(&query).into_response()
}

impl ControlledSite {
    fn open_sessions(&self, query: &SessionsQuery) -> Result<(StatusCode, String), Refusal> {
        let (pair, (directory, id)) = (self.pair(query)?, query.user()?);
        if query.count > MAX_SESSIONS {
            return Err(bad_request(format!("count is {}, {MAX_SESSIONS} at most", query.count)));
        }
        let user = User { directory: directory.into(), id: id.into(), name: None, attributes: Vec::new() };
        let (user, mut rng) = (Arc::new(user), fastrand::Rng::new());
        let mut table = pair.table();
        for _ in 0..query.count {
            table.open_for(user.clone(), uuid(&mut rng));
        }
        Ok((StatusCode::CREATED, format!("{} opened\n", query.count)))
    }

    fn delete_sessions(&self, query: &SessionsQuery) -> Result<String, Refusal> {
        let (pair, (directory, id)) = (self.pair(query)?, query.user()?);
        let mut table = pair.table();
        let sessions = table.of_user(directory, id);
        for session in &sessions {
            table.close(&session.session_id);
        }
        Ok(format!("{} ended\n", sessions.len()))
    }
}
