//! `/metrics`: scrapes all sites and encodes the result.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::responses::{BUSY, SHUTTING_DOWN, text, unavailable};
use super::state::{ActiveConfig, WebState};
use crate::collector::SiteSnapshot;
use crate::collector::deadline;
use crate::exposition::{ExporterMetrics, Format, SiteMetrics, encode_few};

/// The metrics that a scrape selects with `collect[]`.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    sites: bool,
    exporter: bool,
}

/// Returns the metrics of all sites and of the exporter, or those that `collect[]` selects.
pub async fn all(
    State(state): State<Arc<WebState>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let selection = match Selection::parse(query.as_deref().unwrap_or_default()) {
        Ok(selection) => selection,
        Err(message) => return (StatusCode::BAD_REQUEST, text(message)).into_response(),
    };
    let active = state.active();
    let mut registry = Registry::default();
    if !selection.sites {
        registry.register_collector(Box::new(exporter_metrics(&state, &active)));
        let format = format(&headers);
        return (exposition_headers(format), encode_few(&registry, format)).into_response();
    }
    let deadline = active.deadline(&headers);
    let snapshots = state.collector.scrape(&active.policy, None, deadline).await;
    if state.is_shutting_down() {
        return unavailable(SHUTTING_DOWN);
    }
    registry.register_collector(Box::new(active.site_metrics(snapshots)));
    if selection.exporter {
        registry.register_collector(Box::new(exporter_metrics(&state, &active)));
    }
    exposition(&state, registry, &headers, active.client_deadline(deadline)).await
}

impl ActiveConfig {
    /// Returns until when a scrape with these headers waits for answers.
    pub(super) fn deadline(&self, headers: &HeaderMap) -> Instant {
        let header = headers.get(deadline::HEADER).and_then(|value| value.to_str().ok());
        Instant::now() + deadline::time_to_wait(header, self.timeout_offset)
    }

    /// Returns when the client of a scrape with this deadline stops waiting.
    pub(super) fn client_deadline(&self, deadline: Instant) -> Instant {
        deadline + self.timeout_offset
    }

    /// Returns the metrics of these snapshots.
    pub(super) fn site_metrics(&self, snapshots: Vec<SiteSnapshot>) -> SiteMetrics {
        SiteMetrics { snapshots, users: self.users.clone() }
    }
}

fn exporter_metrics(state: &WebState, active: &ActiveConfig) -> ExporterMetrics {
    let (cache_requests, cache_hits) = state.collector.cache_requests_and_hits();
    let (configured_at, last_reload_successful) = (active.configured_at, state.last_reload_successful());
    ExporterMetrics { cache_requests, cache_hits, configured_at, last_reload_successful }
}

/// Encodes the registry in the format that the request prefers, as a body in pieces.
pub(super) async fn exposition(
    state: &WebState,
    registry: Registry,
    headers: &HeaderMap,
    until: Instant,
) -> Response {
    let format = format(headers);
    match state.encoders.encode(registry, format, until).await {
        Some(pieces) => (exposition_headers(format), Body::from_stream(pieces)).into_response(),
        None => unavailable(BUSY),
    }
}

fn format(headers: &HeaderMap) -> Format {
    Format::negotiate(headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()))
}

fn exposition_headers(format: Format) -> [(HeaderName, &'static str); 2] {
    [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept, Accept-Encoding")]
}

impl Selection {
    fn parse(query: &str) -> Result<Self, String> {
        let mut selection = Self { sites: false, exporter: false };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("collect[]", "sessions") => selection.sites = true,
                ("collect[]", "exporter") => selection.exporter = true,
                ("collect[]", other) => {
                    return Err(format!(
                        "collect[]={}: unknown value, expected sessions or exporter\n",
                        other.escape_debug()
                    ));
                }
                _ => {}
            }
        }
        match selection.sites || selection.exporter {
            true => Ok(selection),
            false => Ok(Self { sites: true, exporter: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_selected_without_collect() {
        let all = Ok(Selection { sites: true, exporter: true });
        assert_eq!(Selection::parse(""), all);
        assert_eq!(Selection::parse("other=1"), all);
        assert_eq!(Selection::parse("collect[]=sessions&collect%5B%5D=exporter"), all);
    }

    #[test]
    fn sites_or_exporter_are_selected_by_name() {
        assert_eq!(Selection::parse("collect[]=exporter"), Ok(Selection { sites: false, exporter: true }));
        assert_eq!(Selection::parse("collect[]=sessions"), Ok(Selection { sites: true, exporter: false }));
        assert!(Selection::parse("collect[]=x").is_err());
    }
}
