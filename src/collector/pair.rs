//! One virtual proxy on one proxy service: its cached answer, its counters, and at most one query in flight.
//!
//! Whoever wants an answer gets the cached one or waits for the query in flight. The query is a task of its own: it
//! goes on when the scrapes that wanted it have given up, and ends early only while it still waits for its permit.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use qlik_sense::session_list::{Counted, Session};
use qlik_sense::{QueryError, UserKey, VirtualProxy};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span, info, warn};

use super::answer::Answer;
use super::history::History;
use super::scrape::Scrape;
use super::snapshot::Used;
use super::tally::{Counting, Keep, SessionIds, Tally};
use super::tasks::Tasks;
use crate::permits::{Acquire, Permit, PrioritySemaphore};
use crate::site::{LastAnswer, ProxyClient};

/// Where a pair's sessions come from: its proxy service, or a stand-in for it under a paused clock.
pub(super) trait SessionSource: Send + Sync {
    /// Queries the sessions once and counts them while they arrive.
    fn count<'a>(
        &'a self,
        permit: &'a Permit<LastAnswer>,
        virtual_proxy: &'a VirtualProxy,
        counting: Counting,
    ) -> BoxFuture<'a, Result<Counts, QueryError>>;
}

/// What a good query returns.
type Counts = (Tally, SessionIds);

/// Queries the sessions of a virtual proxy once and counts them while they arrive.
pub async fn count_sessions(
    proxy: &ProxyClient,
    permit: &Permit<LastAnswer>,
    virtual_proxy: &VirtualProxy,
    mut counting: Counting,
) -> Result<Counts, QueryError> {
    let count = |session: Session<'_>| {
        let user = UserKey { directory: &session.user_directory, id: &session.user_id };
        counting.add(user, &session.session_id);
    };
    proxy.list::<Counted>(permit, virtual_proxy, count).await?;
    Ok(counting.finish())
}

impl SessionSource for ProxyClient {
    fn count<'a>(
        &'a self,
        permit: &'a Permit<LastAnswer>,
        virtual_proxy: &'a VirtualProxy,
        counting: Counting,
    ) -> BoxFuture<'a, Result<Counts, QueryError>> {
        count_sessions(self, permit, virtual_proxy, counting).boxed()
    }
}

/// Carries the answer to all who wait for it.
type Flight = watch::Sender<Option<Arc<Answer>>>;

/// An answer that a scrape wants.
enum WantedAnswer {
    /// Of an earlier query, not expired yet.
    Cached(Arc<Answer>),
    InFlight(InFlight),
}

/// A query in flight.
struct InFlight {
    answer: watch::Receiver<Option<Arc<Answer>>>,
    /// That of the source in force when the answer was wanted.
    generation: u64,
}

impl InFlight {
    /// Waits for the answer; None: the query was given up.
    async fn answer(&mut self) -> Option<Arc<Answer>> {
        self.answer.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Returns whether this answer serves whoever waited for it: not one of an earlier source, nor one that keeps
    /// something else.
    fn is_served_by(&self, answer: &Answer, keep: &Keep) -> bool {
        answer.generation >= self.generation && answer.keeps(keep)
    }
}

/// One virtual proxy on one proxy service. Held by its site, and by its query in flight.
pub(super) struct Pair {
    virtual_proxy: VirtualProxy,
    /// Carries site, proxy and virtual proxy into the log.
    span: Span,
    state: Mutex<PairState>,
}

struct PairState {
    source: Arc<dyn SessionSource>,
    /// Those of the proxy service.
    permits: PrioritySemaphore<LastAnswer>,
    /// How many sources there were before this one.
    generation: u64,
    /// The last answer of this source, good or failed.
    cached: Option<Arc<Answer>>,
    /// The query in flight. Only its task holds it, so that it cannot outlive the task.
    flight: Weak<Flight>,
    /// The buffers of the answer before the last one.
    buffers: Counting,
    history: History,
    /// The sessions of the last good answer.
    seen: Option<SessionIds>,
}

/// A query about to be sent.
struct Query {
    permit: Permit<LastAnswer>,
    source: Arc<dyn SessionSource>,
    generation: u64,
    counting: Counting,
}

impl Pair {
    pub fn new(
        virtual_proxy: VirtualProxy,
        span: Span,
        source: Arc<dyn SessionSource>,
        permits: PrioritySemaphore<LastAnswer>,
    ) -> Arc<Self> {
        let state = PairState {
            source,
            permits,
            generation: 0,
            cached: None,
            flight: Weak::new(),
            buffers: Counting::default(),
            history: History::default(),
            seen: None,
        };
        Arc::new(Self { virtual_proxy, span, state: Mutex::new(state) })
    }

