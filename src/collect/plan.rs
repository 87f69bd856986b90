//! A site's topology brought to life: connections and pairs, carried over where nothing changed.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::FutureExt;

use super::pair::{Ask, Pair, Record};
use super::tally::Counting;
use super::topology::{ProxyPlan, Topology};
use super::turns::Turns;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::qlik::endpoint::EndpointError;
use crate::qlik::{Endpoint, Limits, UserKey, VirtualProxy, qps};
use crate::terminal::escaped;

/// With what a site's services are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    pub settings: SiteSettings,
    pub limits: Limits,
    pub at_once: NonZeroUsize,
}

impl Access {
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Self {
        let at_once = scrape.max_requests_per_proxy;
        let limits = Limits {
            timeout: scrape.request_timeout,
            response_size: scrape.max_response_size,
            connections: at_once.get(),
        };
        Self { settings: settings.clone(), limits, at_once }
    }

    /// Whether connections made with `other` serve as well.
    fn connects_like(&self, other: &Self) -> bool {
        let (own, others) = (&self.settings, &other.settings);
        (&own.credentials, &own.user) == (&others.credentials, &others.user)
            && (self.limits, self.at_once) == (other.limits, other.at_once)
    }

    pub fn endpoint(&self, url: &url::Url) -> Result<Endpoint, EndpointError> {
        Endpoint::new(url, &self.settings.credentials, &self.settings.user, self.limits)
    }
}

/// Everything that is asked on a site, from one discovery or configuration to the next.
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
    pub endpoint: Arc<Endpoint>,
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
    ) -> Result<Self, EndpointError> {
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
    ) -> Result<Self, EndpointError> {
        let endpoint = match connected {
            Some(before) => before.endpoint.clone(),
            None => Arc::new(access.endpoint(&plan.url)?),
        };
        // For the log, which may end on a terminal.
        let (site, name): (Arc<str>, Arc<str>) =
            (escaped(&access.settings.name).into(), escaped(&plan.name).into());
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
fn ask(endpoint: Arc<Endpoint>, virtual_proxy: VirtualProxy) -> Ask {
    Box::new(move |earlier| {
        let (endpoint, virtual_proxy) = (endpoint.clone(), virtual_proxy.clone());
        let mut counting = Counting::after(earlier);
        async move {
            qps::list_sessions(&endpoint, &virtual_proxy, |session| {
                let user = UserKey { directory: &session.user_directory, id: &session.user_id };
                counting.add(user, &session.session_id);
            })
            .await?;
            Ok(counting.finish())
        }
        .boxed()
    })
}
