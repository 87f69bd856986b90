//! Scrapes: from a deadline to plain data.
//!
//! A scrape wants the answer of every pair (virtual proxy on proxy service) that a [`Site`](crate::site::Site) has.
//! Each `pair` gives its cached answer or lets the scrape wait for the one query in flight. A pair that has not
//! answered by the [`deadline`] is down in this [`snapshot`]. The deadline ends here: a query has a time limit of its
//! own (`request_timeout`), and goes on when the scrapes that wanted it have given up.

pub mod deadline;
mod discovery;
pub mod pair;
mod site;
pub mod snapshot;
pub mod tally;
mod tasks;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use tokio::time::Instant;

use crate::config::Config;
use crate::site::{PreparedSite, UnusableSite};
use site::SiteCollector;
pub use snapshot::{Expiry, PairSnapshot, SiteSnapshot, Used};
use tally::Keep;
use tasks::Tasks;

/// All sites, from start to end of the exporter.
#[derive(Default)]
pub struct Collector {
    in_force: ArcSwap<InForce>,
    /// The queries in flight, which outlive scrapes and sites.
    queries: Tasks,
    cache: CacheCounters,
}

/// What a reload replaces as a whole. A scrape ends with what it began with.
#[derive(Default)]
struct InForce {
    /// In the order of their names.
    sites: Vec<Arc<SiteCollector>>,
    cache_ttl: Duration,
    keep: Keep,
}

/// How often scrapes wanted an answer, and how often it was cached.
#[derive(Debug, Default)]
struct CacheCounters {
    requests: AtomicU64,
    hits: AtomicU64,
}

/// A configuration with everything that can fail done for all of its sites.
pub struct PreparedSites {
    sites: Vec<Prepared>,
    cache_ttl: Duration,
    keep: Keep,
}

/// One site of a prepared configuration.
enum Prepared {
    New(Arc<SiteCollector>),
    /// Its name is configured already.
    Known(Arc<SiteCollector>, PreparedSite),
}

/// What all queries of a scrape have in common.
struct Scrape<'a> {
    cache_ttl: Duration,
    keep: &'a Keep,
    queries: &'a Tasks,
    cache: &'a CacheCounters,
}

impl Collector {
    /// Does everything that can fail before a configuration is in force. Queries nothing, changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<PreparedSites, UnusableSite> {
        let in_force = self.in_force.load();
        let known: HashMap<&str, &Arc<SiteCollector>> =
            in_force.sites.iter().map(|site| (site.name(), site)).collect();
        let mut sites = Vec::new();
        for settings in &config.sites {
            sites.push(match known.get(&*settings.name) {
                Some(site) => Prepared::Known((*site).clone(), site.prepare(settings, &config.scrape)?),
                None => Prepared::New(SiteCollector::new(settings, &config.scrape)?),
            });
        }
        Ok(PreparedSites { sites, cache_ttl: config.scrape.cache_ttl, keep: Keep::of(&config.users) })
    }

    /// Puts a prepared configuration in force: new sites begin with their discovery, sites that are gone end. What
    /// did not change keeps its connections, cache and counters.
    pub async fn apply(&self, prepared: PreparedSites) {
        let PreparedSites { sites, cache_ttl, keep } = prepared;
        let sites: Vec<_> = sites.into_iter().map(Prepared::apply).collect();
        let old = self.in_force.swap(Arc::new(InForce { sites, cache_ttl, keep }));
        let in_force = self.in_force.load();
        let gone = old.sites.iter().filter(|site| !in_force.sites.iter().any(|it| Arc::ptr_eq(it, site)));
        join_all(gone.map(|site| site.end())).await;
    }

    /// Returns whether each site's first discovery has been tried.
    pub fn is_ready(&self) -> bool {
        self.in_force.load().sites.iter().all(|site| site.is_ready())
    }

    pub fn site_names(&self) -> Vec<String> {
        self.in_force.load().sites.iter().map(|site| site.name().to_owned()).collect()
    }

    /// Returns how many answers scrapes wanted, and how many of these were cached.
    pub fn cache_requests_and_hits(&self) -> (u64, u64) {
        // Hits first: they never exceed the requests read after them.
        let hits = self.cache.hits.load(Ordering::Acquire);
        (self.cache.requests.load(Ordering::Acquire), hits)
    }

    /// Returns every site, or only the one named, as the proxy services answer until `deadline`.
    ///
    /// Dropping the future loses nothing: queries that were sent go on, and their answers are cached.
    pub async fn scrape(&self, only: Option<&str>, deadline: Instant) -> Vec<SiteSnapshot> {
        let in_force = self.in_force.load_full();
        let scrape = Scrape {
            cache_ttl: in_force.cache_ttl,
            keep: &in_force.keep,
            queries: &self.queries,
            cache: &self.cache,
        };
        let sites = in_force.sites.iter().filter(|site| only.is_none_or(|name| name == site.name()));
        join_all(sites.map(|site| site.scrape(&scrape, deadline))).await
    }

    /// Returns every site with the last answers, however old, as far as they keep what is to be kept now. Queries
    /// nothing.
    pub fn last_known(&self) -> Vec<SiteSnapshot> {
        let in_force = self.in_force.load();
        in_force.sites.iter().map(|site| site.last_known(&in_force.keep)).collect()
    }

    /// Ends all queries and discoveries. Scrapes that wait for them end too, with what there is.
    pub async fn end(&self) {
        let in_force = self.in_force.load_full();
        join_all(in_force.sites.iter().map(|site| site.end())).await;
        self.queries.end().await;
    }
}

impl Prepared {
    fn apply(self) -> Arc<SiteCollector> {
        match self {
            Self::New(site) => {
                site.begin();
                site
            }
            Self::Known(site, prepared) => {
                site.apply(prepared);
                site
            }
        }
    }
}

impl CacheCounters {
    fn count(&self, is_hit: bool) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.hits.fetch_add(is_hit.into(), Ordering::AcqRel);
    }
}
