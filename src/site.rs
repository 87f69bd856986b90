//! One Qlik site: how it is found and queried. The collector and the sessions commands share it.
//!
//! A [`Site`] lives as long as its name is configured. Its [`SiteState`] is replaced as a whole when a reload
//! brings other settings ([`Site::prepare`], then [`Site::apply`]) or when a discovery finds something else
//! ([`Site::discover`]).
//!
//! - `state` a site at one moment
//! - `access` with which settings and limits its services are queried
//! - `repository` the repository service: when a discovery is due, what it returned
//! - [`topology`] which proxy services and virtual proxies there are: pure
//! - `proxy_client` one proxy service: sessions listed and deleted, a few requests at a time
//! - [`diagnosis`] what a failed query means, and what to try

mod access;
pub mod diagnosis;
mod proxy_client;
mod repository;
mod state;
pub mod topology;

use std::sync::Arc;

use qlik_sense::client::ClientError;
use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::error;

use crate::config::{ScrapeSettings, SiteSettings};
pub use access::Access;
pub use proxy_client::{LastAnswer, ProxyClient};
pub use repository::{DiscoveryStatus, FoundCounts, Repository};
pub use state::SiteState;

/// One site, as long as its name is configured. Held by the collector, and by queries of the sessions commands.
pub struct Site {
    name: Arc<str>,
    /// Readers see either all of a reload or discovery, or nothing of it.
    state: watch::Sender<Arc<SiteState>>,
}

/// New settings of a site with everything that can fail done.
pub struct PreparedSite {
    /// None: the settings are those in force.
    state: Option<SiteState>,
}

/// A discovery that took effect: the site before and after it.
pub struct Discovery {
    pub before: Arc<SiteState>,
    pub after: Arc<SiteState>,
}

/// A site whose clients cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("site {site}: {error}")]
pub struct UnusableSite {
    site: String,
    error: ClientError,
}

impl Site {
    /// Creates the clients of a site. Queries nothing yet.
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Result<Arc<Self>, UnusableSite> {
        let state = SiteState::new(Arc::new(Access::new(settings, scrape)), None)
            .map_err(|error| UnusableSite { site: settings.name.clone(), error })?;
        Ok(Arc::new(Self { name: settings.name.as_str().into(), state: watch::Sender::new(Arc::new(state)) }))
    }

    /// Does everything that can fail before new settings are in force. Changes nothing yet.
    pub fn prepare(
        &self,
        settings: &SiteSettings,
        scrape: &ScrapeSettings,
    ) -> Result<PreparedSite, UnusableSite> {
        let current = self.state();
        let access = Access::new(settings, scrape);
        if access == *current.access {
            return Ok(PreparedSite { state: None });
        }
        let state = SiteState::new(Arc::new(access), Some(&current))
            .map_err(|error| UnusableSite { site: self.name.to_string(), error })?;
        Ok(PreparedSite { state: Some(state) })
    }

