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
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::delivery::Listed;
use super::faults::answer;
use super::guard;
use super::session::Session;
use super::sessions::List;
use super::site::{Node, Pair, Site};

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

/// The prefix of the virtual proxy that a path is for.
pub(super) fn virtual_proxy_of(node: &Node, path: &str) -> Option<String> {
    readings(path).map(|(prefix, _)| prefix).find(|prefix| node.pair(prefix).is_some())
}

/// What a path names within a virtual proxy.
#[derive(Debug, PartialEq)]
enum Target {
    Sessions,
    Session(String),
    User { directory: String, id: String },
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

/// What a path may mean, as prefix and target. There is more than one meaning where an id reads `session`;
/// the virtual proxies that exist decide.
fn readings(path: &str) -> impl Iterator<Item = (String, Target)> {
    let decode = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let segments: Option<Vec<String>> =
        path.strip_prefix("/qps/").and_then(|rest| rest.split('/').map(decode).collect());
    let segments = segments.unwrap_or_default();
    let read = move |length: usize| {
        let (prefix, named) = segments.split_at_checked(segments.len().checked_sub(length)?)?;
        let target = match named {
            [session] if session == "session" => Target::Sessions,
            [session, id] if session == "session" => Target::Session(id.clone()),
            [user, directory, id] if user == "user" => {
                Target::User { directory: directory.clone(), id: id.clone() }
            }
            _ => return None,
        };
        // The default virtual proxy is written as no segment (`/qps/session`) or an empty one.
        Some((prefix.join("/"), target))
    };
    (1..=3).filter_map(read)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Vec<(String, Target)> {
        readings(path).collect()
    }

    #[test]
    fn the_default_virtual_proxy_is_no_segment_or_an_empty_one() {
        assert_eq!(read("/qps/session"), [(String::new(), Target::Sessions)]);
        assert_eq!(read("/qps//session"), [(String::new(), Target::Sessions)]);
        assert_eq!(read("/qps//session/1"), [(String::new(), Target::Session("1".into()))]);
    }

    #[test]
    fn a_prefix_may_hold_slashes() {
        assert_eq!(read("/qps/a/b/session"), [("a/b".into(), Target::Sessions)]);
    }

    #[test]
    fn ids_are_decoded_after_the_path_is_taken_apart() {
        let id = "a/b %\u{645}";
        assert_eq!(
            read("/qps/sales/session/a%2Fb%20%25%D9%85"),
            [("sales".into(), Target::Session(id.into()))]
        );
        let user = Target::User { directory: "LAB".into(), id: id.into() };
        assert_eq!(read("/qps/sales/user/LAB/a%2Fb%20%25%D9%85"), [("sales".into(), user)]);
    }

    #[test]
    fn an_id_that_reads_session_has_two_meanings() {
        let list = ("session".into(), Target::Sessions);
        assert_eq!(read("/qps/session/session"), [list, (String::new(), Target::Session("session".into()))]);
    }

    #[test]
    fn other_paths_mean_nothing() {
        for path in ["/", "/qps", "/qps/", "/qps/sales", "/qps/user/LAB", "/qrs/session", "/qps/session/%ff"]
        {
            assert_eq!(read(path), [], "{path}");
        }
    }
}
