//! Middleware that applies faults to responses and tracks the delivery of session lists.

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

use super::bodies::{self, Rewritten};
use crate::connection::{Connection, End, RawResponse};
use crate::delivery::Counts;
use crate::endpoint::Endpoint;
use crate::faults::Fault;
use crate::qps_path::virtual_proxy_of;
use crate::receipt::PendingDelivery;
use crate::site::Node;
use crate::tracked_body::TrackedBody;

/// The delay between two bytes of [`Fault::Trickle`].
const TRICKLE: Duration = Duration::from_secs(1);

/// The service whose responses the middleware changes.
#[derive(Clone)]
pub(crate) struct FaultTarget {
    pub endpoint: Arc<Endpoint>,
    /// The node of a proxy service; `None` for the repository.
    pub node: Option<Arc<Node>>,
}

/// Passes a request on, applies the current fault to the response and tracks the delivery of a session list.
pub(crate) async fn layer(State(target): State<FaultTarget>, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let node = target.node.as_ref();
    let prefix = node.and_then(|node| virtual_proxy_of(node, request.uri().path()));
    let fault = target.endpoint.faults.next(prefix.as_deref());

    // A refused or lost request changes nothing. A GET is passed on all the same, so that it is counted.
    let is_lost = request.method() != Method::GET && fault.is_some_and(loses_the_request);
    let mut response = if is_lost { Response::default() } else { next.run(request).await };
    let mut pending = response.extensions_mut().remove::<PendingDelivery>();
    if let Some(fault) = fault {
        let counts = pending.as_ref().and_then(|pending| pending.counts);
        match apply(fault, response, counts).await {
            Outcome::Http(changed, counts) => {
                response = changed;
                if let Some(pending) = &mut pending {
                    pending.counts = counts;
                }
            }
            Outcome::Raw(bytes, end) => {
                match connection.take_over(RawResponse { bytes, end, pending }).await {}
            }
        }
    }
    match pending {
        None => response,
        Some(pending) => response.map(|body| Body::new(TrackedBody::new(body, pending, connection))),
    }
}

/// Returns whether the service never learns of a request under this fault.
fn loses_the_request(fault: Fault) -> bool {
    matches!(fault, Fault::Hang | Fault::Status(_) | Fault::Redirect | Fault::Reset | Fault::Html)
}

/// The effect of a fault on a response.
enum Outcome {
    /// A response, with its counts if it is a session list still.
    Http(Response, Option<Counts>),
    /// Bytes that violate HTTP, and how the connection ends after them.
    Raw(Bytes, End),
}

/// Applies a fault to a response; `counts` are those of its session list.
async fn apply(fault: Fault, response: Response, counts: Option<Counts>) -> Outcome {
    match fault {
        Fault::Hang => std::future::pending().await,
        Fault::HangMidway => Outcome::Http(hang_midway(response).await, None),
        Fault::Trickle => Outcome::Http(trickle(response).await, counts),
        Fault::Status(status) => {
            Outcome::Http((status, "A fault of the simulated site.").into_response(), None)
        }
        Fault::Redirect => {
            let login = [(LOCATION, "/internal_windows_authentication/")];
            Outcome::Http((StatusCode::FOUND, login).into_response(), None)
        }
        Fault::Reset => Outcome::Raw(Bytes::new(), End::Reset),
        Fault::ResetMidway => {
            let body = body(response).await;
            Outcome::Raw(raw_response(body.len(), &first_half(&body)), End::Reset)
        }
        Fault::LengthTooLong => {
            let body = body(response).await;
            Outcome::Raw(raw_response(body.len() + 1000, &body), End::Close)
        }
        Fault::LengthTooShort => {
            let body = body(response).await;
            Outcome::Raw(raw_response(body.len() / 2, &body), End::Close)
        }
        Fault::Truncated => Outcome::Http(json(first_half(&body(response).await)), None),
        Fault::Html => {
            let page = "<!DOCTYPE html><html><head><title>Login</title></head></html>";
            Outcome::Http(Html(page).into_response(), None)
        }
        Fault::Empty => Outcome::Http(json(Bytes::new()), None),
        Fault::Endless => Outcome::Http(endless(), None),
        Fault::Gzip => Outcome::Http(gzip(response).await, None),
        Fault::JsonObject
        | Fault::JsonNumbers
        | Fault::JsonNulls
        | Fault::JsonNested
        | Fault::LongIds
        | Fault::DuplicateIds
        | Fault::CamelCase => {
            let (response, counts) = rewritten(fault, response).await;
            Outcome::Http(response, counts)
        }
        Fault::Latency(delay) => {
            sleep(delay).await;
            Outcome::Http(response, counts)
        }
        Fault::Jitter(from, to) => {
            sleep(from.saturating_add(to.saturating_sub(from).mul_f64(fastrand::f64()))).await;
            Outcome::Http(response, counts)
        }
        // The first three act before a request; `Switches::next` turns the last into `Hang` for some requests.
        Fault::Refuse | Fault::RefuseHandshake | Fault::WrongCertificate | Fault::EverySecond => {
            Outcome::Http(response, counts)
        }
    }
}

/// Returns the whole body. The site's own bodies are in memory, so reading them cannot fail.
async fn body(response: Response) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default()
}

fn first_half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// Returns the bytes of a response with status 200 and this Content-Length, whatever the length of the body is.
fn raw_response(length: usize, body: &[u8]) -> Bytes {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat().into()
}

async fn hang_midway(response: Response) -> Response {
    let body = body(response).await;
    let pieces =
        stream::iter([Ok::<_, std::convert::Infallible>(first_half(&body))]).chain(stream::pending());
    let mut response = json(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

async fn trickle(response: Response) -> Response {
    let (head, inner) = response.into_parts();
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
    let mut response = Response::from_parts(head, Body::from_stream(bytes));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn endless() -> Response {
    let rows = std::iter::repeat(bodies::endless_rows()).map(Ok::<_, std::convert::Infallible>);
    json(Body::from_stream(stream::iter([Ok(Bytes::from_static(b"["))]).chain(stream::iter(rows))))
}

async fn gzip(response: Response) -> Response {
    let body = body(response).await;
    let compressed = tokio::task::spawn_blocking(move || bodies::gzip(&body)).await.unwrap_or_default();
    let mut response = json(compressed);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Rewrites a JSON response. Others, such as refusals, remain unchanged.
async fn rewritten(fault: Fault, response: Response) -> (Response, Option<Counts>) {
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = body.clone();
    match tokio::task::spawn_blocking(move || bodies::rewrite(fault, &text)).await.ok().flatten() {
        None => (Response::from_parts(head, Body::from(body)), None),
        Some(Rewritten { body, counts }) => {
            head.headers.remove(CONTENT_LENGTH);
            (Response::from_parts(head, Body::from(body)), counts)
        }
    }
}
