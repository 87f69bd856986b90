//! What all queries of a scrape have in common: which answers serve it, who owns them, what is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::tally::Keep;
use super::tasks::Tasks;
use crate::config::Config;

/// Which answers serve a scrape.
#[derive(Debug, Clone)]
pub struct ScrapePolicy {
    /// How long an answer, good or failed, is reused; zero: only by scrapes that wait for it.
    pub cache_ttl: Duration,
    /// What answers keep of their users.
    pub keep: Keep,
}

/// How often scrapes wanted an answer, and how often it was cached.
#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    requests: AtomicU64,
    hits: AtomicU64,
}

/// What a scrape hands to all of its pairs.
pub(super) struct Scrape<'a> {
    pub policy: &'a ScrapePolicy,
    /// Own the queries.
    pub tasks: &'a Tasks,
    pub cache: &'a CacheCounters,
}

impl ScrapePolicy {
    pub fn of(config: &Config) -> Self {
        Self { cache_ttl: config.scrape.cache_ttl, keep: Keep::of(&config.users) }
    }
}

impl CacheCounters {
    /// Returns how many answers scrapes wanted, and how many of these were cached.
    pub fn requests_and_hits(&self) -> (u64, u64) {
        // Hits first: they never exceed the requests read after them.
        let hits = self.hits.load(Ordering::Acquire);
        (self.requests.load(Ordering::Acquire), hits)
    }

    pub fn count(&self, is_hit: bool) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.hits.fetch_add(is_hit.into(), Ordering::AcqRel);
    }
}
