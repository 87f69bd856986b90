//! A semaphore whose waiters are ordered: who may send a request, and who may encode an exposition.
//!
//! It is our own: Tokio's semaphore has no priorities, and priority-semaphore (the nearest crate) takes integers only,
//! joins the queue at the first poll instead of at the call, and cannot be resized.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Bounds how much is done at once. A free permit goes to the waiter with the smallest key, and among equal keys
/// to the one that came first. Clones share the permits.
#[derive(Debug, Clone)]
pub struct PrioritySemaphore<K: Ord + Copy>(Arc<Mutex<State<K>>>);

#[derive(Debug)]
struct State<K: Ord + Copy> {
    permits: usize,
    /// More than `permits` after a resize to fewer, until enough are dropped.
    granted: usize,
    waiting: BTreeMap<Ticket<K>, oneshot::Sender<Permit<K>>>,
    arrivals: u64,
}

/// Orders the waiters: by key, then by arrival.
type Ticket<K> = (K, u64);

/// A place in the queue, which resolves to the [`Permit`]. Dropping it leaves the queue.
#[derive(Debug)]
#[must_use = "the permit comes when this is awaited, and the queue is left when it is dropped"]
pub struct Acquire<K: Ord + Copy> {
    semaphore: PrioritySemaphore<K>,
    ticket: Ticket<K>,
    /// Holds the permit between the grant and the next poll, and drops it when this is dropped before.
    granted: oneshot::Receiver<Permit<K>>,
}

/// The right to do one of the bounded things. Dropping it grants the next waiter.
#[derive(Debug)]
#[must_use = "a permit that is dropped bounds nothing"]
pub struct Permit<K: Ord + Copy>(PrioritySemaphore<K>);

