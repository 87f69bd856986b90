//! Lists the sessions again and again in a task of its own, so that keys work while answers are awaited.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::sessions::{Lister, Listing};

/// The refreshing task. Dropping this ends it.
pub struct Refreshing {
    events: mpsc::Receiver<RefreshEvent>,
    mode: watch::Sender<Mode>,
    /// None once its end has been reported.
    task: Option<AbortOnDropHandle<()>>,
}

/// An event of the refreshing task.
pub enum RefreshEvent {
    /// Everything was queried. Late answers are marked as late.
    Complete(Listing),
    /// The last listing, with a late answer that has come.
    LateAnswer(Listing),
    /// The task has failed, and no event follows.
    Failed(JoinError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Refresh,
    Pause,
}

impl Refreshing {
    /// Starts to refresh at once and then each `interval`, or as soon as the last refresh is complete. Answers that take
    /// longer than `patience` are marked as late; without a patience every answer is awaited.
    pub fn start(lister: Lister, interval: Duration, patience: Option<Duration>) -> Self {
        let (sender, events) = mpsc::channel(1);
        let (mode, modes) = watch::channel(Mode::Refresh);
        let task =
            AbortOnDropHandle::new(tokio::spawn(keep_refreshing(lister, interval, patience, sender, modes)));
        Self { events, mode, task: Some(task) }
    }

    /// Returns the next event. Cancel safe.
    pub async fn next(&mut self) -> RefreshEvent {
        if let Some(event) = self.events.recv().await {
            return event;
        }
        if let Some(task) = &mut self.task {
            let ended = task.await;
            self.task = None;
            if let Err(error) = ended {
                return RefreshEvent::Failed(error);
            }
        }
        // The task ends only when this is dropped, or by a failure that has been returned.
        std::future::pending().await
    }

    /// Stops refreshing until [`Self::resume`].
    pub fn pause(&self) {
        self.mode.send_replace(Mode::Pause);
    }

    /// Refreshes at once, unless a refresh is under way.
    pub fn resume(&self) {
        self.mode.send_replace(Mode::Refresh);
    }

    /// Abandons the refresh that is under way and waits for the end of the task.
    pub async fn end(self) {
        if let Some(task) = self.task {
            task.abort();
            // It was cancelled, or its panic has been printed.
            let _ = task.await;
        }
    }
}

/// Refreshes until the receiver of the events is dropped.
async fn keep_refreshing(
    mut lister: Lister,
    interval: Duration,
    patience: Option<Duration>,
    events: mpsc::Sender<RefreshEvent>,
    mut modes: watch::Receiver<Mode>,
) {
    while modes.wait_for(|mode| *mode == Mode::Refresh).await.is_ok() {
        let started = Instant::now();
        let listing = lister.list(patience).await;
        // This refresh also serves requests that came meanwhile.
        modes.mark_unchanged();
        if events.send(RefreshEvent::Complete(listing)).await.is_err() {
            return;
        }
        let mut pause = pin!(sleep(interval.saturating_sub(started.elapsed())));
        loop {
            let listing = tokio::select! {
                () = &mut pause => break,
                _ = modes.changed() => break,
                listing = lister.late(patience) => listing,
            };
            if events.send(RefreshEvent::LateAnswer(listing)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_queried_while_paused() {
        let mut refreshing = Refreshing::start(Lister::of_no_site(), Duration::from_secs(2), None);
        assert!(matches!(refreshing.next().await, RefreshEvent::Complete(_)));
        refreshing.pause();
        assert!(timeout(Duration::from_secs(86_400), refreshing.next()).await.is_err());
        refreshing.resume();
        assert!(matches!(refreshing.next().await, RefreshEvent::Complete(_)));
        refreshing.end().await;
    }

    #[tokio::test]
    async fn a_failed_task_is_reported_once() {
        let (_, events) = mpsc::channel(1);
        let task = tokio::spawn(async { panic!("on purpose") });
        let mut refreshing = Refreshing {
            events,
            mode: watch::channel(Mode::Refresh).0,
            task: Some(AbortOnDropHandle::new(task)),
        };
        assert!(matches!(refreshing.next().await, RefreshEvent::Failed(_)));
        refreshing.end().await;
    }
}
