//! `/sd`: Prometheus' HTTP service discovery with a target per site, which works without relabelling.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::responses::text;
use super::state::WebState;

#[derive(Serialize)]
struct Group {
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

pub async fn sites(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response {
    // The address that Prometheus used: a gateway may be in between.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        let message = "the request has no Host header, which the targets' address comes from\n".to_owned();
        return (StatusCode::BAD_REQUEST, text(message)).into_response();
    };
    let groups: Vec<_> = state.collector.site_names().iter().map(|site| Group::new(host, site)).collect();
    Json(groups).into_response()
}

impl Group {
    fn new(host: &str, site: &str) -> Self {
        let labels = [
            ("__metrics_path__", "/probe"),
            ("__param_target", site),
            ("__scheme__", "http"),
            ("target", site),
        ];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        Self { targets: [host.to_owned()], labels: labels.into() }
    }
}
