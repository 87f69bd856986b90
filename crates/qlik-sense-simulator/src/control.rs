//! The control address: plain HTTP on loopback, for people and tests that want something to go wrong.

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

/// Sessions that one request may open.
const MAX_SESSIONS: usize = 10_000;

/// The control address of a running site. It answers until its token is cancelled.
pub(super) struct Control {
    pub url: Url,
    pub task: JoinHandle<()>,
}

#[derive(Clone)]
struct Controlled {
    site: Arc<Site>,
    services: Arc<Services>,
}

/// What the control address can do, with examples for `address`, and the faults there are.
pub fn help(address: &str) -> String {
    let examples = [
        ("", "/state", "what is set, and what was asked and sent so far"),
        ("-X PUT ", "/fault/1/sales?kind=503", "a fault of one virtual proxy on node 1"),
        ("-X PUT ", "/fault/1/?kind=latency:2s", "of the default virtual proxy there"),
        ("-X PUT ", "/fault/1/*?kind=refuse", "of the whole proxy service of node 1"),
        ("-X PUT ", "/fault/qrs/*?kind=hang", "of the repository"),
        ("-X DELETE ", "/fault/1/sales", "that one no longer"),
        ("-X DELETE ", "/fault", "none any more"),
        ("-X POST ", "/sessions?node=1&prefix=sales&user=LAB%5Canna&count=5", "opens sessions of a user"),
        ("-X DELETE ", "/sessions?node=1&prefix=sales&user=LAB%5Canna", "ends them"),
    ];
    let lines =
        examples.map(|(method, path, does)| format!("  # {does}\n  curl {method}\"{address}{path}\"\n"));
    format!("{}\nFaults (kind=):\n{}", lines.concat(), faults::help())
}

/// Listens on loopback, and nowhere else.
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
    let serve = axum::serve(listener, router(Controlled { site, services }, &url))
        .with_graceful_shutdown(stop.cancelled_owned());
    // It never fails: what cannot be accepted is tried again.
    let task = tokio::spawn(async { drop(serve.into_future().await) });
    Ok(Control { url, task })
}

fn router(controlled: Controlled, url: &Url) -> Router {
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
        .route("/sessions", post(open_sessions).delete(close_sessions))
        .fallback(|| async { (StatusCode::NOT_FOUND, "No such path: see GET /.\n") })
        .with_state(controlled)
}

/// A refusal, as status and text.
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

/// `1` or `qps-1`.
fn number(node: &str) -> Result<usize, Refusal> {
    let number = node.strip_prefix("qps-").unwrap_or(node).parse();
    number.map_err(|_| bad_request(format!("{node:?} is no node (1, 2, … or qrs for the repository)")))
}

#[derive(Deserialize)]
struct SetFault {
    kind: String,
}

async fn site_state(State(controlled): State<Controlled>) -> Json<SiteState> {
    Json(SiteState::of(&controlled.site))
}

async fn set_default(
    controlled: State<Controlled>,
    Path(node): Path<String>,
    query: Query<SetFault>,
) -> Response {
    set_fault(controlled, Path((node, String::new())), query).await
}

async fn set_fault(
    State(controlled): State<Controlled>,
    Path((node, prefix)): Path<(String, String)>,
    Query(SetFault { kind }): Query<SetFault>,
) -> Response {
    let done = async {
        let fault = kind.parse::<Fault>().map_err(bad_request)?;
        controlled.change(&node, &prefix, Some(fault)).await?;
        Ok::<_, Refusal>(format!("{fault} is set\n"))
    };
    done.await.into_response()
}

async fn clear_default(controlled: State<Controlled>, Path(node): Path<String>) -> Response {
    clear_fault(controlled, Path((node, String::new()))).await
}

async fn clear_fault(
    State(controlled): State<Controlled>,
    Path((node, prefix)): Path<(String, String)>,
) -> Response {
    let changed = controlled.change(&node, &prefix, None).await;
    changed.map(|changed| if changed { "cleared\n" } else { "there was none\n" }).into_response()
}

async fn clear_faults(State(controlled): State<Controlled>) -> Response {
    let cleared = controlled.services.clear_faults().await;
    cleared.map(|()| "all cleared\n").map_err(|error| refusal(&error)).into_response()
}

impl Controlled {
    async fn change(&self, node: &str, prefix: &str, fault: Option<Fault>) -> Result<bool, Refusal> {
        let prefix = (prefix != "*").then(|| prefix.trim_matches('/'));
        let changed = match (node, prefix) {
            ("qrs", None) => self.services.set_repository_fault(fault).await,
            ("qrs", Some(_)) => return Err(bad_request("the repository's faults are set on qrs/*")),
            (node, prefix) => self.services.set_fault(number(node)?, prefix, fault).await,
        };
        changed.map_err(|error| refusal(&error))
    }

    fn pair(&self, of: &Sessions) -> Result<Arc<Pair>, Refusal> {
        let node = self.site.node_or_error(number(&of.node)?);
        let pair = node.and_then(|node| node.link_or_error(of.prefix.trim_matches('/')));
        pair.map_err(|error| refusal(&error))
    }
}

#[derive(Deserialize)]
struct Sessions {
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

impl Sessions {
    fn user(&self) -> Result<(&str, &str), Refusal> {
        self.user.split_once('\\').ok_or_else(|| bad_request(r"user is to be written DIRECTORY\ID"))
    }
}

async fn open_sessions(State(controlled): State<Controlled>, Query(wanted): Query<Sessions>) -> Response {
    let done = || {
        let (pair, (directory, id)) = (controlled.pair(&wanted)?, wanted.user()?);
        if wanted.count > MAX_SESSIONS {
            return Err(bad_request(format!("count is {}, {MAX_SESSIONS} at most", wanted.count)));
        }
        let user = User { directory: directory.into(), id: id.into(), name: None, attributes: Vec::new() };
        let (user, mut ids) = (Arc::new(user), fastrand::Rng::new());
        let mut table = pair.table();
        for _ in 0..wanted.count {
            table.open_for(user.clone(), uuid(&mut ids));
        }
        Ok::<_, Refusal>((StatusCode::CREATED, format!("{} opened\n", wanted.count)))
    };
    done().into_response()
}

async fn close_sessions(State(controlled): State<Controlled>, Query(wanted): Query<Sessions>) -> Response {
    let done = || {
        let (pair, (directory, id)) = (controlled.pair(&wanted)?, wanted.user()?);
        let mut table = pair.table();
        let sessions = table.of_user(directory, id);
        sessions.iter().for_each(|session| drop(table.close(&session.session_id)));
        Ok::<_, Refusal>(format!("{} ended\n", sessions.len()))
    };
    done().into_response()
}
