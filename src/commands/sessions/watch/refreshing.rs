//! Asks again and again, in a task of its own: however long an answer takes, the keys work.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::sessions::{Lister, Listing};

/// The task that asks. It ends with this.
pub struct Refreshing {
    news: mpsc::Receiver<News>,
    mode: watch::Sender<Mode>,
    /// Until somebody has seen its end.
    task: Option<AbortOnDropHandle<()>>,
}

/// Something to be told.
pub enum News {
    /// Everybody was asked again. Who is late is told as that.
    Answer(Listing),
    /// The one before once more: somebody has answered who was late.
    Late(Listing),
    /// The task has failed: nothing comes any more.
    Failed(JoinError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Ask,
    Pause,
}

impl Refreshing {
    /// Asks at once, and again each `interval`, or as soon as the last answer has come. Who has not answered after
    /// `patience` is not waited for; without one, everybody is.
    pub fn begin(lister: Lister, interval: Duration, patience: Option<Duration>) -> Self {
        let (sender, news) = mpsc::channel(1);
        let (mode, modes) = watch::channel(Mode::Ask);
        let task =
            AbortOnDropHandle::new(tokio::spawn(keep_refreshing(lister, interval, patience, sender, modes)));
        Self { news, mode, task: Some(task) }
    }

    /// What is to be told next. Safe to drop.
    pub async fn next(&mut self) -> News {
        if let Some(news) = self.news.recv().await {
            return news;
        }
        if let Some(task) = &mut self.task {
            let ended = task.await;
            self.task = None;
            if let Err(error) = ended {
                return News::Failed(error);
            }
        }
        // It ends only when nobody listens, or has told already.
        std::future::pending().await
    }

    /// Nobody is asked again until [`Self::go_on`].
    pub fn pause(&self) {
        self.mode.send_replace(Mode::Pause);
    }

    /// Asks at once, unless an answer is on its way.
    pub fn go_on(&self) {
        self.mode.send_replace(Mode::Ask);
    }

    /// Drops what is on its way and waits for the end.
    pub async fn end(self) {
        if let Some(task) = self.task {
            task.abort();
            // It was cancelled, or it has told in its own way why it ended.
            let _ = task.await;
        }
    }
}

/// Ends when nobody listens any more.
async fn keep_refreshing(
    mut lister: Lister,
    interval: Duration,
    patience: Option<Duration>,
    news: mpsc::Sender<News>,
    mut modes: watch::Receiver<Mode>,
) {
    while modes.wait_for(|mode| *mode == Mode::Ask).await.is_ok() {
        let begun = Instant::now();
        let listing = lister.list(patience).await;
        // A wish to ask that came meanwhile is fulfilled.
        modes.mark_unchanged();
        if news.send(News::Answer(listing)).await.is_err() {
            return;
        }
        let mut pause = pin!(sleep(interval.saturating_sub(begun.elapsed())));
        loop {
            let late = tokio::select! {
                () = &mut pause => break,
                _ = modes.changed() => break,
                late = lister.late(patience) => late,
            };
            if news.send(News::Late(late)).await.is_err() {
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
    async fn a_pause_asks_nobody_until_it_ends() {
        let mut refreshing = Refreshing::begin(Lister::of_no_site(), Duration::from_secs(2), None);
        assert!(matches!(refreshing.next().await, News::Answer(_)));
        refreshing.pause();
        assert!(timeout(Duration::from_secs(86_400), refreshing.next()).await.is_err());
        refreshing.go_on();
        assert!(matches!(refreshing.next().await, News::Answer(_)));
        refreshing.end().await;
    }

    #[tokio::test]
    async fn a_task_that_has_failed_is_told_and_ended_once() {
        let (_, news) = mpsc::channel(1);
        let task = tokio::spawn(async { panic!("on purpose") });
        let mut refreshing =
            Refreshing { news, mode: watch::channel(Mode::Ask).0, task: Some(AbortOnDropHandle::new(task)) };
        assert!(matches!(refreshing.next().await, News::Failed(_)));
        refreshing.end().await;
    }
}
