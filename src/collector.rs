//! Scrapes: from a deadline to plain data.
//!
//! A scrape wants the answer of every pair (virtual proxy on proxy service) that a [`Site`](crate::site::Site) has.
//! Each `pair` gives its cached answer or lets the scrape wait for the one query in flight. A pair that has not
//! answered by the [`deadline`] is down in this [`snapshot`]. The deadline ends here: a query has a time limit of its
//! own (`request_timeout`), and goes on when the scrapes that wanted it have given up.

pub mod answer;
pub mod deadline;
mod discovery;
pub mod history;
pub mod pair;
mod scrape;
mod site;
pub mod snapshot;
pub mod tally;
mod tasks;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::join_all;
use tokio::time::Instant;

use crate::config::Config;
use crate::site::{PreparedSite, UnusableSite};
pub use scrape::ScrapePolicy;
use scrape::{CacheCounters, Scrape};
use site::SiteCollector;
pub use snapshot::{Expiry, PairSnapshot, SiteSnapshot, Used};
use tally::Keep;
use tasks::Tasks;

/// All sites, from start to end of the exporter.
#[derive(Default)]
pub struct Collector {
    /// In the order of their names.
    sites: ArcSwap<Vec<Arc<SiteCollector>>>,
    /// Queries and discoveries, which outlive scrapes.
    tasks: Tasks,
    cache: CacheCounters,
}

/// The sites of a configuration with everything that can fail done.
pub struct PreparedSites(Vec<Prepared>);

/// One site of a prepared configuration.
enum Prepared {
    New(Arc<SiteCollector>),
    /// Its name is configured already.
    Known(Arc<SiteCollector>, PreparedSite),
}

impl Collector {
    /// Does everything that can fail before a configuration is in force. Queries nothing, changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<PreparedSites, UnusableSite> {
        let sites = self.sites.load();
        let known: HashMap<&str, &Arc<SiteCollector>> =
            sites.iter().map(|site| (site.name(), site)).collect();
        let mut prepared = Vec::new();
        for settings in &config.sites {
            prepared.push(match known.get(&*settings.name) {
                Some(site) => Prepared::Known((*site).clone(), site.prepare(settings, &config.scrape)?),
                None => Prepared::New(SiteCollector::new(settings, &config.scrape)?),
            });
        }
        Ok(PreparedSites(prepared))
    }

    /// Puts prepared sites in force: new ones begin with their discovery, those that are gone end. What did not change
    /// keeps its connections, cache and counters.
    pub fn apply(&self, PreparedSites(prepared): PreparedSites) {
        let sites: Vec<_> = prepared.into_iter().map(|site| site.apply(&self.tasks)).collect();
        let sites = Arc::new(sites);
        for site in self.sites.swap(sites.clone()).iter() {
            if !sites.iter().any(|stays| Arc::ptr_eq(stays, site)) {
                site.end();
            }
        }
    }

    /// Returns whether each site's first discovery has been tried.
    pub fn is_ready(&self) -> bool {
        self.sites.load().iter().all(|site| site.is_ready())
    }

    pub fn site_names(&self) -> Vec<String> {
        self.sites.load().iter().map(|site| site.name().to_owned()).collect()
    }

    /// Returns how many answers scrapes wanted, and how many of these were cached.
    pub fn cache_requests_and_hits(&self) -> (u64, u64) {
        self.cache.requests_and_hits()
    }

    /// Returns every site, or only the one named, as the proxy services answer until `deadline`.
    ///
    /// Dropping the future loses nothing: queries that were sent go on, and their answers are cached.
    pub async fn scrape(
        &self,
        policy: &ScrapePolicy,
        only: Option<&str>,
        deadline: Instant,
    ) -> Vec<SiteSnapshot> {
        let scrape = Scrape { policy, tasks: &self.tasks, cache: &self.cache };
        let sites = self.sites.load_full();
        let sites = sites.iter().filter(|site| only.is_none_or(|name| name == site.name()));
        join_all(sites.map(|site| site.scrape(&scrape, deadline))).await
    }

    /// Returns every site with the last answers, however old, as far as they keep the same of their users. Queries
    /// nothing.
    pub fn last_known(&self, keep: &Keep) -> Vec<SiteSnapshot> {
        self.sites.load().iter().map(|site| site.last_known(keep)).collect()
    }

    /// Ends all queries and discoveries. Scrapes that wait for them end too, with what there is.
    pub async fn end(&self) {
        self.tasks.end().await;
    }
}

impl Prepared {
    fn apply(self, tasks: &Tasks) -> Arc<SiteCollector> {
        match self {
            Self::New(site) => {
                site.begin(tasks);
                site
            }
            Self::Known(site, prepared) => {
                site.apply(prepared);
                site
            }
        }
    }
}
