//! `/-/healthy`, `/-/ready` and `/-/reload`: the endpoints for process supervision.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::reload::ReloadError;
use super::responses::{SHUTTING_DOWN, text, unavailable};
use super::state::WebState;

pub async fn healthy() -> &'static str {
    "healthy\n"
}

pub async fn ready(State(state): State<Arc<WebState>>) -> Response {
    if state.collector.is_ready() {
        return "ready\n".into_response();
    }
    unavailable("not ready: the first discovery of a site is in progress\n")
}

pub async fn reload(State(state): State<Arc<WebState>>) -> Response {
    let Some(reload) = &state.reload else {
        let message = "reload over HTTP is disabled: start the exporter with --web.enable-lifecycle\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    };
    match reload.reload().await {
        Ok(()) => "configuration reloaded\n".into_response(),
        Err(ReloadError::Interrupted) => unavailable(SHUTTING_DOWN),
        Err(ReloadError::Rejected(errors)) => {
            let message = format!("configuration rejected, the previous one stays in use:\n{errors}\n");
            (StatusCode::BAD_REQUEST, text(message)).into_response()
        }
    }
}
