//! Who is asked, how many at once, until when: from a scrape's deadline to plain data.
//!
//! A scrape wants the answer of every pair (virtual proxy on proxy service). Each [`pair`] gives its
//! kept answer or lets the scrape wait for the one query under way; [`turns`] bound the queries in
//! flight on one proxy service. What has not come by the [`deadline`] is down in this scrape.

pub mod deadline;
pub mod pair;
pub mod site;
pub mod tally;
mod tasks;
pub mod topology;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::config::{Config, SiteSettings};
use crate::qlik::VirtualProxy;
use crate::qlik::endpoint::EndpointError;
use pair::{Answer, Pair, Wanted};
pub use site::{Expiry, PairSnapshot, ProxyService, Site, SiteSnapshot, Used};
use tasks::Tasks;

/// All sites, and the queries under way.
pub struct Collector {
    sites: Vec<Site>,
    cache_ttl: Duration,
    tasks: Tasks,
    cache: Cache,
}

/// How often answers were wanted, and how often a kept one was there.
#[derive(Debug, Default)]
struct Cache {
    requests: AtomicU64,
    hits: AtomicU64,
}

/// A site whose services cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
#[error("site {site}: {error}")]
pub struct UnusableSite {
    site: String,
    error: EndpointError,
}

impl Collector {
    pub fn new(config: &Config) -> Result<Self, UnusableSite> {
        let site = |settings: &SiteSettings| {
            Site::new(settings, &config.scrape)
                .map_err(|error| UnusableSite { site: settings.name.clone(), error })
        };
        Ok(Self {
            sites: config.sites.iter().map(site).collect::<Result<_, _>>()?,
            cache_ttl: config.scrape.cache_ttl,
            tasks: Tasks::default(),
            cache: Cache::default(),
        })
    }

    pub fn site_names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(Site::name)
    }

    /// Answers wanted by scrapes, and those that were kept ones.
    pub fn cache_requests_and_hits(&self) -> (u64, u64) {
        // Hits first: they never exceed the requests read after them.
        let hits = self.cache.hits.load(Ordering::Acquire);
        (self.cache.requests.load(Ordering::Acquire), hits)
    }

    /// Every site, or only the one named, as the proxies say now, until `deadline`.
    ///
    /// Dropping the future loses nothing: queries that were sent go on, their answers are kept.
    pub async fn scrape(&self, only: Option<&str>, deadline: Instant) -> Vec<SiteSnapshot> {
        let sites = || self.sites.iter().filter(|site| only.is_none_or(|name| name == site.name()));
        // All are wanted before the first is waited for: the queries run side by side.
        let mut wanted =
            sites().flat_map(Site::pairs).map(|(_, _, pair)| self.want(pair)).collect::<Vec<_>>().into_iter();
        let mut snapshots = Vec::new();
        for site in sites() {
            let mut pairs = Vec::new();
            for ((proxy, virtual_proxy, pair), wanted) in site.pairs().zip(wanted.by_ref()) {
                let used = match wanted {
                    Wanted::Kept(answer) => Used::Kept(answer),
                    Wanted::Coming(coming) => self.wait(coming, deadline).await,
                };
                pairs.push(PairSnapshot {
                    proxy: proxy.clone(),
                    virtual_proxy: virtual_proxy.clone(),
                    used,
                    history: pair.history(),
                });
            }
            snapshots.push(site.snapshot(pairs));
        }
        snapshots
    }

    /// Every site with the last answers, however old. Asks nobody.
    pub fn last_known(&self) -> Vec<SiteSnapshot> {
        let pair = |(proxy, virtual_proxy, pair): (&Arc<ProxyService>, &VirtualProxy, &Arc<Pair>)| {
            let history = pair.history();
            let used = history.last_answer.clone().map_or(Used::GaveUp, Used::Kept);
            PairSnapshot { proxy: proxy.clone(), virtual_proxy: virtual_proxy.clone(), used, history }
        };
        self.sites.iter().map(|site| site.snapshot(site.pairs().map(pair).collect())).collect()
    }

    /// Ends all queries; scrapes that wait for them end too, with what there is.
    pub async fn end(&self) {
        self.tasks.end().await;
    }

    fn want(&self, pair: &Arc<Pair>) -> Wanted {
        self.cache.requests.fetch_add(1, Ordering::AcqRel);
        let wanted = pair.want(self.cache_ttl, &self.tasks);
        if matches!(wanted, Wanted::Kept(_)) {
            self.cache.hits.fetch_add(1, Ordering::AcqRel);
        }
        wanted
    }

    async fn wait(
        &self,
        mut coming: tokio::sync::watch::Receiver<Option<Arc<Answer>>>,
        deadline: Instant,
    ) -> Used {
        let answer = async {
            let answer = coming.wait_for(Option::is_some).await.ok()?;
            answer.as_ref().map(|answer| Used::Awaited(answer.clone()))
        };
        tokio::select! {
            biased;
            used = timeout_at(deadline, answer) => used.ok().flatten().unwrap_or(Used::GaveUp),
            () = self.tasks.ending() => Used::GaveUp,
        }
    }
}
