//! The HTTP side: routes and what each answers. Nothing that could change a Qlik site is reachable.

mod app;
mod lifecycle;
mod listener;
mod metrics;
mod probe;
mod service_discovery;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::set_header::SetResponseHeaderLayer;

pub use app::{App, ReloadError};
pub use listener::{bind, serve};

/// The answer to a scrape that was interrupted: its proxies are not down.
const ENDING: &str = "the exporter ends\n";

/// The answer when all places for encoding are taken.
const BUSY: &str = "more clients read at once than there are places for\n";

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    let fixed = |name, value| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(status::page))
        .route(status::STYLE_PATH, get(status::style))
        .route(&app.telemetry_path, get(metrics::all))
        .route("/probe", get(probe::one_site))
        .route("/sd", get(service_discovery::sites))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(lifecycle::ready))
        .route("/-/reload", post(lifecycle::reload))
        .fallback(not_found)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("content-security-policy", status::SECURITY_POLICY))
        .with_state(app)
}

const TEXT: &str = "text/plain; charset=utf-8";

fn text(body: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], body)
}

async fn not_found(State(app): State<Arc<App>>) -> Response {
    let message =
        format!("there is /, {}, /probe, /sd, /-/healthy, /-/ready and /-/reload\n", app.telemetry_path);
    (StatusCode::NOT_FOUND, text(message)).into_response()
}

/// Told instead of figures that would be wrong, or too late.
fn unavailable(reason: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}
