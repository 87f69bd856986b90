//! Asks again and again, in a task of its own: however long an answer takes, the keys work.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::sessions::{Asker, Roster};

/// After so long without an answer it is told that there is none yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// The task that asks. It ends with this.
pub struct Asking {
    news: mpsc::Receiver<News>,
    wish: watch::Sender<Wish>,
    /// Until somebody has seen its end.
    task: Option<AbortOnDropHandle<()>>,
}

/// Something to be told.
pub enum News {
    /// Everybody has answered, or failed to.
    Answer(Roster),
    /// An answer is late.
    Waiting,
    /// The task has failed: nothing comes any more.
    Failed(JoinError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Ask,
    Pause,
}

impl Asking {
    /// Asks at once, and again each `interval`, or as soon as the last answer has come.
    pub fn begin(asker: Asker, interval: Duration) -> Self {
        let (sender, news) = mpsc::channel(1);
        let (wish, wishes) = watch::channel(Wish::Ask);
        let task = AbortOnDropHandle::new(tokio::spawn(keep_asking(asker, interval, sender, wishes)));
        Self { news, wish, task: Some(task) }
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
        self.wish.send_replace(Wish::Pause);
    }

    /// Asks at once, unless an answer is on its way.
    pub fn go_on(&self) {
        self.wish.send_replace(Wish::Ask);
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
async fn keep_asking(
    mut asker: Asker,
    interval: Duration,
    news: mpsc::Sender<News>,
    mut wishes: watch::Receiver<Wish>,
) {
    while wishes.wait_for(|wish| *wish == Wish::Ask).await.is_ok() {
        let begun = Instant::now();
        let roster = {
            let mut answer = pin!(asker.ask());
            match timeout(PATIENCE, &mut answer).await {
                Ok(roster) => roster,
                Err(_) => {
                    let _ = news.send(News::Waiting).await;
                    answer.await
                }
            }
        };
        // A wish to ask that came meanwhile is fulfilled.
        wishes.mark_unchanged();
        if news.send(News::Answer(roster)).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(interval.saturating_sub(begun.elapsed())) => {}
            _ = wishes.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_has_failed_is_told_and_ended_once() {
        let (_, news) = mpsc::channel(1);
        let task = tokio::spawn(async { panic!("on purpose") });
        let mut asking =
            Asking { news, wish: watch::channel(Wish::Ask).0, task: Some(AbortOnDropHandle::new(task)) };
        assert!(matches!(asking.next().await, News::Failed(_)));
        asking.end().await;
    }
}
