//! Who is asked, how many at once, until when: from a scrape's deadline to plain data.
//!
//! A scrape wants the answer of every pair (virtual proxy on proxy service) that a site's [`topology`]
//! has, as configured or as `discovery` found it. Each [`pair`] gives its kept answer or lets the
//! scrape wait for the one query under way; `turns` bound the queries in flight on one proxy service.
//! What has not come by the [`deadline`] is down in this [`snapshot`].

pub mod access;
pub mod deadline;
mod discovery;
pub mod pair;
mod plan;
mod repository;
pub mod site;
pub mod snapshot;
pub mod tally;
mod tasks;
pub mod topology;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use crate::config::{Config, SiteSettings};
use qlik_sense::client::ClientError;
use site::{Asking, Site};
pub use snapshot::{Expiry, PairSnapshot, RepositorySnapshot, SiteSnapshot, Used};
use tally::Keep;
use tasks::Tasks;

/// All sites, from one configuration to the next.
pub struct Collector {
    sites: Vec<Arc<Site>>,
    cache_ttl: Duration,
    keep: Keep,
    /// The queries under way, which end with the program and not with the configuration.
    queries: Tasks,
    cache: Arc<CacheCounters>,
}

/// How often answers were wanted, and how often a kept one was there.
#[derive(Debug, Default)]
struct CacheCounters {
    requests: AtomicU64,
    hits: AtomicU64,
}

/// A site whose services cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
#[error("site {site}: {error}")]
pub struct UnusableSite {
    site: String,
    error: ClientError,
}

impl Collector {
    /// What is the same as in `old` goes on: connections, caches, counters. Asks nobody yet.
    pub fn new(config: &Config, old: Option<&Self>) -> Result<Self, UnusableSite> {
        let site = |settings: &SiteSettings| {
            let old = old.and_then(|old| old.sites.iter().find(|site| site.name() == settings.name));
            Site::new(settings, &config.scrape, old)
                .map_err(|error| UnusableSite { site: settings.name.clone(), error })
        };
        Ok(Self {
            sites: config.sites.iter().map(site).collect::<Result<_, _>>()?,
            cache_ttl: config.scrape.cache_ttl,
            keep: Keep::of(&config.users),
            queries: old.map(|old| old.queries.clone()).unwrap_or_default(),
            cache: old.map(|old| old.cache.clone()).unwrap_or_default(),
        })
    }

    /// The configuration is in force: begins to ask the repositories of the sites that are new.
    pub fn begin(&self) {
        self.sites.iter().for_each(Site::begin);
    }

    /// Whether each site's first discovery has been tried.
    pub fn is_ready(&self) -> bool {
        self.sites.iter().all(|site| site.is_ready())
    }

    pub fn site_names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| site.name())
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
        let count = |hit: bool| {
            self.cache.requests.fetch_add(1, Ordering::AcqRel);
            self.cache.hits.fetch_add(hit.into(), Ordering::AcqRel);
        };
        let (cache_ttl, keep, tasks) = (self.cache_ttl, &self.keep, &self.queries);
        let asking = Asking { cache_ttl, keep, tasks, count: &count };
        let sites = self.sites.iter().filter(|site| only.is_none_or(|name| name == site.name()));
        join_all(sites.map(|site| site.scrape(&asking, deadline))).await
    }

    /// Every site with the last answers, however old, that keep what is to be kept. Asks nobody.
    pub fn last_known(&self) -> Vec<SiteSnapshot> {
        self.sites.iter().map(|site| site.last_known(&self.keep)).collect()
    }

    /// Ends the discovery of the sites that are not the same in `new`, which has not begun yet.
    pub async fn give_way_to(&self, new: &Self) {
        let give_way =
            async |site: &Arc<Site>| match new.sites.iter().find(|other| other.name() == site.name()) {
                Some(same) if Arc::ptr_eq(site, same) => {}
                Some(successor) => site.give_way_to(successor).await,
                None => site.end().await,
            };
        join_all(self.sites.iter().map(give_way)).await;
    }

    /// Ends all queries and discoveries; scrapes that wait for them end too, with what there is.
    pub async fn end(&self) {
        join_all(self.sites.iter().map(|site| site.end())).await;
        self.queries.end().await;
    }
}
