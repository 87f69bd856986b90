//! The proxy service's interface, on port 4243.

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

use crate::faults::answer;
use crate::guard;
use crate::qps_path::{Target, readings};
use crate::receipt::Listed;
use crate::session::Session;
use crate::sessions::List;
use crate::site::{Node, Pair, Site};

/// Everything that one node's proxy service answers.
pub(super) fn router(site: Arc<Site>, node: Arc<Node>) -> Router {
    let service = answer::Service { endpoint: node.endpoint.clone(), node: Some(node.clone()) };
    Router::new()
        .route("/qps/alive", get(|| async { Json(true) }))
        // A prefix may hold slashes, so that no pattern of a path fits them all.
        .fallback(reply)
        .with_state(node)
        .layer(middleware::from_fn(guard::proxy))
        .layer(middleware::from_fn_with_state(service, answer::layer))
        .layer(middleware::from_fn_with_state(site, guard::delay))
}

/// What became of a session that was deleted.
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
            // On its way until it is written: latency holds the whole answer back.
            let in_flight = Arc::new(node.answer_begins());
            let closed = pair.table().close(&id);
            let answer = closed.map_or_else(no_such_session, |(session, last_session_for_user)| {
                Json(Deleted { session, last_session_for_user }).into_response()
            });
            (Extension(in_flight), answer).into_response()
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

async fn list(node: &Arc<Node>, pair: Arc<Pair>) -> Response {
    pair.count_list_query();
    let in_flight = node.answer_begins();
    match pair.clone().list().await {
        Some(list) => {
            let listed = Listed { pair, counts: Some(list.counts), _in_flight: Arc::new(in_flight) };
            let body = Body::new(ListBody { sent: 0, left: list.length, list });
            (Extension(listed), [(CONTENT_TYPE, "application/json")], body).into_response()
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

/// A session list on its way: shares the kept pages.
struct ListBody {
    list: List,
    /// In pieces.
    sent: usize,
    /// In bytes.
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
