//! The proxy service's interface (QPS, port 4243).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use crate::faults::response::{self, FaultTarget};
use crate::guard;
use crate::qps_path::{Target, readings};
use crate::receipt::PendingDelivery;
use crate::session::Session;
use crate::sessions::{ClosedSession, SessionList};
use crate::site::{Node, Pair, Site};

/// Returns the router of one node's proxy service.
pub(super) fn router(site: Arc<Site>, node: Arc<Node>) -> Router {
    let target = FaultTarget { endpoint: node.endpoint.clone(), node: Some(node.clone()) };
    Router::new()
        .route("/qps/alive", get(|| async { Json(true) }))
        // A prefix may contain slashes, so no route pattern matches all paths.
        .fallback(reply)
        .with_state(node)
        .layer(middleware::from_fn(guard::proxy))
        .layer(middleware::from_fn_with_state(target, response::layer))
        .layer(middleware::from_fn_with_state(site, guard::delay))
}

/// The response to the deletion of a session.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    session: Session,
    last_session_for_user: bool,
}

async fn reply(State(node): State<Arc<Node>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let found = readings(uri.path()).find_map(|(prefix, target)| Some((node.pair(&prefix)?, target)));
    let Some((pair, target)) = found else {
        return (StatusCode::NOT_FOUND, "No such virtual proxy or path on this proxy service.")
            .into_response();
    };
    if method == Method::DELETE {
        pair.count_deletion();
    }
    match (&method, target) {
        (&Method::GET, Target::Sessions) => list(&node, pair).await,
        (&Method::POST, Target::Sessions) => add(&pair, &body),
        (&Method::GET, Target::Session(id)) => {
            let session = pair.table().get(&id);
            session.map_or_else(no_such_session, |session| Json(session).into_response())
        }
        (&Method::DELETE, Target::Session(id)) => {
            // In flight until the response is written, the site's latency included.
            let in_flight = Arc::new(node.begin_response());
            let closed = pair.table().close(&id);
            (Extension(in_flight), closed.map_or_else(no_such_session, deleted)).into_response()
        }
        (&Method::GET, Target::User { directory, id }) => {
            Json(pair.table().of_user(&directory, &id)).into_response()
        }
        (&Method::DELETE, Target::User { directory, id }) => {
            let mut table = pair.table();
            let sessions = table.of_user(&directory, &id);
            sessions.iter().for_each(|session| drop(table.close(&session.session_id)));
            Json(sessions).into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn deleted(closed: ClosedSession) -> Response {
    let ClosedSession { session, was_last_of_user } = closed;
    Json(Deleted { session, last_session_for_user: was_last_of_user }).into_response()
}

async fn list(node: &Arc<Node>, pair: Arc<Pair>) -> Response {
    pair.count_list_query();
    let in_flight = node.begin_response();
    match pair.clone().list().await {
        Some(list) => {
            let pending =
                PendingDelivery { pair, counts: Some(list.counts), _in_flight: Arc::new(in_flight) };
            let body = Body::new(ListBody { sent: 0, left: list.length, list });
            (Extension(pending), [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn add(pair: &Pair, body: &[u8]) -> Response {
    match serde_json::from_slice::<Session>(body) {
        Ok(session) => {
            pair.table().open(session.clone());
            (StatusCode::CREATED, Json(session)).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("Not a session: {error}")).into_response(),
    }
}

fn no_such_session() -> Response {
    (StatusCode::NOT_FOUND, "No such session.").into_response()
}

/// The body of a session list, which shares the cached pages.
struct ListBody {
    list: SessionList,
    /// The number of pieces sent.
    sent: usize,
    /// The number of bytes left.
    left: u64,
}

impl hyper::body::Body for ListBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.list.pieces.get(self.sent).cloned();
        Poll::Ready(piece.map(|piece| {
            self.sent += 1;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
