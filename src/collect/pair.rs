//! One virtual proxy on one proxy service: its kept answer, and at most one query in flight.
//!
//! Who wants an answer either gets the kept one or a [`watch::Receiver`] of the query under way. The
//! query is a task of its own: it goes on when the scrapes that wanted it have given up, and ends early
//! only while it still waits for its turn.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::tally::{Counting, Keep, SessionIds, Tally};
use super::tasks::Tasks;
use super::turns::{Place, Turn, Turns};
use qlik_sense::{QueryError, Reason, VirtualProxy};

/// What a good query brings.
pub type Counted = (Tally, SessionIds);

/// Asks the proxy service once, and counts what it answers.
pub type Ask = Box<dyn Fn(Counting) -> BoxFuture<'static, Result<Counted, QueryError>> + Send + Sync>;

/// What one query brought, good or failed.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Result<Tally, QueryError>,
    /// When the last byte came, or the query failed.
    pub at: Instant,
    /// From the beginning of the query to then.
    pub took: Duration,
}

impl Answer {
    /// The counts, when it is a good answer.
    pub fn tally(&self) -> Option<&Tally> {
        self.outcome.as_ref().ok()
    }

    /// Whether it is what a query that is to keep this would have brought: not so when another configuration asked.
    pub fn keeps(&self, keep: &Keep) -> bool {
        self.tally().is_none_or(|tally| tally.keep() == keep)
    }
}

/// Carries the answer to all who wait for it.
type Flight = watch::Sender<Option<Arc<Answer>>>;

/// An answer that somebody wants.
pub enum Wanted {
    /// Kept from an earlier query.
    Kept(Arc<Answer>),
    /// To come from the query that is under way now.
    Coming(watch::Receiver<Option<Arc<Answer>>>),
}

/// What a pair has counted since the exporter knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Queries begun, connected or not.
    pub queries: u64,
    /// By [`Reason`], in its order.
    pub failures: [u64; Reason::ALL.len()],
    /// Sessions seen to appear between two good answers.
    pub started: u64,
    /// Sessions seen to disappear between two good answers.
    pub ended: u64,
}

/// What is known of a pair over all its answers. It outlives the [`Pair`] when the proxy service gets
/// another address or the site other certificates.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub counters: Counters,
    /// When the last good answer came.
    pub last_success: Option<SystemTime>,
    /// How long the last query took, failed ones included.
    pub last_duration: Option<Duration>,
    /// The reasons told since the pair began to fail; none while it answers.
    told: Vec<Reason>,
}

/// What a pair and those that take its place have in common, one after another.
#[derive(Debug)]
pub struct Record {
    state: Mutex<RecordState>,
    /// One place: a query of an earlier configuration ends before the next one begins.
    alone: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct RecordState {
    history: History,
    /// The sessions of the last good answer.
    seen: Option<SessionIds>,
}

impl Default for Record {
    fn default() -> Self {
        Self { state: Mutex::default(), alone: Arc::new(Semaphore::new(1)) }
    }
}

/// One virtual proxy on one proxy service. Held by its site, and by its query while that runs.
pub struct Pair {
    /// For the log.
    site: Arc<str>,
    proxy: Arc<str>,
    virtual_proxy: VirtualProxy,
    ask: Ask,
    /// Shared by all pairs of the proxy service.
    turns: Arc<Turns>,
    cache: Mutex<Cache>,
    record: Arc<Record>,
}

#[derive(Default)]
struct Cache {
    /// The last answer, good or failed.
    kept: Option<Arc<Answer>>,
    /// The query under way. Only its task holds it, so that it cannot outlive the task.
    flight: Weak<Flight>,
    /// The room of the answer before the last one.
    room: Counting,
}

impl Pair {
    /// `record`: a new one, or that of the pair whose place this one takes.
    pub fn new(
        site: Arc<str>,
        proxy: Arc<str>,
        virtual_proxy: VirtualProxy,
        turns: Arc<Turns>,
        ask: Ask,
        record: Arc<Record>,
    ) -> Arc<Self> {
        Arc::new(Self { site, proxy, virtual_proxy, ask, turns, cache: Mutex::default(), record })
    }

    pub fn virtual_proxy(&self) -> &VirtualProxy {
        &self.virtual_proxy
    }

    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub fn history(&self) -> History {
        self.record.state.lock().history.clone()
    }

    /// The last answer, however old.
    pub fn last_answer(&self) -> Option<Arc<Answer>> {
        self.cache.lock().kept.clone()
    }

    /// The kept answer when it is no older than `ttl`, else the query under way, which may have been begun to
    /// keep something else, else a new query.
    pub fn want(self: &Arc<Self>, ttl: Duration, keep: &Keep, tasks: &Tasks) -> Wanted {
        let mut cache = self.cache.lock();
        if let Some(kept) = &cache.kept
            && !ttl.is_zero()
            && kept.at.elapsed() <= ttl
            && kept.keeps(keep)
        {
            return Wanted::Kept(kept.clone());
        }
        if let Some(flight) = cache.flight.upgrade() {
            return Wanted::Coming(flight.subscribe());
        }
        let (flight, coming) = watch::channel(None);
        let flight = Arc::new(flight);
        cache.flight = Arc::downgrade(&flight);
        let place = self.turns.queue(cache.kept.as_ref().map(|answer| answer.at));
        tasks.spawn(self.clone().query(flight, place, keep.clone()));
        Wanted::Coming(coming)
    }

