//! One scrape over all sites: which answers it wants, and how long it waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::pair::{Pair, Wanted};
use super::snapshot::Used;
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

/// What all queries of a scrape have in common.
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

/// The answers that a scrape wants. The pairs are held, so that no other comes to the address of one.
#[derive(Default)]
pub(super) struct WantedAnswers(HashMap<usize, WantedAnswer>);

struct WantedAnswer {
    wanted: Wanted,
    _pair: Arc<Pair>,
}

impl WantedAnswers {
    fn take(&mut self, pair: &Arc<Pair>) -> Option<Wanted> {
        self.0.remove(&address(pair)).map(|one| one.wanted)
    }
}

fn address(pair: &Arc<Pair>) -> usize {
    Arc::as_ptr(pair).addr()
}

impl Scrape<'_> {
    /// Wants the answer of every pair that is not wanted already. The oldest answers come first, so that they are
    /// the ones queried where not all can be in time.
    pub fn want_all<'p>(&self, pairs: impl Iterator<Item = &'p Arc<Pair>>, wanted: &mut WantedAnswers) {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_cached_key(|pair| pair.last_answer().map(|answer| answer.at));
        for pair in pairs {
            let answer = || WantedAnswer { wanted: self.want(pair), _pair: pair.clone() };
            wanted.0.entry(address(pair)).or_insert_with(answer);
        }
    }

    fn want(&self, pair: &Arc<Pair>) -> Wanted {
        let wanted = pair.want(self.policy.cache_ttl, &self.policy.keep, self.tasks);
        self.cache.count(matches!(wanted, Wanted::Cached(_)));
        wanted
    }

    /// Returns the answer, when it comes in time. One that does not serve, because its query began with other
    /// settings, is wanted again.
    pub async fn used(&self, pair: &Arc<Pair>, wanted: &mut WantedAnswers, deadline: Instant) -> Used {
        let Some(mut wanted) = wanted.take(pair) else { return Used::TimedOut };
        loop {
            let mut in_flight = match wanted {
                Wanted::Cached(answer) => return Used::Cached(answer),
                Wanted::InFlight(in_flight) => in_flight,
            };
            let answer = tokio::select! {
                biased;
                answer = timeout_at(deadline, in_flight.answer()) => answer.ok().flatten(),
                () = self.tasks.ending() => None,
            };
            match answer {
                None => return Used::TimedOut,
                Some(answer) if in_flight.is_served_by(&answer, &self.policy.keep) => {
                    return Used::Awaited(answer);
                }
                Some(_) => wanted = self.want(pair),
            }
        }
    }
}

impl CacheCounters {
    /// Returns how many answers scrapes wanted, and how many of these were cached.
    pub fn requests_and_hits(&self) -> (u64, u64) {
        // Hits first: they never exceed the requests read after them.
        let hits = self.hits.load(Ordering::Acquire);
        (self.requests.load(Ordering::Acquire), hits)
    }

    fn count(&self, is_hit: bool) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.hits.fetch_add(is_hit.into(), Ordering::AcqRel);
    }
}