    /// Puts prepared settings in force. What did not change keeps its connections.
    pub fn apply(&self, prepared: PreparedSite) {
        let Some(mut state) = prepared.state else { return };
        self.state.send_modify(|current| {
            if let Err(error) = state.adopt_later_discovery(current) {
                error!(site = %self.name, %error, "discovery cannot be applied");
            }
            for proxy in &state.proxies {
                proxy.resize_permits(state.access.max_requests);
            }
            *current = Arc::new(state);
        });
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the settings, topology and clients in force.
    pub fn state(&self) -> Arc<SiteState> {
        self.state.borrow().clone()
    }

    /// Resolves when a discovery is due; never while there is no repository.
    pub async fn discovery_due(&self) {
        let mut states = self.state.subscribe();
        loop {
            let due = states.borrow_and_update().repository.as_ref().map(Repository::due);
            // An error is impossible: the sender is this site's.
            match due {
                Some(due) => tokio::select! {
                    () = sleep_until(due) => return,
                    _ = states.changed() => {}
                },
                None => _ = states.changed().await,
            }
        }
    }

    /// Resolves when the first discovery with the settings in force has been tried, with or without success.
    pub async fn first_discovery(&self) {
        // An error is impossible: the sender is this site's.
        let _ = self.state.subscribe().wait_for(|state| state.is_ready()).await;
    }

    /// Queries the repository once and applies what it returned. Returns None when there is no repository, or when
    /// other settings came in force meanwhile: their discovery is due then.
    pub async fn discover(&self) -> Option<Discovery> {
        let before = self.state();
        let repository = before.repository.as_ref()?;
        let repository = tokio::select! {
            repository = repository.discover() => repository,
            () = self.reconfigured(&before.access) => return None,
        };
        let after = Arc::new(before.after(repository));
        let is_applied = self.state.send_if_modified(|current| {
            // A reload in this very moment goes first.
            let is_current = Arc::ptr_eq(current, &before);
            if is_current {
                *current = after.clone();
            }
            is_current
        });
        is_applied.then_some(Discovery { before, after })
    }

    /// Resolves when other settings than these are in force.
    async fn reconfigured(&self, access: &Arc<Access>) {
        // An error is impossible: the sender is this site's.
        let _ = self.state.subscribe().wait_for(|state| !Arc::ptr_eq(&state.access, access)).await;
    }
}

#[cfg(test)]
impl Site {
    /// Puts another state in force, as a discovery does.
    pub(crate) fn replace(&self, state: SiteState) {
        self.state.send_replace(Arc::new(state));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::topology::tests::{found, service, site};
    use super::*;

    pub(crate) fn scrape_settings(max_requests: usize) -> ScrapeSettings {
        ScrapeSettings {
            cache_ttl: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
            timeout_offset: Duration::from_millis(500),
            max_requests_per_proxy: NonZeroUsize::new(max_requests).unwrap(),
            max_response_size: 1 << 20,
        }
    }

    fn virtual_proxies(site: &Site) -> Vec<String> {
        let state = site.state();
        let proxies = state.topology.proxies.iter();
        proxies.flat_map(|proxy| &proxy.virtual_proxies).map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_discovery_between_prepare_and_apply_is_kept() {
        let site_settings = site(vec![]);
        let site = Site::new(&site_settings, &scrape_settings(4)).unwrap();
        let prepared = site.prepare(&site_settings, &scrape_settings(2)).unwrap();

        site.replace(
            site.state().discovered(found(vec![service("Central", "sense1", &["sales"])], &["sales"])),
        );
        site.apply(prepared);

        assert_eq!(virtual_proxies(&site), ["/sales"]);
        assert_eq!(site.state().access.max_requests.get(), 2);
        assert!(!site.state().is_ready(), "the new settings have not been tried");
    }

    #[tokio::test]
    async fn a_reload_without_changes_keeps_the_state() {
        let site_settings = site(vec![]);
        let site = Site::new(&site_settings, &scrape_settings(4)).unwrap();
        let before = site.state();
        site.apply(site.prepare(&site_settings, &scrape_settings(4)).unwrap());
        assert!(Arc::ptr_eq(&before, &site.state()));
    }

    #[tokio::test]
    async fn connections_go_on_where_address_and_access_are_the_same() {
        let site_settings = site(vec![]);
        let site = Site::new(&site_settings, &scrape_settings(4)).unwrap();
        let central = |prefixes: &[&str]| found(vec![service("Central", "sense1", prefixes)], prefixes);
        site.replace(site.state().discovered(central(&[""])));
        let first = site.state().proxies[0].clone();
        site.replace(site.state().discovered(central(&["", "sales"])));
        let second = site.state().proxies[0].clone();
        assert!(first.is_same_service(&second));

        site.apply(site.prepare(&site_settings, &scrape_settings(1)).unwrap());
        assert!(!second.is_same_service(&site.state().proxies[0]), "its limits are others");
    }
}
