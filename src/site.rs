//! One Qlik site: how it is found and queried. The collector and the sessions commands share it.
//!
//! A [`Site`] lives as long as its name is configured. Its [`SiteState`] is replaced as a whole when a reload
//! brings other settings ([`Site::prepare`], then [`Site::apply`]) or when a discovery finds something else
//! ([`Site::discover`]).
//!
//! - `access` with which settings and limits its services are queried
//! - `discovery` the repository: when it is due, what it returned
//! - [`topology`] which proxy services and virtual proxies there are: pure
//! - `proxy_client` one proxy service: sessions listed and deleted, a few requests at a time
//! - [`diagnosis`] what a failed query means, and what to try

mod access;
pub mod diagnosis;
mod discovery;
mod proxy_client;
pub mod topology;

use std::sync::Arc;

use qlik_sense::client::ClientError;
use tokio::sync::watch;
use tracing::error;

use crate::config::{ScrapeSettings, SiteSettings};
pub use access::Access;
pub use discovery::{Discovery, DiscoveryStatus, FoundCounts, Repository};
pub use proxy_client::{LastAnswer, ProxyClient};
use topology::Topology;

/// One site, as long as its name is configured. Held by the collector, and by queries of the sessions commands.
pub struct Site {
    name: Arc<str>,
    /// Readers see either all of a reload or discovery, or nothing of it.
    state: watch::Sender<Arc<SiteState>>,
}

/// A site's settings in force, what is known of it, and the clients to query it with.
#[derive(Clone)]
pub struct SiteState {
    pub access: Arc<Access>,
    /// None where only the configuration names proxy services.
    pub repository: Option<Repository>,
    pub topology: Arc<Topology>,
    /// One for each proxy service of the topology, in its order.
    pub proxies: Vec<Arc<ProxyClient>>,
}

/// New settings of a site with everything that can fail done.
pub struct PreparedSite {
    /// None: the settings are those in force.
    state: Option<SiteState>,
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
}

impl SiteState {
    /// Builds the clients for what is known of the site: what an earlier state of the same repository found goes on.
    fn new(access: Arc<Access>, old: Option<&Self>) -> Result<Self, ClientError> {
        let repository = match &access.settings.repository {
            Some(settings) => Some(Repository::new(settings, &access, old)?),
            None => None,
        };
        let found = repository.as_ref().and_then(Repository::found);
        let topology = Topology::new(&access.settings, found.map(|found| &**found));
        let proxies = connect(&topology, &access, old)?;
        Ok(Self { access, repository, topology: Arc::new(topology), proxies })
    }

    /// Returns this state with another topology.
    fn with_topology(&self, topology: Topology) -> Result<Self, ClientError> {
        let proxies = connect(&topology, &self.access, Some(self))?;
        Ok(Self { topology: Arc::new(topology), proxies, ..self.clone() })
    }

    /// Takes over what the repository returned to `current` since this state was prepared.
    fn adopt_later_discovery(&mut self, current: &Self) -> Result<(), ClientError> {
        let (Some(own), Some(later)) = (&mut self.repository, &current.repository) else { return Ok(()) };
        if own.adopt(later) {
            let found = own.found().cloned();
            let topology = Topology::new(&self.access.settings, found.as_deref());
            *self = self.with_topology(topology)?;
        }
        Ok(())
    }

    /// Returns whether each discovery that the settings call for has been tried, with or without success.
    pub fn is_ready(&self) -> bool {
        self.repository.as_ref().is_none_or(Repository::was_tried)
    }

    /// Returns whether it is known which pairs there are: nothing is to be discovered, or a discovery has worked.
    pub fn is_discovered(&self) -> bool {
        self.repository.as_ref().is_none_or(|repository| repository.found().is_some())
    }

    /// Returns how the last discovery went; None without a repository.
    pub fn discovery(&self) -> Option<&DiscoveryStatus> {
        self.repository.as_ref().map(Repository::status)
    }
}

/// Returns a client for each proxy service. Connections go on where address, certificates and limits are the same,
/// permits wherever the name is.
fn connect(
    topology: &Topology,
    access: &Arc<Access>,
    old: Option<&SiteState>,
) -> Result<Vec<Arc<ProxyClient>>, ClientError> {
    let mut proxies = Vec::new();
    for plan in &topology.proxies {
        let earlier = old.and_then(|old| old.proxies.iter().find(|proxy| proxy.plan().name == plan.name));
        proxies.push(ProxyClient::new(plan, access, earlier)?);
    }
    Ok(proxies)
}