impl<K: Ord + Copy> PrioritySemaphore<K> {
    /// Creates a semaphore with so many free permits.
    pub fn new(permits: NonZeroUsize) -> Self {
        let state = State { permits: permits.get(), granted: 0, waiting: BTreeMap::new(), arrivals: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes the number of permits. Those already granted stay valid.
    pub fn resize(&self, permits: NonZeroUsize) {
        self.0.lock().permits = permits.get();
        self.grant();
    }

    /// Joins the queue at the call, not at the first poll: the order among equal keys is that of the calls.
    pub fn acquire(&self, key: K) -> Acquire<K> {
        let (sender, granted) = oneshot::channel();
        let mut state = self.0.lock();
        state.arrivals += 1;
        let ticket = (key, state.arrivals);
        state.waiting.insert(ticket, sender);
        drop(state);
        self.grant();
        Acquire { semaphore: self.clone(), ticket, granted }
    }

    /// Hands the free permits to the first in the queue.
    fn grant(&self) {
        // The lock is free again before a permit is sent: one that cannot be delivered, because its waiter left in
        // this moment, is dropped here, and dropping takes the lock.
        while let Some(next) = self.next() {
            let _ = next.send(Permit(self.clone()));
        }
    }

    /// Takes the first waiter out of the queue and counts its permit, when one is free.
    fn next(&self) -> Option<oneshot::Sender<Permit<K>>> {
        let mut state = self.0.lock();
        if state.granted >= state.permits {
            return None;
        }
        let (_, next) = state.waiting.pop_first()?;
        state.granted += 1;
        Some(next)
    }
}

impl<K: Ord + Copy + Unpin> Future for Acquire<K> {
    type Output = Permit<K>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit<K>> {
        match Pin::new(&mut self.granted).poll(context) {
            Poll::Ready(Ok(permit)) => Poll::Ready(permit),
            // The queue keeps the sender until it sends, so that an error cannot happen.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<K: Ord + Copy> Drop for Acquire<K> {
    fn drop(&mut self) {
        self.semaphore.0.lock().waiting.remove(&self.ticket);
    }
}

impl<K: Ord + Copy> Permit<K> {
    /// Returns whether another one waits for a permit of the same semaphore.
    pub fn has_waiters(&self) -> bool {
        !self.0.0.lock().waiting.is_empty()
    }
}

impl<K: Ord + Copy> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.granted = state.granted.saturating_sub(1);
        drop(state);
        self.0.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::time::{Duration, Instant};

    use futures::FutureExt;

    use super::*;

    fn semaphore<K: Ord + Copy>(permits: usize) -> PrioritySemaphore<K> {
        PrioritySemaphore::new(NonZeroUsize::new(permits).unwrap())
    }

    fn is_granted<K: Ord + Copy + Unpin>(acquire: &mut Acquire<K>) -> bool {
        acquire.now_or_never().is_some()
    }

    #[test]
    fn no_more_permits_are_granted_than_there_are() {
        let semaphore = semaphore(2);
        let first = semaphore.acquire(0).now_or_never().unwrap();
        let _second = semaphore.acquire(0).now_or_never().unwrap();
        let mut third = semaphore.acquire(0);
        assert!(!is_granted(&mut third));
        drop(first);
        assert!(is_granted(&mut third));
    }

    #[test]
    fn more_permits_are_granted_at_once_and_fewer_as_they_come_back() {
        let semaphore = semaphore(1);
        let first = semaphore.acquire(0).now_or_never().unwrap();
        let mut second = semaphore.acquire(0);
        assert!((&mut second).now_or_never().is_none());
        semaphore.resize(NonZeroUsize::new(2).unwrap());
        let second = second.now_or_never().unwrap();
        semaphore.resize(NonZeroUsize::MIN);
        drop(first);
        let mut third = semaphore.acquire(0);
        assert!(!is_granted(&mut third), "one is still out");
        drop(second);
        assert!(is_granted(&mut third));
    }

    #[test]
    fn a_resize_grants_the_first_in_the_queue() {
        let semaphore = semaphore(1);
        let _held = semaphore.acquire(0).now_or_never().unwrap();
        let mut waiting = [3, 2, 1].map(|key| semaphore.acquire(key));
        semaphore.resize(NonZeroUsize::new(3).unwrap());
        let granted = waiting.each_mut().map(|acquire| acquire.now_or_never());
        assert_eq!(granted.each_ref().map(Option::is_some), [false, true, true]);
    }

    #[test]
    fn the_oldest_answer_goes_first_and_none_before_all() {
        let semaphore = semaphore(1);
        let now = Instant::now();
        let held = semaphore.acquire(None).now_or_never().unwrap();
        let ages = [Some(now + Duration::from_secs(5)), Some(now), None];
        let mut waiting = ages.map(|age| semaphore.acquire(age));
        assert!(!waiting.iter_mut().any(is_granted));
        drop(held);
        for expected in [2, 1, 0] {
            assert!(is_granted(&mut waiting[expected]), "waiter {expected} is next");
        }
    }

    #[test]
    fn the_newest_arrival_goes_first_when_the_key_is_reversed() {
        let semaphore = semaphore(1);
        let held = semaphore.acquire(Reverse(0)).now_or_never().unwrap();
        let (mut first, second) = (semaphore.acquire(Reverse(1)), semaphore.acquire(Reverse(2)));
        drop(held);
        assert!(!is_granted(&mut first));
        drop(second);
        assert!(is_granted(&mut first));
    }

    #[test]
    fn among_equal_keys_the_first_call_goes_first_whoever_is_polled_first() {
        let semaphore = semaphore(1);
        let held = semaphore.acquire(0).now_or_never().unwrap();
        let (mut first, mut second) = (semaphore.acquire(0), semaphore.acquire(0));
        assert!(!is_granted(&mut second));
        drop(held);
        assert!(!is_granted(&mut second));
        assert!(is_granted(&mut first));
    }

    #[test]
    fn a_permit_knows_whether_others_wait() {
        let semaphore = semaphore(1);
        let held = semaphore.acquire(0).now_or_never().unwrap();
        assert!(!held.has_waiters());
        let (first, second) = (semaphore.acquire(0), semaphore.acquire(0));
        assert!(held.has_waiters());
        drop(held);
        let held = first.now_or_never().unwrap();
        assert!(held.has_waiters());
        drop(second);
        assert!(!held.has_waiters());
    }

    #[test]
    fn leaving_the_queue_loses_no_permit() {
        let semaphore = semaphore(1);
        let held = semaphore.acquire(0).now_or_never().unwrap();
        drop(semaphore.acquire(0));
        assert!(!held.has_waiters());
        let mut granted = semaphore.acquire(0);
        assert!(!is_granted(&mut granted));
        drop(held);
        // Granted, and dropped before the next poll.
        drop(granted);
        assert!(semaphore.acquire(0).now_or_never().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_permit_is_lost_when_many_leave_while_others_return_theirs() {
        let semaphore = semaphore(2);
        let tasks = (0..4).map(|key| {
            let semaphore = semaphore.clone();
            tokio::spawn(async move {
                for _ in 0..2_000 {
                    let left = semaphore.acquire(key);
                    let permit = semaphore.acquire(key);
                    tokio::task::yield_now().await;
                    drop(left);
                    drop(permit.await);
                }
            })
        });
        for task in futures::future::join_all(tasks).await {
            task.unwrap();
        }
        let all = (semaphore.acquire(0).now_or_never(), semaphore.acquire(0).now_or_never());
        assert!(all.0.is_some() && all.1.is_some() && semaphore.acquire(0).now_or_never().is_none());
    }
}
