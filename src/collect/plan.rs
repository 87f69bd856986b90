//! A site's topology brought to life: connections and pairs, carried over where nothing changed.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;

use super::access::{Access, count};
use super::pair::{Ask, Pair, Record};
use super::topology::{ProxyPlan, Topology};
use super::turns::Turns;
use qlik_sense::client::ClientError;
use qlik_sense::{Client, VirtualProxy};

/// Everything that is asked on a site, from one discovery or configuration to the next.
#[derive(Clone)]
pub(super) struct Plan {
    pub topology: Arc<Topology>,
    pub proxies: Vec<Arc<Proxy>>,
    records: Records,
    /// Whether `records` are those of the pairs alone.
    pub forgets: bool,
}

/// The pairs' records by proxy and virtual proxy. More than there are pairs while it is not known yet
/// which pairs stay.
type Records = HashMap<(String, VirtualProxy), Arc<Record>>;

/// One proxy service with all that is asked of it.
pub(super) struct Proxy {
    pub plan: Arc<ProxyPlan>,
    pub endpoint: Arc<Client>,
    turns: Arc<Turns>,
    pub pairs: Vec<Arc<Pair>>,
}

impl Plan {
    /// Nothing is asked.
    pub fn empty() -> Self {
        Self { topology: Arc::default(), proxies: Vec::new(), records: Records::default(), forgets: true }
    }

    /// What `topology` says. Connections, caches and counters of what was in `old` go on: the
    /// connections where address and `access` are the same, the counters in any case. `forget`: counters
    /// of pairs that are gone end.
    pub fn new(
        topology: Topology,
        access: &Access,
        old: &Self,
        old_access: &Access,
        forget: bool,
    ) -> Result<Self, ClientError> {
        let mut records = if forget { Records::default() } else { old.records.clone() };
        let mut proxies = Vec::new();
        for plan in &topology.proxies {
            let before = old.proxies.iter().find(|proxy| proxy.plan.name == plan.name);
            let connected = before.filter(|p| p.plan.url == plan.url && access.connects_like(old_access));
            let turns = before.map_or_else(|| Turns::new(access.at_once), |proxy| proxy.turns.clone());
            let proxy = Proxy::new(plan, access, connected, turns, &old.records)?;
            for pair in &proxy.pairs {
                let key = (plan.name.clone(), pair.virtual_proxy().clone());
                records.insert(key, pair.record().clone());
            }
            proxies.push(Arc::new(proxy));
        }
        Ok(Self { topology: Arc::new(topology), proxies, records, forgets: forget })
    }

    /// With the counters of pairs that `old` has come to since this one was made of it, while it is not known
    /// yet which pairs stay.
    pub fn remembering(&self, old: &Self) -> Self {
        let mut plan = self.clone();
        if !plan.forgets {
            for (pair, record) in &old.records {
                plan.records.entry(pair.clone()).or_insert_with(|| record.clone());
            }
        }
        plan
    }

    /// Takes effect when nothing can fail any more: the queries of earlier plans share the turns.
    pub fn enforce(&self, access: &Access) {
        self.proxies.iter().for_each(|proxy| proxy.turns.resize(access.at_once));
    }
}

impl Proxy {
    fn new(
        plan: &ProxyPlan,
        access: &Access,
        connected: Option<&Arc<Self>>,
        turns: Arc<Turns>,
        records: &Records,
    ) -> Result<Self, ClientError> {
        let endpoint = match connected {
            Some(before) => before.endpoint.clone(),
            None => Arc::new(access.endpoint(&plan.url)?),
        };
        let (site, name): (Arc<str>, Arc<str>) =
            (access.settings.name.as_str().into(), plan.name.as_str().into());
        let pair = |virtual_proxy: &VirtualProxy| {
            let before = connected.and_then(|proxy| proxy.pair(virtual_proxy));
            before.cloned().unwrap_or_else(|| {
                let record = records.get(&(plan.name.clone(), virtual_proxy.clone()));
                Pair::new(
                    site.clone(),
                    name.clone(),
                    virtual_proxy.clone(),
                    turns.clone(),
                    ask(endpoint.clone(), virtual_proxy.clone()),
                    record.cloned().unwrap_or_default(),
                )
            })
        };
        let pairs = plan.virtual_proxies.iter().map(pair).collect();
        Ok(Self { plan: Arc::new(plan.clone()), endpoint, turns, pairs })
    }

    fn pair(&self, virtual_proxy: &VirtualProxy) -> Option<&Arc<Pair>> {
        self.pairs.iter().find(|pair| pair.virtual_proxy() == virtual_proxy)
    }
}

/// One query: counts the sessions of a virtual proxy while they arrive.
fn ask(endpoint: Arc<Client>, virtual_proxy: VirtualProxy) -> Ask {
    Box::new(move |counting| {
        let (endpoint, virtual_proxy) = (endpoint.clone(), virtual_proxy.clone());
        async move { count(&endpoint, &virtual_proxy, counting).await }.boxed()
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;
    use crate::collect::topology::tests::{found, service, site};
    use qlik_sense::Limits;

    /// Asking the proxy service `Central` for these.
    fn topology(prefixes: &[&str]) -> Topology {
        let found = found(vec![service("Central", "sense1", prefixes)], prefixes);
        Topology::new(&site(vec![]), Some(&found))
    }

    #[test]
    fn counters_of_a_pair_that_was_found_during_a_reload_go_on() {
        let limits = Limits { timeout: Duration::from_secs(5), response_size: 1 << 20, connections: 1 };
        let access = Access { settings: site(vec![]), limits, at_once: NonZeroUsize::MIN };
        let plan = |topology, old: &Plan, forget| Plan::new(topology, &access, old, &access, forget).unwrap();
        let old = plan(topology(&[""]), &Plan::empty(), true);

        let new = plan(topology(&[""]), &old, false);
        let old = plan(topology(&["", "sales"]), &old, true);
        let new = plan(topology(&["", "sales"]), &new.remembering(&old), true);

        let records = |plan: &Plan| {
            plan.proxies[0].pairs.iter().map(|pair| Arc::as_ptr(pair.record())).collect::<Vec<_>>()
        };
        assert_eq!(records(&new), records(&old));
    }
}
