//! The collector's part of a site: its pairs with their caches and counters, scraped all at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use qlik_sense::VirtualProxy;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, error_span};

use super::discovery::{keep_discovering, log};
use super::pair::Pair;
use super::scrape::{Scrape, WantedAnswers};
use super::snapshot::{Expiry, PairSnapshot, SiteSnapshot, Used};
use super::tally::Keep;
use super::tasks::Tasks;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::site::{PreparedSite, ProxyClient, Repository, Site, SiteState, UnusableSite};

/// One site as scrapes see it, as long as its name is configured.
pub(super) struct SiteCollector {
    site: Arc<Site>,
    pairs: Mutex<Pairs>,
    /// Cancelled when the site is not configured any more.
    ended: CancellationToken,
    /// Carries the site's name into the log.
    span: Span,
}

/// The pairs of a site, and those of which it is not known yet whether they stay.
#[derive(Default)]
struct Pairs {
    by_name: HashMap<PairName, ProxyPair>,
    current: Option<Arc<Current>>,
}

/// A pair keeps its counters as long as these are the same, whatever address or certificates it is queried with.
#[derive(PartialEq, Eq, Hash)]
struct PairName {
    /// The `proxy` label.
    proxy: String,
    virtual_proxy: VirtualProxy,
}

/// The site in one state, with the pairs of that state.
struct Current {
    state: Arc<SiteState>,
    pairs: Vec<ProxyPair>,
}

/// A pair with its proxy service as it is in one state.
#[derive(Clone)]
struct ProxyPair {
    proxy: Arc<ProxyClient>,
    pair: Arc<Pair>,
}

impl SiteCollector {
    /// Queries nothing yet.
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Result<Arc<Self>, UnusableSite> {
        Ok(Arc::new(Self {
            site: Site::new(settings, scrape)?,
            pairs: Mutex::default(),
            ended: CancellationToken::new(),
            // Enabled whatever the level of the log is: its fields belong to every line.
            span: error_span!("site", site = %settings.name),
        }))
    }

    /// Begins with the discoveries, which end with the site.
    pub fn begin(&self, tasks: &Tasks) {
        let discoveries = keep_discovering(self.site.clone()).instrument(self.span.clone());
        let ended = self.ended.clone();
        tasks.spawn(async move {
            ended.run_until_cancelled_owned(discoveries).await;
        });
    }

    /// See [`Site::prepare`].
    pub fn prepare(
        &self,
        settings: &SiteSettings,
        scrape: &ScrapeSettings,
    ) -> Result<PreparedSite, UnusableSite> {
        self.site.prepare(settings, scrape)
    }

    /// See [`Site::apply`].
    pub fn apply(&self, prepared: PreparedSite) {
        let before = self.site.state();
        self.site.apply(prepared);
        self.span.in_scope(|| log(&before, &self.site.state()));
    }

    /// Ends the discoveries, and with them the wait of scrapes for the first one.
    pub fn end(&self) {
        self.ended.cancel();
    }

    pub fn name(&self) -> &str {
        self.site.name()
    }

    /// Returns whether the first discovery has been tried, with or without success.
    pub fn is_ready(&self) -> bool {
        self.site.state().is_ready()
    }

    /// Returns the site as its proxy services answer until `deadline`.
    pub async fn scrape(&self, scrape: &Scrape<'_>, deadline: Instant) -> SiteSnapshot {
        // All are wanted before anything is waited for: the queries run side by side, and beside the first discovery,
        // so that one that hangs costs configured proxy services nothing.
        let mut wanted = WantedAnswers::default();
        scrape.want_all(self.current().pairs(), &mut wanted);
        self.wait_for_first_discovery(scrape, deadline).await;
        let current = self.current();
        scrape.want_all(current.pairs(), &mut wanted);
        let mut snapshots = Vec::new();
        for ProxyPair { proxy, pair } in &current.pairs {
            let used = scrape.used(pair, &mut wanted, deadline).await;
            snapshots.push(snapshot(proxy, pair, used));
        }
        self.snapshot(&current.state, snapshots)
    }

    /// Returns when the first discovery has been tried, and at once when it is known already which pairs there are.
    async fn wait_for_first_discovery(&self, scrape: &Scrape<'_>, deadline: Instant) {
        if self.site.state().is_discovered() {
            return;
        }
        tokio::select! {
            // Without success, the pairs that are configured are all there are.
            _ = timeout_at(deadline, self.site.first_discovery()) => {}
            () = self.ended.cancelled() => {}
            () = scrape.tasks.ending() => {}
        }
    }

    /// Returns the site with its last answers, however old, as far as they keep what is to be kept now.
    pub fn last_known(&self, keep: &Keep) -> SiteSnapshot {
        let current = self.current();
        let mut snapshots = Vec::new();
        for ProxyPair { proxy, pair } in &current.pairs {
            let last = pair.last_answer().filter(|answer| answer.keeps(keep));
            snapshots.push(snapshot(proxy, pair, last.map_or(Used::TimedOut, Used::Cached)));
        }
        self.snapshot(&current.state, snapshots)
    }

    fn snapshot(&self, state: &SiteState, pairs: Vec<PairSnapshot>) -> SiteSnapshot {
        SiteSnapshot {
            name: self.name().to_owned(),
            topology: state.topology.clone(),
            pairs,
            expiries: expiries(state),
            discovery: state.discovery().cloned(),
        }
    }