    pub fn virtual_proxy(&self) -> &VirtualProxy {
        &self.virtual_proxy
    }

    pub fn history(&self) -> History {
        self.state.lock().history.clone()
    }

    /// Returns the last answer of the source in force, however old.
    pub fn last_answer(&self) -> Option<Arc<Answer>> {
        self.state.lock().cached.clone()
    }

    /// Queries another source from now on. Counters go on; a query in flight ends before the next one begins.
    pub fn replace_source(&self, source: Arc<dyn SessionSource>, permits: PrioritySemaphore<LastAnswer>) {
        let mut state = self.state.lock();
        state.source = source;
        state.permits = permits;
        state.generation += 1;
        state.cached = None;
    }

    /// Wants an answer, at the call. The future waits for it until `deadline`; dropping it gives the answer up.
    ///
    /// An answer that does not serve, because its query began with other settings, is wanted again.
    pub fn answer<'s>(
        self: &Arc<Self>,
        scrape: &'s Scrape<'s>,
        deadline: Instant,
    ) -> impl Future<Output = Used> + Send + use<'s> {
        let mut wanted = self.want_counted(scrape);
        let pair = self.clone();
        async move {
            loop {
                let mut in_flight = match wanted {
                    WantedAnswer::Cached(answer) => return Used::Cached(answer),
                    WantedAnswer::InFlight(in_flight) => in_flight,
                };
                let answer = tokio::select! {
                    biased;
                    answer = timeout_at(deadline, in_flight.answer()) => answer.ok().flatten(),
                    () = scrape.tasks.ending() => None,
                };
                match answer {
                    None => return Used::TimedOut,
                    Some(answer) if in_flight.is_served_by(&answer, &scrape.policy.keep) => {
                        return Used::Awaited(answer);
                    }
                    Some(_) => wanted = pair.want_counted(scrape),
                }
            }
        }
    }

    fn want_counted(self: &Arc<Self>, scrape: &Scrape<'_>) -> WantedAnswer {
        let wanted = self.want(scrape.policy.cache_ttl, &scrape.policy.keep, scrape.tasks);
        scrape.cache.count(matches!(wanted, WantedAnswer::Cached(_)));
        wanted
    }

    /// Returns the cached answer when it is no older than `ttl`, else the query in flight, which may have begun with
    /// other settings, else a new query.
    fn want(self: &Arc<Self>, ttl: Duration, keep: &Keep, queries: &Tasks) -> WantedAnswer {
        let mut state = self.state.lock();
        if let Some(cached) = &state.cached
            && !ttl.is_zero()
            && cached.at.elapsed() <= ttl
            && cached.keeps(keep)
        {
            return WantedAnswer::Cached(cached.clone());
        }
        let generation = state.generation;
        if let Some(flight) = state.flight.upgrade() {
            return WantedAnswer::InFlight(InFlight { answer: flight.subscribe(), generation });
        }
        let (flight, answer) = watch::channel(None);
        let flight = Arc::new(flight);
        state.flight = Arc::downgrade(&flight);
        // In the queue before anybody else can be: the order is that in which answers are wanted.
        let permit = state.permits.acquire(state.cached.as_ref().map(|answer| answer.at));
        queries.spawn(self.clone().query(flight, permit, keep.clone()).instrument(self.span.clone()));
        WantedAnswer::InFlight(InFlight { answer, generation })
    }

    /// Waits for its permit, queries, and hands the answer to all who wait.
    async fn query(self: Arc<Self>, flight: Arc<Flight>, permit: Acquire<LastAnswer>, keep: Keep) {
        let Some(Query { permit, source, generation, counting }) = self.begin(&flight, permit).await else {
            return;
        };
        let begun = Instant::now();
        let outcome = source.count(&permit, &self.virtual_proxy, counting.keeping(keep)).await;
        self.complete(&flight, begun, generation, outcome);
        drop(permit);
    }

    /// Returns the query, counted as begun; or nothing once no scrape wants the answer any more.
    async fn begin(&self, flight: &Flight, permit: Acquire<LastAnswer>) -> Option<Query> {
        let mut permit = pin!(permit);
        loop {
            let permit = tokio::select! {
                biased;
                () = flight.closed() => None,
                permit = &mut permit => Some(permit),
            };
            // Under the lock no scrape can join, so that none joins a query that is given up here.
            let mut state = self.state.lock();
            if flight.receiver_count() == 0 {
                state.flight = Weak::new();
                return None;
            }
            if let Some(permit) = permit {
                state.history.counters.queries += 1;
                let counting = state.buffers();
                let (source, generation) = (state.source.clone(), state.generation);
                return Some(Query { permit, source, generation, counting });
            }
        }
    }

    /// Records the answer and hands it to all who wait. That of an earlier source is counted, not cached.
    fn complete(
        &self,
        flight: &Flight,
        begun: Instant,
        generation: u64,
        outcome: Result<Counts, QueryError>,
    ) {
        let at = Instant::now();
        let took = at - begun;
        let mut state = self.state.lock();
        let (outcome, unused_ids) = state.record(outcome, took);
        let answer = Arc::new(Answer { outcome, at, took, generation });
        let mut unused = None;
        if generation == state.generation {
            // A scrape may still read the last answer: then its buffers cannot be reused.
            unused = state.cached.replace(answer.clone()).and_then(Arc::into_inner);
        }
        state.buffers = Counting::reusing(unused.and_then(|answer| answer.outcome.ok()), unused_ids);
        state.flight = Weak::new();
        flight.send_replace(Some(answer));
    }
}

