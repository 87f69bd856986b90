//! `/-/healthy`, `/-/ready`, `/-/reload`: for those who start and watch the exporter.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{App, ReloadError};

pub async fn healthy() -> &'static str {
    "healthy\n"
}

pub async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.running().collector.is_ready() {
        return "ready\n".into_response();
    }
    let message = "not ready: the first discovery of a site is under way\n";
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

pub async fn reload(State(app): State<Arc<App>>) -> Response {
    if !app.lifecycle {
        let message = "not allowed: start the exporter with --web.enable-lifecycle\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    match app.reload().await {
        Ok(()) => "the configuration was read again\n".into_response(),
        Err(ReloadError::Interrupted) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => {
            let message = format!("the configuration in force stays:\n{error}\n");
            (StatusCode::BAD_REQUEST, super::text(message)).into_response()
        }
    }
}
