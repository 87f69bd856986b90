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
    at_once: usize,
    /// More than `at_once` when that was made smaller.
    taken: usize,
    /// Sorted by the time of the pair's last answer (none yet: first), then by arrival.
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
    arrivals: u64,
}

type Ticket = (Option<Instant>, u64);

/// A place in the queue, left when dropped.
#[derive(Debug)]
pub struct Place {
    turns: Arc<Turns>,
    ticket: Ticket,
    called: oneshot::Receiver<()>,
    used: bool,
}

/// The right to have one request in flight. Dropping it gives it to the next in the queue.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
}

impl Turns {
    /// `at_once`: how many requests may be in flight.
    pub fn new(at_once: NonZeroUsize) -> Arc<Self> {
        let queue = Queue { at_once: at_once.get(), taken: 0, waiting: BTreeMap::new(), arrivals: 0 };
        Arc::new(Self { queue: Mutex::new(queue) })
    }

    /// From now on so many. Those that are in flight already stay.
    pub fn resize(&self, at_once: NonZeroUsize) {
        let mut queue = self.queue.lock();
        queue.at_once = at_once.get();
        queue.call();
    }

    /// Takes a place in the queue, at once: who comes first is first among those of one age.
    pub fn queue(self: &Arc<Self>, last_answer: Option<Instant>) -> Place {
        let (sender, called) = oneshot::channel();
        let mut queue = self.queue.lock();
        queue.arrivals += 1;
        let ticket = (last_answer, queue.arrivals);
        queue.waiting.insert(ticket, sender);
        queue.call();
        drop(queue);
        Place { turns: self.clone(), ticket, called, used: false }
    }
}

impl Queue {
    /// Calls as many as there is room for.
    fn call(&mut self) {
        while self.taken < self.at_once
            && let Some((_, next)) = self.waiting.pop_first()
        {
            // Who has left took the sender out of the queue: this reaches somebody.
            self.taken += usize::from(next.send(()).is_ok());
        }
    }

    fn give_on(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        self.call();
    }
}

impl Place {
    /// Waits until it is this place's turn. Dropping the future leaves the queue.
    pub async fn turn(mut self) -> Turn {
        // Cannot fail: the queue holds the sender until it sends.
        let _ = (&mut self.called).await;
        self.used = true;
        Turn { turns: self.turns.clone() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.queue.lock().give_on();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.turns.queue.lock();
        let called_unheard = !self.used && queue.waiting.remove(&self.ticket).is_none();
        if called_unheard {
            queue.give_on();
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
        let first = turns.queue(None).turn().await;
        let _second = turns.queue(None).turn().await;
        let mut third = Box::pin(turns.queue(None).turn());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_is_allowed_can_change() {
        let turns = turns(1);
        let first = turns.queue(None).turn().await;
        let mut second = Box::pin(turns.queue(None).turn());
        assert!(second.as_mut().now_or_never().is_none());
        turns.resize(NonZeroUsize::new(2).unwrap());
        let second = second.as_mut().now_or_never().unwrap();
        turns.resize(NonZeroUsize::MIN);
        drop(first);
        let mut third = Box::pin(turns.queue(None).turn());
        assert!(third.as_mut().now_or_never().is_none(), "one is in flight still");
        drop(second);
        assert!(third.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_oldest_answer_goes_first_and_none_before_all() {
        let turns = turns(1);
        let now = Instant::now();
        let held = turns.queue(None).turn().await;
        let mut waiting: Vec<_> = [Some(now), Some(now - Duration::from_secs(5)), None]
            .into_iter()
            .map(|age| Box::pin(turns.queue(age).turn()))
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
        let held = turns.queue(None).turn().await;
        let mut waiting = Box::pin(turns.queue(None).turn());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        let mut called = Box::pin(turns.queue(None).turn());
        assert!(called.as_mut().now_or_never().is_none());
        drop(held);
        // Called, but gone before it heard of it.
        drop(called);
        assert!(turns.queue(None).turn().now_or_never().is_some());
    }
}