impl PairState {
    /// Returns buffers to count the next answer in, with as much room as the last one needed.
    fn buffers(&mut self) -> Counting {
        let mut buffers = std::mem::take(&mut self.buffers);
        if let Some(last) = self.cached.as_deref().and_then(Answer::tally) {
            buffers.reserve_for(last);
        }
        buffers
    }

    /// Writes one query into the history and the log. Returns the ids seen before, when they are not needed any more.
    fn record(
        &mut self,
        outcome: Result<Counts, QueryError>,
        took: Duration,
    ) -> (Result<Tally, QueryError>, Option<SessionIds>) {
        let Self { history, seen, .. } = self;
        history.last_duration = Some(took);
        match outcome {
            Ok((tally, ids)) => {
                if let Some(earlier) = seen {
                    let changes = ids.changes_since(earlier);
                    history.counters.started += changes.started;
                    history.counters.ended += changes.ended;
                }
                history.last_success = Some(SystemTime::now());
                if !history.reported.is_empty() {
                    history.reported.clear();
                    info!("query recovered");
                }
                (Ok(tally), seen.replace(ids))
            }
            Err(error) => {
                let reason = error.reason();
                if let Some(count) = history.counters.failures.get_mut(reason as usize) {
                    *count += 1;
                }
                // When a pair starts to fail, and with each reason once.
                if !history.reported.contains(&reason) {
                    history.reported.push(reason);
                    warn!(reason = reason.as_str(), %error, duration = ?took, "query failed");
                }
                (Err(error), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qlik_sense::Reason;
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicU64, Ordering};

    const TTL: Duration = Duration::from_secs(10);

    /// A proxy service that needs a second, and whose n-th answer lists the sessions 0 to n; the answers named in
    /// `failing` fail.
    #[derive(Default)]
    struct StandIn {
        queries: AtomicU64,
        failing: &'static [u64],
    }

    impl SessionSource for StandIn {
        fn count<'a>(
            &'a self,
            _permit: &'a Permit<LastAnswer>,
            _virtual_proxy: &'a VirtualProxy,
            mut counting: Counting,
        ) -> BoxFuture<'a, Result<Counts, QueryError>> {
            async move {
                let number = self.queries.fetch_add(1, Ordering::Relaxed) + 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                if self.failing.contains(&number) {
                    return Err(QueryError::HttpStatus(500));
                }
                for session in 0..number {
                    counting.add(UserKey { directory: "LAB", id: "anna" }, &session.to_string());
                }
                Ok(counting.finish())
            }
            .boxed()
        }
    }

    impl StandIn {
        fn failing(failing: &'static [u64]) -> Arc<Self> {
            Arc::new(Self { failing, ..Self::default() })
        }

        fn queries(&self) -> u64 {
            self.queries.load(Ordering::Relaxed)
        }
    }

    fn pair_of(source: &Arc<StandIn>, permits: &PrioritySemaphore<LastAnswer>) -> Arc<Pair> {
        Pair::new(VirtualProxy::default(), Span::none(), source.clone(), permits.clone())
    }

    fn pair(failing: &'static [u64]) -> (Arc<Pair>, Arc<StandIn>) {
        let source = StandIn::failing(failing);
        (pair_of(&source, &permits(4)), source)
    }

    fn permits(permits: usize) -> PrioritySemaphore<LastAnswer> {
        PrioritySemaphore::new(NonZeroUsize::new(permits).unwrap())
    }

    async fn answer(wanted: WantedAnswer) -> Arc<Answer> {
        match wanted {
            WantedAnswer::Cached(answer) => answer,
            WantedAnswer::InFlight(mut in_flight) => in_flight.answer().await.unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_at_once_are_one_query() {
        let (queries, (pair, source)) = (Tasks::default(), pair(&[]));
        let all = (0..100).map(|_| answer(pair.want(TTL, &Keep::Names, &queries)));
        for answer in futures::future::join_all(all).await {
            assert_eq!(answer.tally().unwrap().sessions(), 1);
        }
        assert_eq!(source.queries(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_answer_is_cached_as_long_as_a_good_one() {
        let (queries, (pair, source)) = (Tasks::default(), pair(&[1]));
        assert!(answer(pair.want(TTL, &Keep::Names, &queries)).await.outcome.is_err());
        tokio::time::advance(TTL).await;
        let cached = pair.want(TTL, &Keep::Names, &queries);
        assert!(matches!(cached, WantedAnswer::Cached(cached) if cached.outcome.is_err()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(answer(pair.want(TTL, &Keep::Names, &queries)).await.outcome.is_ok());
        assert_eq!(source.queries(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_ttl_an_answer_is_only_for_those_who_wait() {
        let (queries, (pair, source)) = (Tasks::default(), pair(&[]));
        answer(pair.want(Duration::ZERO, &Keep::Names, &queries)).await;
        answer(pair.want(Duration::ZERO, &Keep::Names, &queries)).await;
        assert_eq!(source.queries(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_keeps_something_else_is_not_used() {
        let (queries, (pair, source)) = (Tasks::default(), pair(&[]));
        let hashes = Keep::Hashes { exclude: [].into() };
        assert!(answer(pair.want(TTL, &Keep::Names, &queries)).await.keeps(&Keep::Names));
        let hashed = answer(pair.want(TTL, &hashes, &queries)).await;
        assert_eq!((hashed.keeps(&hashes), source.queries()), (true, 2));
        assert!(matches!(pair.want(TTL, &hashes, &queries), WantedAnswer::Cached(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_was_sent_goes_on_when_no_scrape_waits() {
        let (queries, (pair, source)) = (Tasks::default(), pair(&[]));
        let wanted = pair.want(TTL, &Keep::Names, &queries);
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(wanted);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(matches!(pair.want(TTL, &Keep::Names, &queries), WantedAnswer::Cached(_)));
        assert_eq!(source.queries(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_without_a_permit_is_dropped_with_the_last_scrape_that_wants_it() {
        let (queries, permits) = (Tasks::default(), permits(1));
        let source = StandIn::failing(&[]);
        let pair = pair_of(&source, &permits);
        let taken = permits.acquire(None).await;
        let wanted = pair.want(TTL, &Keep::Names, &queries);
        drop(wanted);
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(taken);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((source.queries(), pair.history().counters.queries), (0, 0));
        let next = answer(pair.want(TTL, &Keep::Names, &queries)).await;
        assert!(next.outcome.is_ok(), "and the next one is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_source_is_queried_when_the_query_of_the_old_one_has_ended() {
        let (queries, (pair, old)) = (Tasks::default(), pair(&[]));
        let first = pair.want(TTL, &Keep::Names, &queries);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let new = StandIn::failing(&[]);
        pair.replace_source(new.clone(), permits(4));
        let WantedAnswer::InFlight(mut second) = pair.want(TTL, &Keep::Names, &queries) else {
            panic!("the old source's answer was cached");
        };
        assert!(answer(first).await.outcome.is_ok(), "it serves whoever wanted it before");
        let of_old = second.answer().await.unwrap();
        assert_eq!((old.queries(), new.queries()), (1, 0));
        assert!(!second.is_served_by(&of_old, &Keep::Names) && pair.last_answer().is_none());
        assert!(answer(pair.want(TTL, &Keep::Names, &queries)).await.outcome.is_ok());
        assert_eq!((old.queries(), new.queries(), pair.history().counters.queries), (1, 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_is_the_baseline_and_a_failure_does_not_move_it() {
        let (queries, (pair, _)) = (Tasks::default(), pair(&[2]));
        for _ in 0..3 {
            answer(pair.want(Duration::ZERO, &Keep::Names, &queries)).await;
        }
        let counters = pair.history().counters;
        assert_eq!((counters.started, counters.ended), (2, 0));
        assert_eq!(counters.queries, 3);
        assert_eq!(counters.failures[Reason::HttpStatus as usize], 1);
    }
}