    /// Waits for its turn, asks, and hands the answer to all who wait.
    async fn query(self: Arc<Self>, flight: Arc<Flight>, place: Place, keep: Keep) {
        let Some(turn) = self.turn(&flight, place).await else { return };
        let begun = Instant::now();
        let outcome = (self.ask)(self.room().keeping(keep)).await;
        self.land(&flight, begun, outcome);
        drop(turn);
    }

    /// The turn, and the query counted as begun; or nothing once nobody wants the answer any more.
    async fn turn(&self, flight: &Flight, place: Place) -> Option<(Option<OwnedSemaphorePermit>, Turn)> {
        let mut turn = pin!(async {
            // Never closed: no error.
            let alone = self.record.alone.clone().acquire_owned().await.ok();
            (alone, place.turn().await)
        });
        loop {
            let turn = tokio::select! {
                biased;
                () = flight.closed() => None,
                turn = &mut turn => Some(turn),
            };
            // Under the lock nobody can join, so that nobody joins a query that is given up here.
            let mut cache = self.cache.lock();
            if flight.receiver_count() == 0 {
                cache.flight = Weak::new();
                return None;
            }
            if turn.is_some() {
                self.record.state.lock().history.counters.queries += 1;
                return turn;
            }
        }
    }

    /// To count the next answer in: as much as the last one needed.
    fn room(&self) -> Counting {
        let mut cache = self.cache.lock();
        let mut room = std::mem::take(&mut cache.room);
        if let Some(last) = cache.kept.as_deref().and_then(Answer::tally) {
            room.reserve_for(last);
        }
        room
    }

    fn land(&self, flight: &Flight, begun: Instant, outcome: Result<Counted, QueryError>) {
        let at = Instant::now();
        let took = at - begun;
        let mut cache = self.cache.lock();
        let (outcome, ids) = self.note(outcome, took);
        let answer = Arc::new(Answer { outcome, at, took });
        // A scrape may still read the last answer: then it is no use here.
        let last = cache.kept.replace(answer.clone()).and_then(Arc::into_inner);
        cache.room = Counting::within(last.and_then(|answer| answer.outcome.ok()), ids);
        cache.flight = Weak::new();
        flight.send_replace(Some(answer));
    }

    /// Writes one query into the record and the log. Gives back what was seen before, when that is not needed any
    /// more.
    fn note(
        &self,
        outcome: Result<Counted, QueryError>,
        took: Duration,
    ) -> (Result<Tally, QueryError>, Option<SessionIds>) {
        let mut record = self.record.state.lock();
        let RecordState { history, seen } = &mut *record;
        let mut before = None;
        let outcome = match outcome {
            Ok((tally, ids)) => {
                if let Some(earlier) = seen {
                    let (started, ended) = ids.changes_since(earlier);
                    history.counters.started += started;
                    history.counters.ended += ended;
                }
                before = seen.replace(ids);
                history.last_success = Some(SystemTime::now());
                Ok(tally)
            }
            Err(error) => {
                if let Some(count) = history.counters.failures.get_mut(error.reason() as usize) {
                    *count += 1;
                }
                Err(error)
            }
        };
        history.last_duration = Some(took);
        self.log(&mut history.told, &outcome, took);
        (outcome, before)
    }

