//! `/probe?target=SITE`: scrapes one site, so that each site can be a target of its own in Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::metrics::exposition;
use super::responses::{BUSY, SHUTTING_DOWN, TEXT, text, unavailable};
use super::state::WebState;
use crate::collector::{PairSnapshot, SiteSnapshot, Used};
use crate::exposition::Format;
use crate::site::DiscoveryStatus;
use crate::terminal::escaped;

pub async fn one_site(
    State(state): State<Arc<WebState>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let mut target = None;
    let mut debug = false;
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "target" if target.is_none() => target = Some(value.into_owned()),
            "debug" => debug = value == "true",
            _ => {}
        }
    }
    let active = state.active();
    let names = state.collector.site_names();
    let Some(site) = target.filter(|name| names.contains(name)) else {
        let message = format!("target: expected the name of a site: {}\n", names.join(", "));
        return (StatusCode::BAD_REQUEST, text(message)).into_response();
    };
    let begun = Instant::now();
    let deadline = active.deadline(&headers);
    let snapshots = state.collector.scrape(&active.policy, Some(&site), deadline).await;
    if state.is_shutting_down() {
        return unavailable(SHUTTING_DOWN);
    }
    let steps = debug.then(|| steps(&snapshots, deadline - begun, begun.elapsed()));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(active.site_metrics(snapshots)));
    let until = active.client_deadline(deadline);
    match steps {
        None => exposition(&state, registry, &headers, until).await,
        Some(steps) => debug_output(&state, steps, registry, until).await,
    }
}

/// Describes the steps of this probe, escaped for a terminal.
fn steps(snapshots: &[SiteSnapshot], limit: Duration, took: Duration) -> String {
    let mut text = format!("Time limit: {}. Time taken: {}.\n\n", rounded(limit), rounded(took));
    for site in snapshots {
        // Writing to memory cannot fail.
        if let Some(repository) = &site.discovery {
            let status = discovery(repository, site.topology.proxies.len());
            let _ = writeln!(text, "repository: {}", escaped(&status));
        }
        for pair in &site.pairs {
            let line = format!("{} {}: {}", pair.proxy.name, pair.virtual_proxy, step(pair));
            let _ = writeln!(text, "{}", escaped(&line));
        }
        if site.pairs.is_empty() {
            let _ = writeln!(text, "nothing to query: no known proxy service links a virtual proxy");
        }
    }
    text
}

fn discovery(repository: &DiscoveryStatus, proxies: usize) -> String {
    match (&repository.last_error, repository.up) {
        (Some(error), _) => format!("the last discovery failed ({}): {error}", error.reason().as_str()),
        (None, true) => format!("{proxies} proxy services found"),
        (None, false) => "the first discovery is in progress".to_owned(),
    }
}

fn step(pair: &PairSnapshot) -> String {
    let source = match &pair.used {
        Used::TimedOut => return "no answer in time; a query in flight continues".to_owned(),
        Used::Cached(answer) => format!("cached {} ago", rounded(answer.at.elapsed())),
        Used::Awaited(answer) => format!("queried, took {}", rounded(answer.took)),
    };
    match pair.answer().map(|answer| &answer.outcome) {
        Some(Ok(tally)) => format!("{source}: {} sessions, {} users", tally.sessions(), tally.user_count()),
        Some(Err(error)) => format!("{source}: failed ({}): {error}", error.reason().as_str()),
        None => source,
    }
}

/// Returns the duration, rounded down to milliseconds.
fn rounded(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format!("{:?}", Duration::from_millis(milliseconds))
}

/// Returns the steps of a probe, then its metrics in the classic format.
async fn debug_output(state: &WebState, steps: String, registry: Registry, until: Instant) -> Response {
    let Some(metrics) = state.encoders.encode(registry, Format::Classic, until).await else {
        return unavailable(BUSY);
    };
    let text = format!("{steps}\nMetrics of this probe:\n\n");
    let body = futures::stream::iter([Ok(text.into())]).chain(metrics);
    ([(header::CONTENT_TYPE, TEXT)], Body::from_stream(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::site::topology::{ProxyPlan, Topology};
    use qlik_sense::VirtualProxy;

    #[test]
    fn names_cannot_forge_lines() {
        let proxy = ProxyPlan {
            name: "A\nrepository: \u{202e}".into(),
            host: "sense1".into(),
            port: 4243,
            url: "https://sense1:4243".parse().unwrap(),
            virtual_proxies: Vec::new(),
            left_out: Vec::new(),
            found: None,
        };
        let pair = PairSnapshot {
            proxy: Arc::new(proxy),
            virtual_proxy: VirtualProxy::parse("/").unwrap(),
            used: Used::TimedOut,
            history: Default::default(),
        };
        let site = SiteSnapshot {
            name: "production".into(),
            topology: Arc::new(Topology::default()),
            pairs: vec![pair],
            expiries: Vec::new(),
            discovery: None,
        };
        let text = steps(&[site], Duration::ZERO, Duration::ZERO);
        assert!(text.contains(r"A\nrepository: \u{202e} /: no answer"), "{text}");
    }
}
