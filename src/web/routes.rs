//! The routes, and the headers of all responses.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::set_header::SetResponseHeaderLayer;

use super::responses::text;
use super::state::WebState;
use super::{lifecycle, metrics, probe, service_discovery, status};

/// Returns the router of all paths.
pub fn router(state: Arc<WebState>) -> Router {
    Router::new()
        .route("/", get(status::page))
        .route(status::STYLE_PATH, get(status::style))
        .route(&state.telemetry_path, get(metrics::all))
        .route("/probe", get(probe::one_site))
        .route("/sd", get(service_discovery::sites))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(lifecycle::ready))
        .route("/-/reload", post(lifecycle::reload))
        .fallback(not_found)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(fixed_header("x-content-type-options", "nosniff"))
        .layer(fixed_header("content-security-policy", status::SECURITY_POLICY))
        .with_state(state)
}

fn fixed_header(name: &'static str, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
}

async fn not_found(State(state): State<Arc<WebState>>) -> Response {
    let path = &state.telemetry_path;
    let message =
        format!("not found, the paths are /, {path}, /probe, /sd, /-/healthy, /-/ready and /-/reload\n");
    (StatusCode::NOT_FOUND, text(message)).into_response()
}