    /// Returns the site in the state in force, with its pairs.
    fn current(&self) -> Arc<Current> {
        let mut pairs = self.pairs.lock();
        // Under the lock, so that no older state replaces a newer one.
        let state = self.site.state();
        match &pairs.current {
            Some(current) if Arc::ptr_eq(&current.state, &state) => current.clone(),
            _ => pairs.follow(state),
        }
    }
}

impl Pairs {
    /// Brings the pairs to the state in force. Counters go on wherever the names are the same. Those of pairs that are
    /// gone end as soon as it is known which pairs there are.
    fn follow(&mut self, state: Arc<SiteState>) -> Arc<Current> {
        let mut pairs = Vec::new();
        for proxy in &state.proxies {
            for virtual_proxy in &proxy.plan().virtual_proxies {
                let name =
                    PairName { proxy: proxy.plan().name.clone(), virtual_proxy: virtual_proxy.clone() };
                let known = self.by_name.entry(name).or_insert_with(|| ProxyPair::new(proxy, virtual_proxy));
                known.follow(proxy);
                pairs.push(known.clone());
            }
        }
        if state.is_discovered() {
            let current: HashSet<_> = pairs.iter().map(|one| Arc::as_ptr(&one.pair)).collect();
            self.by_name.retain(|_, one| current.contains(&Arc::as_ptr(&one.pair)));
        }
        let current = Arc::new(Current { state, pairs });
        self.current = Some(current.clone());
        current
    }
}

impl Current {
    fn pairs(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.pairs.iter().map(|one| &one.pair)
    }
}

impl ProxyPair {
    fn new(proxy: &Arc<ProxyClient>, virtual_proxy: &VirtualProxy) -> Self {
        let span = proxy.span(virtual_proxy);
        let pair = Pair::new(virtual_proxy.clone(), span, proxy.clone(), proxy.permits().clone());
        Self { proxy: proxy.clone(), pair }
    }

    /// Queries the proxy service as it is now.
    fn follow(&mut self, proxy: &Arc<ProxyClient>) {
        if !self.proxy.is_same_service(proxy) {
            self.pair.replace_source(proxy.clone(), proxy.permits().clone());
        }
        self.proxy = proxy.clone();
    }
}

fn snapshot(proxy: &ProxyClient, pair: &Pair, used: Used) -> PairSnapshot {
    PairSnapshot {
        proxy: proxy.plan().clone(),
        virtual_proxy: pair.virtual_proxy().clone(),
        used,
        history: pair.history(),
    }
}

/// When the certificates of a site expire: our own, and those that its services presented last.
fn expiries(state: &SiteState) -> Vec<Expiry> {
    let credentials = &state.access.settings.credentials;
    let mut expiries = vec![Expiry::new("client", credentials.client_facts().not_after)];
    // The first that expires ends it for all.
    let ca = credentials.ca_facts().iter().map(|facts| facts.not_after).min();
    expiries.extend(ca.map(|not_after| Expiry::new("ca", not_after)));
    let repository = state.repository.as_ref().and_then(Repository::server_certificate);
    expiries.extend(repository.map(|facts| Expiry::new("repository", facts.not_after)));
    for proxy in &state.proxies {
        if let Some(facts) = proxy.server_certificate() {
            let name = Some(proxy.plan().name.clone());
            expiries.push(Expiry { proxy: name, ..Expiry::new("proxy", facts.not_after) });
        }
    }
    expiries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RepositorySettings;
    use crate::site::tests::scrape_settings;
    use crate::site::topology::tests::{found, service, site};
    use qlik_sense::qrs::Found;

    fn central(prefixes: &[&str]) -> Found {
        found(vec![service("Central", "sense1", prefixes)], prefixes)
    }

    fn collector() -> Arc<SiteCollector> {
        SiteCollector::new(&site(vec![]), &scrape_settings(4)).unwrap()
    }

    /// The pairs after a discovery that returned these virtual proxies of one proxy service.
    fn discovered(collector: &SiteCollector, prefixes: &[&str]) -> Vec<*const Pair> {
        collector.site.replace(collector.site.state().discovered(central(prefixes)));
        collector.current().pairs().map(Arc::as_ptr).collect()
    }

    #[tokio::test]
    async fn counters_go_on_until_it_is_known_that_a_pair_is_gone() {
        let collector = collector();
        let before = discovered(&collector, &["", "sales"]);

        let mut moved = site(vec![]);
        moved.repository = Some(RepositorySettings {
            url: "https://sense9:4242".parse().unwrap(),
            ..moved.repository.unwrap()
        });
        collector.apply(collector.prepare(&moved, &scrape_settings(4)).unwrap());
        assert_eq!(collector.current().pairs().count(), 0, "another repository has not answered yet");

        assert_eq!(discovered(&collector, &["", "sales"]), before);
    }

    #[tokio::test]
    async fn counters_end_with_a_pair_that_is_gone() {
        let collector = collector();
        let sales = discovered(&collector, &["sales"])[0];
        discovered(&collector, &[""]);
        assert!(collector.pairs.lock().by_name.values().all(|one| Arc::as_ptr(&one.pair) != sales));
    }
}
