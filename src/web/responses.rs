//! Answers that several paths give.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The content type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The answer to a scrape that was interrupted: its proxies are not down.
pub const SHUTTING_DOWN: &str = "shutting down\n";

/// The answer when no encoder becomes free in time.
pub const BUSY: &str = "too many concurrent scrapes\n";

/// Returns a body of plain text.
pub fn text(body: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], body)
}

/// Returns 503 instead of figures that would be wrong or too late.
pub fn unavailable(reason: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}
