//! A site at one moment: settings in force, topology, clients. Replaced as a whole.

use std::sync::Arc;

use qlik_sense::client::ClientError;
use tracing::error;

use super::access::Access;
use super::proxy_client::ProxyClient;
use super::repository::{DiscoveryStatus, Repository};
use super::topology::Topology;

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

impl SiteState {
    /// Builds the clients for what is known of the site: what an earlier state of the same repository found goes on.
    pub(super) fn new(access: Arc<Access>, old: Option<&Self>) -> Result<Self, ClientError> {
        let repository = match &access.settings.repository {
            Some(settings) => {
                Some(Repository::new(settings, &access, old.and_then(Self::queried_repository))?)
            }
            None => None,
        };
        let found = repository.as_ref().and_then(Repository::found);
        let topology = Topology::new(&access.settings, found.map(|found| &**found));
        let proxies = connect(&topology, &access, old)?;
        Ok(Self { access, repository, topology: Arc::new(topology), proxies })
    }

    /// Returns the repository with the access that it is queried with.
    fn queried_repository(&self) -> Option<(&Repository, &Access)> {
        Some((self.repository.as_ref()?, &*self.access))
    }

    /// Returns this state with another topology.
    fn with_topology(&self, topology: Topology) -> Result<Self, ClientError> {
        let proxies = connect(&topology, &self.access, Some(self))?;
        Ok(Self { topology: Arc::new(topology), proxies, ..self.clone() })
    }

    /// Takes over what the repository returned to `current` since this state was prepared.
    pub(super) fn adopt_later_discovery(&mut self, current: &Self) -> Result<(), ClientError> {
        let (Some(own), Some(later)) = (&mut self.repository, &current.repository) else { return Ok(()) };
        if own.adopt(later) {
            let found = own.found().cloned();
            let topology = Topology::new(&self.access.settings, found.as_deref());
            *self = self.with_topology(topology)?;
        }
        Ok(())
    }

    /// Returns the site after a discovery. A topology that cannot be queried leaves the one in force.
    pub(super) fn after(&self, repository: Repository) -> Self {
        let topology = Topology::new(&self.access.settings, repository.found().map(|found| &**found));
        let mut state = self.clone();
        if topology != *self.topology {
            match self.with_topology(topology) {
                Ok(followed) => state = followed,
                Err(error) => {
                    error!(site = %self.access.settings.name, %error, "discovery cannot be applied");
                }
            }
        }
        Self { repository: Some(repository), ..state }
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

#[cfg(test)]
impl SiteState {
    /// Returns the site after a discovery that returned this.
    pub(crate) fn discovered(&self, found: qlik_sense::qrs::Found) -> Self {
        self.after(self.repository.as_ref().unwrap().after(Ok(found)))
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
