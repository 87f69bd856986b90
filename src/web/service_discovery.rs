//! `/sd`: Prometheus' HTTP service discovery, a target per site, that works without relabelling.

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
    // The address as Prometheus knows it: ours may be behind others.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        let message = "the request has no Host header, which says the targets' address\n".to_owned();
        return (StatusCode::BAD_REQUEST, text(message)).into_response();
    };
    let group = |site: &str| Group {
        targets: [host.to_owned()],
        labels: BTreeMap::from([
            ("__metrics_path__", "/probe".to_owned()),
            ("__param_target", site.to_owned()),
            ("__scheme__", "http".to_owned()),
            ("target", site.to_owned()),
        ]),
    };
    let names = state.collector.site_names();
    Json(names.iter().map(|site| group(site)).collect::<Vec<_>>()).into_response()
}
