//! Deletes sessions by their ids, a few at the same time on each proxy service.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use futures::stream::{self, SelectAll, StreamExt};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::deletion_log::{DeletionLog, LogNames};
use super::reporter::Reporter;
use crate::sessions::{Cause, Failure, QueriedPair, Session, User};
use qlik_sense::qps::Deletion;
use qlik_sense::{Reason, SessionId};

/// A session chosen for deletion. Has no `Debug`: its id is a secret.
#[derive(Clone)]
pub struct SessionToDelete {
    pub pair: Arc<QueriedPair>,
    pub user: User,
    id: String,
}

/// Identifies a session in every listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey<'a> {
    /// Site, proxy service and virtual proxy.
    pub pair: [&'a str; 3],
    pub id: &'a str,
}

impl SessionToDelete {
    pub fn new(pair: &Arc<QueriedPair>, session: Session<'_>) -> Self {
        Self { pair: pair.clone(), user: session.user.into(), id: session.session_id.to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn key(&self) -> SessionKey<'_> {
        SessionKey { pair: self.pair.names(), id: &self.id }
    }

    async fn delete(&self) -> Result<Deletion, Failure> {
        let id = SessionId::parse(&self.id).map_err(Failure::not_sent)?;
        self.pair.delete(id).await
    }
}

/// What has been done so far.
#[derive(Default)]
pub struct DeleteProgress {
    /// Requests that have no answer yet.
    pub in_flight: usize,
    pub attempts: Vec<Attempt>,
}

/// A session whose deletion was requested, and the answer.
pub struct Attempt {
    pub session: SessionToDelete,
    pub outcome: DeleteOutcome,
}

/// What the answer to a DELETE means. Only a new listing is certain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    Deleted,
    /// Status 404. A proxy service in trouble may answer so for every session.
    NotFound,
    /// The answer was lost.
    Unknown,
    Failed,
    /// Failed for a reason that another attempt would meet again.
    Refused,
}

/// The number of sessions from which on a progress bar is shown.
const MANY: usize = 20;

/// Deletes sessions until all are deleted or `stop` is cancelled, and then waits for the requests in flight. Reports
/// each failure and logs who deleted what. `progress` is also right when the future is dropped.
pub async fn delete(
    sessions: &[SessionToDelete],
    stop: &CancellationToken,
    reporter: &mut Reporter,
    names: &LogNames,
    bars: &MultiProgress,
    progress: &mut DeleteProgress,
) {
    let bar = progress_bar(sessions.len(), bars);
    names.log_start(sessions);
    let mut by_service: BTreeMap<usize, Vec<&SessionToDelete>> = BTreeMap::new();
    for session in sessions {
        by_service.entry(Arc::as_ptr(&session.pair.service).addr()).or_default().push(session);
    }
    // All requests begin and end in this task: it is never borrowed twice.
    let tracker = &RefCell::new(Tracker { log: DeletionLog::new(names), progress });
    let mut answers = SelectAll::new();
    for sessions in by_service.into_values() {
        let at_once = sessions.first().map_or(1, |session| session.pair.service.max_requests());
        let requests = stream::iter(sessions)
            .take_while(|_| std::future::ready(!stop.is_cancelled()))
            .map(|session| request(session, tracker))
            .buffer_unordered(at_once);
        answers.push(requests.boxed_local());
    }
    while let Some(answer) = answers.next().await {
        tracker.borrow_mut().complete(&answer);
        if let Err(failure) = &answer.result {
            let what = describe_failure(answer.session, failure);
            bar.suspend(|| reporter.failure(&what, failure));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
}

/// The answer to one request.
struct Answer<'d> {
    session: &'d SessionToDelete,
    result: Result<Deletion, Failure>,
}

async fn request<'d>(session: &'d SessionToDelete, tracker: &RefCell<Tracker<'d, '_>>) -> Answer<'d> {
    tracker.borrow_mut().begin(session);
    Answer { session, result: session.delete().await }
}

/// Counts requests where they begin and end, for the log and for the caller.
struct Tracker<'d, 'p> {
    log: DeletionLog<'d>,
    progress: &'p mut DeleteProgress,
}

impl<'d> Tracker<'d, '_> {
    fn begin(&mut self, session: &'d SessionToDelete) {
        self.progress.in_flight += 1;
        self.log.count(session).unknown += 1;
    }

    fn complete(&mut self, answer: &Answer<'d>) {
        let outcome = outcome(&answer.result);
        let count = self.log.count(answer.session);
        if outcome != DeleteOutcome::Unknown {
            count.unknown -= 1;
        }
        if outcome == DeleteOutcome::Deleted {
            count.deleted += 1;
        }
        self.progress.in_flight -= 1;
        self.progress.attempts.push(Attempt { session: answer.session.clone(), outcome });
    }
}

fn outcome(result: &Result<Deletion, Failure>) -> DeleteOutcome {
    match result {
        Ok(Deletion::Deleted) => DeleteOutcome::Deleted,
        Ok(Deletion::NotFound) => DeleteOutcome::NotFound,
        Err(failure) if failure.in_doubt => DeleteOutcome::Unknown,
        Err(failure) => match failure.cause {
            Cause::NotSent | Cause::Query(Reason::Denied) => DeleteOutcome::Refused,
            _ => DeleteOutcome::Failed,
        },
    }
}

fn describe_failure(session: &SessionToDelete, failure: &Failure) -> String {
    let (pair, user) = (&session.pair, session.user.key());
    match failure.in_doubt {
        true => format!("{pair}: unknown whether a session of {user} was deleted"),
        false => format!("{pair}: a session of {user} was not deleted"),
    }
}

/// Returns a bar that is visible only on a terminal, and only for many sessions.
fn progress_bar(number: usize, bars: &MultiProgress) -> ProgressBar {
    if number < MANY || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bars.add(ProgressBar::new(number as u64));
    // Only an invalid template is an error, and then the default style serves.
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} sessions, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
