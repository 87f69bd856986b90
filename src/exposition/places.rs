//! A few places for many who want one: whoever came last gets the next that is free.
//!
//! Under a crowd, those who have waited longest are those who will not wait any more; and whoever reads slowly
//! on purpose came before the scraper that matters.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: Vec<oneshot::Sender<Place>>,
}

/// Dropping it gives it on.
#[derive(Debug)]
pub(super) struct Place(Places);

impl Places {
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: places, waiting: Vec::new() })))
    }

    /// Waits for a place. Dropping the future leaves the queue.
    pub async fn take(&self) -> Place {
        let coming = {
            let mut state = self.0.lock();
            if state.free > 0 {
                state.free -= 1;
                return Place(self.clone());
            }
            let (sender, coming) = oneshot::channel();
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.waiting.push(sender);
            coming
        };
        match coming.await {
            Ok(place) => place,
            // Cannot happen: a sender is kept until it has sent, or until nobody waits for it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Place {
    /// Whether somebody waits for a place.
    pub fn is_wanted(&self) -> bool {
        self.0.0.lock().waiting.iter().any(|waiting| !waiting.is_closed())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        while let Some(next) = state.waiting.pop() {
            if !next.is_closed() {
                drop(state);
                // Gone in this very moment: the place comes back, is dropped and so given on.
                let _ = next.send(Self(self.0.clone()));
                return;
            }
        }
        state.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_came_last_is_next() {
        let places = Places::new(1);
        let held = places.take().await;
        let (mut first, mut second) = (Box::pin(places.take()), Box::pin(places.take()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(first.as_mut().now_or_never().is_none());
        let held = second.now_or_never().unwrap();
        assert!(held.is_wanted());
        drop(held);
        assert!(!first.now_or_never().unwrap().is_wanted());
    }

    #[tokio::test]
    async fn whoever_goes_takes_no_place_along() {
        let places = Places::new(1);
        let held = places.take().await;
        let mut waiting = Box::pin(places.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        assert!(!held.is_wanted());
        let mut called = Box::pin(places.take());
        assert!(called.as_mut().now_or_never().is_none());
        drop(held);
        // It was given the place and has not heard of it.
        drop(called);
        assert!(places.take().now_or_never().is_some());
    }
}
