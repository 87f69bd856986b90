//! `/metrics`: from a scrape's deadline to the text that leaves.

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

/// Which metrics a scrape asks for with `collect[]`.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    sites: bool,
    exporter: bool,
}

/// All sites, and the exporter itself; only one of the two with `?collect[]=`.
pub async fn all(
    State(state): State<Arc<WebState>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wanted = match Wanted::read(query.as_deref().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(message) => return (StatusCode::BAD_REQUEST, text(message)).into_response(),
    };
    let active = state.active();
    let mut registry = Registry::default();
    if !wanted.sites {
        registry.register_collector(Box::new(exporter(&state, &active)));
        let format = format(&headers);
        return (exposition_headers(format), encode_few(&registry, format)).into_response();
    }
    let deadline = active.deadline(&headers);
    let snapshots = state.collector.scrape(&active.policy, None, deadline).await;
    if state.is_shutting_down() {
        return unavailable(SHUTTING_DOWN);
    }
    registry.register_collector(Box::new(active.sites(snapshots)));
    if wanted.exporter {
        registry.register_collector(Box::new(exporter(&state, &active)));
    }
    exposition(&state, registry, &headers, active.given_up(deadline)).await
}

impl ActiveConfig {
    /// Until when a scrape with these headers waits for answers.
    pub(super) fn deadline(&self, headers: &HeaderMap) -> Instant {
        let header = headers.get(deadline::HEADER).and_then(|value| value.to_str().ok());
        Instant::now() + deadline::time_to_wait(header, self.timeout_offset)
    }

    /// When whoever asked for a scrape with this deadline waits no longer.
    pub(super) fn given_up(&self, deadline: Instant) -> Instant {
        deadline + self.timeout_offset
    }

    pub(super) fn sites(&self, snapshots: Vec<SiteSnapshot>) -> SiteMetrics {
        SiteMetrics { snapshots, users: self.users.clone() }
    }
}

fn exporter(state: &WebState, active: &ActiveConfig) -> ExporterMetrics {
    let (cache_requests, cache_hits) = state.collector.cache_requests_and_hits();
    let (configured_at, last_reload_successful) = (active.configured_at, state.last_reload_successful());
    ExporterMetrics { cache_requests, cache_hits, configured_at, last_reload_successful }
}

/// Returns the registry as text, in the format that the request prefers, piece by piece.
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

impl Wanted {
    fn read(query: &str) -> Result<Self, String> {
        let mut wanted = Self { sites: false, exporter: false };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("collect[]", "sessions") => wanted.sites = true,
                ("collect[]", "exporter") => wanted.exporter = true,
                ("collect[]", other) => {
                    return Err(format!(
                        "collect[]={}: unknown, expected sessions or exporter\n",
                        other.escape_debug()
                    ));
                }
                _ => {}
            }
        }
        let named = wanted.sites || wanted.exporter;
        Ok(if named { wanted } else { Self { sites: true, exporter: true } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_collect_everything_is_wanted() {
        let all = Ok(Wanted { sites: true, exporter: true });
        assert_eq!(Wanted::read(""), all);
        assert_eq!(Wanted::read("other=1"), all);
        assert_eq!(Wanted::read("collect[]=sessions&collect%5B%5D=exporter"), all);
    }

    #[test]
    fn one_or_the_other_is_wanted_by_name() {
        assert_eq!(Wanted::read("collect[]=exporter"), Ok(Wanted { sites: false, exporter: true }));
        assert_eq!(Wanted::read("collect[]=sessions"), Ok(Wanted { sites: true, exporter: false }));
        assert!(Wanted::read("collect[]=x").is_err());
    }
}
