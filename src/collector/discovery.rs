//! A site's discoveries, one after another while the exporter runs, and what the log has of them.

use std::sync::Arc;

use tracing::{info, warn};

use crate::site::{Discovery, Site, SiteState};

/// Discovers whenever it is due. Never ends by itself.
pub(super) async fn keep_discovering(site: Arc<Site>) {
    loop {
        site.discovery_due().await;
        if let Some(Discovery { before, after }) = site.discover().await {
            log(&before, &after);
        }
    }
}

/// Logs what is different about a site after a discovery or a reload. Runs in the site's span.
pub(super) fn log(before: &SiteState, after: &SiteState) {
    for note in after.topology.notes.iter().filter(|note| !before.topology.notes.contains(note)) {
        warn!(%note, "discovery incomplete");
    }
    let failed_before = before.discovery().is_some_and(|status| status.last_error.is_some());
    match after.discovery().map(|status| &status.last_error) {
        Some(Some(error)) if !failed_before => {
            warn!(reason = error.reason().as_str(), %error, "discovery failed");
        }
        Some(None) if failed_before => info!("discovery recovered"),
        _ => {}
    }
    if after.topology != before.topology {
        let proxies = after.topology.proxies.len();
        let virtual_proxies = after.topology.virtual_proxies.len();
        let pairs: usize = after.topology.proxies.iter().map(|proxy| proxy.virtual_proxies.len()).sum();
        info!(proxies, virtual_proxies, pairs, "discovery complete");
    }
}
