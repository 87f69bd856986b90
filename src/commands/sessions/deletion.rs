//! Ends sessions: a few at once on each proxy service, each by its id.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use futures::stream::{self, SelectAll, StreamExt};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::reporter::Reporter;
use crate::config::UserLabel;
use crate::exposition::users::Naming;
use crate::sessions::{Cause, Failure, QueriedPair, Session, User};
use qlik_sense::qps::Deletion;
use qlik_sense::{Reason, SessionId, UserKey};

/// A session that is to end. Has no `Debug`: its id is a secret.
#[derive(Clone)]
pub struct SessionToDelete {
    pub pair: Arc<QueriedPair>,
    pub user: User,
    id: String,
}

impl SessionToDelete {
    pub fn new(pair: &Arc<QueriedPair>, session: Session<'_>) -> Self {
        Self { pair: pair.clone(), user: session.user.into(), id: session.session_id.to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same for the same session in another list: where it is, and its id.
    pub fn key(&self) -> ([&str; 3], &str) {
        (self.pair.names(), &self.id)
    }

    async fn end(&self) -> Result<Deletion, Failure> {
        let id = SessionId::parse(&self.id).map_err(Failure::not_sent)?;
        self.pair.delete(id).await
    }
}

/// What became of sessions that were to end, so far.
#[derive(Default)]
pub struct Ended {
    /// Asked for, without an answer yet.
    pub under_way: usize,
    pub tried: Vec<(SessionToDelete, DeleteOutcome)>,
}

/// What became of a session, as it is said: a list tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// By us.
    Ended,
    /// It was gone when we came. A proxy in trouble may say so of all.
    NotFound,
    /// The answer was lost.
    NotKnown,
    Failed,
    /// In a way that it would fail again.
    Refused,
}

/// How many at least get a progress bar.
const MANY: usize = 20;

/// Ends them, as far as `stop` lets it: what is in flight then is waited for. Tells each that fails, and logs what
/// was done by whom; `seen` says what became of them also when it is dropped.
pub async fn end(
    to_delete: &[SessionToDelete],
    stop: &CancellationToken,
    told: &mut Reporter,
    log_as: &LogAs,
    bars: &MultiProgress,
    seen: &mut Ended,
) {
    let progress = progress(to_delete.len(), bars);
    log_as.beginning(to_delete);
    let mut by_service: BTreeMap<usize, Vec<&SessionToDelete>> = BTreeMap::new();
    for one in to_delete {
        by_service.entry(Arc::as_ptr(&one.pair.service).addr()).or_default().push(one);
    }
    // Requests begin and end in one task: nobody looks at both at once.
    let state = RefCell::new((Log::new(log_as), seen));
    let state = &state;
    let begin = move |one| {
        let (log, seen) = &mut *state.borrow_mut();
        seen.under_way += 1;
        log.count(one).not_known += 1;
    };
    let mut answers: SelectAll<_> = by_service
        .into_values()
        .map(|to_delete| {
            let at_once = to_delete.first().map_or(1, |one| one.pair.service.max_requests());
            stream::iter(to_delete)
                .take_while(|_| std::future::ready(!stop.is_cancelled()))
                .map(move |one| async move {
                    begin(one);
                    (one, one.end().await)
                })
                .buffer_unordered(at_once)
                .boxed_local()
        })
        .collect();
    while let Some((one, outcome)) = answers.next().await {
        let (log, seen) = &mut *state.borrow_mut();
        let count = log.count(one);
        seen.under_way -= 1;
        if !outcome.as_ref().is_err_and(|failure| failure.in_doubt) {
            count.not_known -= 1;
        }
        let outcome = match outcome {
            Ok(Deletion::Deleted) => {
                count.ended += 1;
                DeleteOutcome::Ended
            }
            Ok(Deletion::NotFound) => DeleteOutcome::NotFound,
            Err(failure) => {
                let (pair, user) = (&one.pair, one.user.key());
                let what = match failure.in_doubt {
                    true => format!("{pair}: it is not known whether a session of {user} ended"),
                    false => format!("{pair}: a session of {user} did not end"),
                };
                progress.suspend(|| told.failure(&what, &failure));
                match failure.cause {
                    _ if failure.in_doubt => DeleteOutcome::NotKnown,
                    Cause::NotSent | Cause::Query(Reason::Denied) => DeleteOutcome::Refused,
                    _ => DeleteOutcome::Failed,
                }
            }
        };
        seen.tried.push((one.clone(), outcome));
        progress.inc(1);
    }
    progress.finish_and_clear();
}

/// On a terminal only, and only for many.
fn progress(number: usize, bars: &MultiProgress) -> ProgressBar {
    if number < MANY || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bars.add(ProgressBar::new(number as u64));
    // Only a wrong template is an error, and then the usual one does.
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} sessions, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Names in the log.
pub struct LogAs {
    /// Who ends sessions: the operating system's user.
    by: String,
    users: Naming,
}

impl LogAs {
    /// Asks the operating system, which may ask a server for it.
    pub async fn new(label: &UserLabel) -> Self {
        let by = tokio::task::spawn_blocking(|| whoami::username().ok()).await;
        // Not known on every system, as in a container.
        let by = by.ok().flatten().unwrap_or_else(|| "unknown".to_owned());
        Self { by, users: Naming::new(label) }
    }

