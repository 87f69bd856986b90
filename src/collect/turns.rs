//! Who is asked next: a few requests at once on one proxy service, the oldest answer first.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The turns of one proxy service.
#[derive(Debug)]
pub struct Turns {
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// Sorted by the time of the pair's last answer (none yet: first), then by arrival.
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
    arrivals: u64,
}

type Ticket = (Option<Instant>, u64);

/// The right to have one request in flight. Dropping it gives it to the next in the queue.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
}

impl Turns {
    /// `at_once`: how many requests may be in flight.
    pub fn new(at_once: NonZeroUsize) -> Arc<Self> {
        let queue = Queue { free: at_once.get(), waiting: BTreeMap::new(), arrivals: 0 };
        Arc::new(Self { queue: Mutex::new(queue) })
    }

    /// Waits for a turn. Dropping the future leaves the queue.
    pub async fn take(self: &Arc<Self>, last_answer: Option<Instant>) -> Turn {
        let turn = |turns: &Arc<Self>| Turn { turns: turns.clone() };
        let (sender, called) = oneshot::channel();
        // Dropped before `called`: what is sent is either received or given on.
        let mut place = {
            let mut queue = self.queue.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return turn(self);
            }
            queue.arrivals += 1;
            let ticket = (last_answer, queue.arrivals);
            queue.waiting.insert(ticket, sender);
            Place { turns: self, ticket, called: false }
        };
        // Cannot fail: the queue holds the sender until it sends.
        let _ = called.await;
        place.called = true;
        turn(self)
    }

    fn give_on(&self) {
        let mut queue = self.queue.lock();
        while let Some((_, next)) = queue.waiting.pop_first() {
            if next.send(()).is_ok() {
                return;
            }
        }
        queue.free += 1;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_on();
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    turns: &'a Turns,
    ticket: Ticket,
    called: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let called_unheard = !self.called && self.turns.queue.lock().waiting.remove(&self.ticket).is_none();
        if called_unheard {
            self.turns.give_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    fn turns(at_once: usize) -> Arc<Turns> {
        Turns::new(NonZeroUsize::new(at_once).unwrap())
    }

    #[tokio::test]
    async fn no_more_than_allowed_are_given_at_once() {
        let turns = turns(2);
        let first = turns.take(None).await;
        let _second = turns.take(None).await;
        let mut third = Box::pin(turns.take(None));
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_oldest_answer_goes_first_and_none_before_all() {
        let turns = turns(1);
        let now = Instant::now();
        let held = turns.take(None).await;
        let mut waiting: Vec<_> = [Some(now), Some(now - Duration::from_secs(5)), None]
            .into_iter()
            .map(|age| Box::pin(turns.take(age)))
            .collect();
        for future in &mut waiting {
            assert!(future.as_mut().now_or_never().is_none());
        }
        drop(held);
        for expected in [2, 1, 0] {
            let turn = waiting[expected].as_mut().now_or_never();
            assert!(turn.is_some(), "place {expected} is next");
        }
    }

    #[tokio::test]
    async fn who_leaves_the_queue_takes_no_turn_along() {
        let turns = turns(1);
        let held = turns.take(None).await;
        let mut waiting = Box::pin(turns.take(None));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        let mut called = Box::pin(turns.take(None));
        assert!(called.as_mut().now_or_never().is_none());
        drop(held);
        // Called, but gone before it heard of it.
        drop(called);
        assert!(turns.take(None).now_or_never().is_some());
    }
}