    /// Tells when a pair starts to fail, with each reason once, and when it ends to fail; each query at
    /// debug level.
    fn log(&self, told: &mut Vec<Reason>, outcome: &Result<Tally, QueryError>, duration: Duration) {
        let Self { site, proxy, virtual_proxy, .. } = self;
        match outcome {
            Err(error) if !told.contains(&error.reason()) => {
                told.push(error.reason());
                warn!(%site, %proxy, %virtual_proxy, reason = error.reason().as_str(), %error, "asking the proxy service failed");
            }
            Ok(_) if !told.is_empty() => {
                told.clear();
                info!(%site, %proxy, %virtual_proxy, "asking the proxy service works again");
            }
            _ => {}
        }
        match outcome {
            Ok(tally) => {
                debug!(%site, %proxy, %virtual_proxy, sessions = tally.sessions(), ?duration, "asked");
            }
            Err(error) => debug!(%site, %proxy, %virtual_proxy, %error, ?duration, "asked in vain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tally::Counting;
    use qlik_sense::UserKey;
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicU64, Ordering};

    const TTL: Duration = Duration::from_secs(10);

    /// A proxy service that needs a second, and whose n-th answer lists the sessions 0 to n; the
    /// answers named in `failing` fail.
    fn pair(turns: &Arc<Turns>, failing: &'static [u64]) -> (Arc<Pair>, Arc<AtomicU64>) {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        let ask: Ask = Box::new(move |mut counting| {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if failing.contains(&number) {
                    return Err(QueryError::HttpStatus(500));
                }
                for session in 0..number {
                    counting.add(UserKey { directory: "LAB", id: "anna" }, &session.to_string());
                }
                Ok(counting.finish())
            })
        });
        let (virtual_proxy, record) = (VirtualProxy::default(), Arc::default());
        (Pair::new("site".into(), "proxy".into(), virtual_proxy, turns.clone(), ask, record), asked)
    }

    fn turns(at_once: usize) -> Arc<Turns> {
        Turns::new(NonZeroUsize::new(at_once).unwrap())
    }

    async fn answer(wanted: Wanted) -> Arc<Answer> {
        match wanted {
            Wanted::Kept(answer) => answer,
            Wanted::Coming(mut coming) => coming.wait_for(Option::is_some).await.unwrap().clone().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_at_once_are_one_query() {
        let (tasks, (pair, asked)) = (Tasks::default(), pair(&turns(4), &[]));
        let all = (0..100).map(|_| answer(pair.want(TTL, &Keep::Names, &tasks)));
        for answer in futures::future::join_all(all).await {
            assert_eq!(answer.tally().unwrap().sessions(), 1);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_answer_lives_as_long_as_a_good_one() {
        let (tasks, (pair, asked)) = (Tasks::default(), pair(&turns(4), &[1]));
        assert!(answer(pair.want(TTL, &Keep::Names, &tasks)).await.outcome.is_err());
        tokio::time::advance(TTL).await;
        assert!(matches!(pair.want(TTL, &Keep::Names, &tasks), Wanted::Kept(kept) if kept.outcome.is_err()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(answer(pair.want(TTL, &Keep::Names, &tasks)).await.outcome.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_ttl_an_answer_is_only_for_those_who_wait() {
        let (tasks, (pair, asked)) = (Tasks::default(), pair(&turns(4), &[]));
        answer(pair.want(Duration::ZERO, &Keep::Names, &tasks)).await;
        answer(pair.want(Duration::ZERO, &Keep::Names, &tasks)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_keeps_something_else_is_none() {
        let (tasks, (pair, asked)) = (Tasks::default(), pair(&turns(4), &[]));
        let hashes = Keep::Hashes { exclude: [].into() };
        assert!(answer(pair.want(TTL, &Keep::Names, &tasks)).await.keeps(&Keep::Names));
        let hashed = answer(pair.want(TTL, &hashes, &tasks)).await;
        assert_eq!((hashed.keeps(&hashes), asked.load(Ordering::Relaxed)), (true, 2));
        assert!(matches!(pair.want(TTL, &hashes, &tasks), Wanted::Kept(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_was_sent_goes_on_when_nobody_waits() {
        let (tasks, (pair, asked)) = (Tasks::default(), pair(&turns(4), &[]));
        let wanted = pair.want(TTL, &Keep::Names, &tasks);
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(wanted);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(matches!(pair.want(TTL, &Keep::Names, &tasks), Wanted::Kept(_)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_waits_for_its_turn_is_dropped_with_the_last_who_wanted_it() {
        let (tasks, turns) = (Tasks::default(), turns(1));
        let (pair, asked) = pair(&turns, &[]);
        let held = turns.queue(None).turn().await;
        let wanted = pair.want(TTL, &Keep::Names, &tasks);
        drop(wanted);
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(held);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((asked.load(Ordering::Relaxed), pair.history().counters.queries), (0, 0));
        assert!(
            answer(pair.want(TTL, &Keep::Names, &tasks)).await.outcome.is_ok(),
            "and the next one is asked"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_that_takes_anothers_place_asks_when_the_others_query_has_ended() {
        let (tasks, turns) = (Tasks::default(), turns(4));
        let (old, _) = pair(&turns, &[]);
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        let ask: Ask = Box::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(Counting::default().finish()) })
        });
        let record = old.record().clone();
        let new = Pair::new("site".into(), "proxy".into(), VirtualProxy::default(), turns, ask, record);

        let (first, second) = (old.want(TTL, &Keep::Names, &tasks), new.want(TTL, &Keep::Names, &tasks));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0, "the first query takes a second");
        assert!(answer(first).await.outcome.is_ok() && answer(second).await.outcome.is_ok());
        assert_eq!((asked.load(Ordering::Relaxed), new.history().counters.queries), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_is_the_baseline_and_a_failure_does_not_move_it() {
        let (tasks, (pair, _)) = (Tasks::default(), pair(&turns(4), &[2]));
        for _ in 0..3 {
            answer(pair.want(Duration::ZERO, &Keep::Names, &tasks)).await;
        }
        let counters = pair.history().counters;
        assert_eq!((counters.started, counters.ended), (2, 0));
        assert_eq!(counters.queries, 3);
        assert_eq!(counters.failures[Reason::HttpStatus as usize], 1);
    }
}
