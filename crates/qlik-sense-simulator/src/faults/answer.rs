//! Faults of an answer, above HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures::{StreamExt, stream};
use tokio::time::sleep;

use super::{Fault, bodies};
use crate::accounted::Accounted;
use crate::connection::{ByHand, Connection, End};
use crate::delivery::Counts;
use crate::endpoint::Endpoint;
use crate::qps_path::virtual_proxy_of;
use crate::receipt::Listed;
use crate::site::Node;

/// Between two bytes that trickle.
const TRICKLE: Duration = Duration::from_secs(1);

/// A service whose answers may go wrong.
#[derive(Clone)]
pub(crate) struct Service {
    pub endpoint: Arc<Endpoint>,
    /// Of a proxy service.
    pub node: Option<Arc<Node>>,
}

/// Lets the service answer, spoils the answer as the switches say, and accounts for a session list.
pub(crate) async fn layer(State(service): State<Service>, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let node = service.node.as_ref();
    let prefix = node.and_then(|node| virtual_proxy_of(node, request.uri().path()));
    let fault = service.endpoint.faults.meet(prefix.as_deref());

    // A request that was refused or lost has changed nothing. One that only asks is counted all the same.
    let is_lost = request.method() != Method::GET && fault.is_some_and(loses_the_request);
    let mut answer = if is_lost { Response::default() } else { next.run(request).await };
    let mut listed = answer.extensions_mut().remove::<Listed>();
    let answer = match fault {
        None => answer,
        Some(fault) => match spoil(fault, answer, &mut listed).await {
            Spoilt::Answer(answer) => answer,
            Spoilt::ByHand(bytes, end) => {
                let by_hand = ByHand { bytes, end, listed: listed.take() };
                match connection.take_over(by_hand).await {}
            }
        },
    };
    match listed {
        None => answer,
        Some(listed) => answer.map(|body| Body::new(Accounted::new(body, listed, connection))),
    }
}

/// Whether the service never gets to know of a request that meets this fault.
fn loses_the_request(fault: Fault) -> bool {
    matches!(fault, Fault::Hang | Fault::Status(_) | Fault::Redirect | Fault::Reset | Fault::Html)
}

enum Spoilt {
    Answer(Response),
    ByHand(Bytes, End),
}

async fn spoil(fault: Fault, answer: Response, listed: &mut Option<Listed>) -> Spoilt {
    // Everything here breaks the list except what says otherwise.
    let counts = listed.as_mut().and_then(|listed| listed.counts.take());
    let mut still_says = |counts| {
        if let Some(listed) = listed {
            listed.counts = counts;
        }
    };
    Spoilt::Answer(match fault {
        Fault::Hang => std::future::pending().await,
        Fault::HangMidway => hang_midway(answer).await,
        Fault::Trickle => {
            still_says(counts);
            trickle(answer).await
        }
        Fault::Status(status) => (status, "A fault of the simulated site.").into_response(),
        Fault::Redirect => {
            (StatusCode::FOUND, [(LOCATION, "/internal_windows_authentication/")]).into_response()
        }
        Fault::Reset => return Spoilt::ByHand(Bytes::new(), End::Reset),
        Fault::ResetMidway => {
            let body = body(answer).await;
            let half = body.slice(..body.len() / 2);
            return Spoilt::ByHand(by_hand(body.len(), &half), End::Reset);
        }
        Fault::LengthTooLong => {
            let body = body(answer).await;
            return Spoilt::ByHand(by_hand(body.len() + 1000, &body), End::Close);
        }
        Fault::LengthTooShort => {
            let body = body(answer).await;
            return Spoilt::ByHand(by_hand(body.len() / 2, &body), End::Close);
        }
        Fault::Truncated => {
            let body = body(answer).await;
            json(body.slice(..body.len() / 2))
        }
        Fault::Html => Html("<!DOCTYPE html><html><head><title>Login</title></head></html>").into_response(),
        Fault::Empty => json(Bytes::new()),
        Fault::Endless => endless(),
        Fault::Gzip => gzip(answer).await,
        Fault::JsonObject
        | Fault::JsonNumbers
        | Fault::JsonNulls
        | Fault::JsonNested
        | Fault::LongIds
        | Fault::DuplicateIds
        | Fault::CamelCase => {
            let (answer, counts) = rewritten(fault, answer).await;
            still_says(counts);
            answer
        }
        Fault::Latency(delay) => {
            sleep(delay).await;
            still_says(counts);
            answer
        }
        Fault::Jitter(from, to) => {
            sleep(from.saturating_add(to.saturating_sub(from).mul_f64(fastrand::f64()))).await;
            still_says(counts);
            answer
        }
        // Those of the port and of handshakes were met before, and of every second request the first hangs.
        Fault::Refuse | Fault::RefuseHandshake | Fault::WrongCertificate | Fault::EverySecond => {
            still_says(counts);
            answer
        }
    })
}

/// The site's own bodies are in memory and cannot fail.
async fn body(answer: Response) -> Bytes {
    to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default()
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// An answer of status 200 with this Content-Length, whatever the body's is.
fn by_hand(length: usize, body: &[u8]) -> Bytes {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat().into()
}

async fn hang_midway(answer: Response) -> Response {
    let body = body(answer).await;
    let half = body.slice(..body.len() / 2);
    let pieces = stream::iter([Ok::<_, std::convert::Infallible>(half)]).chain(stream::pending());
    let mut answer = json(Body::from_stream(pieces));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    answer
}

async fn trickle(answer: Response) -> Response {
    let (head, inner) = answer.into_parts();
    let body = to_bytes(inner, usize::MAX).await.unwrap_or_default();
    let length = body.len();
    let bytes = stream::unfold(body, async |mut rest| {
        if rest.is_empty() {
            return None;
        }
        sleep(TRICKLE).await;
        let byte = rest.split_to(1);
        Some((Ok::<_, std::convert::Infallible>(byte), rest))
    });
    let mut answer = Response::from_parts(head, Body::from_stream(bytes));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

fn endless() -> Response {
    let rows = std::iter::repeat(bodies::rows_without_end()).map(Ok::<_, std::convert::Infallible>);
    json(Body::from_stream(stream::iter([Ok(Bytes::from_static(b"["))]).chain(stream::iter(rows))))
}

async fn gzip(answer: Response) -> Response {
    let body = body(answer).await;
    let compressed = tokio::task::spawn_blocking(move || bodies::gzip(&body)).await.unwrap_or_default();
    let mut answer = json(compressed);
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// What is no JSON, because the request was refused, stays as it is.
async fn rewritten(fault: Fault, answer: Response) -> (Response, Option<Counts>) {
    let (mut head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = body.clone();
    match tokio::task::spawn_blocking(move || bodies::rewrite(fault, &text)).await.ok().flatten() {
        None => (Response::from_parts(head, Body::from(body)), None),
        Some((body, counts)) => {
            head.headers.remove(CONTENT_LENGTH);
            (Response::from_parts(head, Body::from(body)), counts)
        }
    }
}
