//! Responses that several routes share.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The content type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The response to a scrape during shutdown. Its metrics would report proxy services as down that are not.
pub const SHUTTING_DOWN: &str = "shutting down\n";

/// The response when no encoder becomes free in time.
pub const BUSY: &str = "too many concurrent scrapes\n";

/// Returns a body of plain text.
pub fn text(body: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], body)
}

/// Returns status 503 with this reason.
pub fn unavailable(reason: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}