    /// Before the first request: who ends the program at once ends the log, too.
    fn beginning(&self, to_delete: &[SessionToDelete]) {
        let mut places: BTreeMap<_, usize> = BTreeMap::new();
        to_delete.iter().for_each(|one| *places.entry(one.pair.names()).or_default() += 1);
        let by = &self.by;
        for ([site, proxy, virtual_proxy], sessions) in places {
            info!(by, site, proxy, virtual_proxy, sessions, "deletion sessions");
        }
    }

    /// Takes back what the log says of them.
    pub fn still_listed(&self, sessions: &[&SessionToDelete]) {
        let mut named: BTreeMap<_, usize> = BTreeMap::new();
        for one in sessions {
            *named.entry((one.pair.names(), self.users.name(one.user.key()))).or_default() += 1;
        }
        let (by, told) = (&self.by, "the proxy service says that it ended sessions, and still lists them");
        for (([site, proxy, virtual_proxy], (user_directory, user_id)), sessions) in named {
            let (user_directory, user_id) = (user_directory.as_deref(), user_id.as_deref());
            warn!(by, site, proxy, virtual_proxy, user_directory, user_id, sessions, "{told}");
        }
    }
}

/// Who ended how many sessions of whom, and where. No ids.
struct Log<'d> {
    log_as: &'d LogAs,
    counts: BTreeMap<([&'d str; 3], UserKey<'d>), Count>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    ended: usize,
    /// Without an answer that tells.
    not_known: usize,
}

impl<'d> Log<'d> {
    fn new(log_as: &'d LogAs) -> Self {
        Self { log_as, counts: BTreeMap::new() }
    }

    fn count(&mut self, one: &'d SessionToDelete) -> &mut Count {
        self.counts.entry((one.pair.names(), one.user.key())).or_default()
    }
}

/// However it ends, what was done is told.
impl Drop for Log<'_> {
    fn drop(&mut self) {
        let LogAs { by, users } = self.log_as;
        let mut named: BTreeMap<_, Count> = BTreeMap::new();
        for ((place, user), Count { ended, not_known }) in std::mem::take(&mut self.counts) {
            let sum = named.entry((place, users.name(user))).or_default();
            sum.ended += ended;
            sum.not_known += not_known;
        }
        for (([site, proxy, virtual_proxy], (user_directory, user_id)), count) in named {
            let (user_directory, user_id) = (user_directory.as_deref(), user_id.as_deref());
            let Count { ended, not_known } = count;
            if ended > 0 {
                let sessions = ended;
                info!(by, site, proxy, virtual_proxy, user_directory, user_id, sessions, "ended sessions");
            }
            if not_known > 0 {
                let (sessions, told) = (not_known, "tried to end sessions: not known whether they ended");
                warn!(by, site, proxy, virtual_proxy, user_directory, user_id, sessions, "{told}");
            }
        }
    }
}
