//! A site's discoveries, one after another while the exporter runs, and what the log has of them.

use std::sync::Arc;

use tracing::{info, warn};

use crate::site::{Discovery, Site, SiteState};

/// Discovers whenever it is due. Never ends by itself.
pub(super) async fn keep_discovering(site: Arc<Site>) {
    loop {
        site.discovery_due().await;
        if let Some(Discovery { before, after }) = site.discover().await {
            log_discovery(&before, &after);
        }
    }
}

/// Logs what an administrator should look at since the state before.
pub(super) fn log_new_notes(before: &SiteState, after: &SiteState) {
    for note in after.topology.notes.iter().filter(|note| !before.topology.notes.contains(note)) {
        warn!(%note, "discovery incomplete");
    }
}

/// Logs what a discovery changed.
fn log_discovery(before: &SiteState, after: &SiteState) {
    log_new_notes(before, after);
    let failed_before = before.discovery().is_some_and(|status| status.last_error.is_some());
    match after.discovery().and_then(|status| status.last_error.as_ref()) {
        Some(error) if !failed_before => {
            warn!(reason = error.reason().as_str(), %error, "discovery failed");
        }
        None if failed_before => info!("discovery recovered"),
        _ => {}
    }
    if after.topology != before.topology {
        let proxies = after.topology.proxies.len();
        let virtual_proxies = after.topology.virtual_proxies.len();
        let pairs: usize = after.topology.proxies.iter().map(|proxy| proxy.virtual_proxies.len()).sum();
        info!(proxies, virtual_proxies, pairs, "discovery complete");
    }
}
