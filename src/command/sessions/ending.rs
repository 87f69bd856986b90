//! Ends sessions: a few at once on each proxy service, each by its id.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use futures::stream::{self, SelectAll, StreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::qlik::qps::Deletion;
use crate::qlik::{SessionId, UserKey};
use crate::sessions::{Failure, Pair, Session, User};
use crate::terminal::escaped;

/// A session that is to end. Has no `Debug`: its id is a secret.
pub struct Doomed {
    pub pair: Arc<Pair>,
    pub user: User,
    id: String,
}

impl Doomed {
    pub fn new(pair: &Arc<Pair>, session: Session<'_>) -> Self {
        let UserKey { directory, id } = session.user;
        let user = User { directory: directory.to_owned(), id: id.to_owned() };
        Self { pair: pair.clone(), user, id: session.session_id.to_owned() }
    }

    async fn end(&self) -> Result<Deletion, Failure> {
        let id = SessionId::parse(&self.id).map_err(Failure::not_asked)?;
        self.pair.service.delete(&self.pair.virtual_proxy, id).await.outcome
    }
}

/// What became of sessions that were to end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// By us.
    pub ended: usize,
    /// Gone when we came.
    pub already_gone: usize,
    pub failed: usize,
}

/// How many at least get a progress bar.
const MANY: usize = 20;

/// Ends them, as far as `stop` lets it: what is in flight then is waited for. Tells each that does not just
/// end, and logs what was done by whom.
pub async fn end(doomed: &[Doomed], stop: &CancellationToken) -> Ended {
    let progress = progress(doomed.len());
    let mut by_service: BTreeMap<usize, Vec<&Doomed>> = BTreeMap::new();
    for one in doomed {
        by_service.entry(Arc::as_ptr(&one.pair.service).addr()).or_default().push(one);
    }
    let mut answers: SelectAll<_> = by_service
        .into_values()
        .map(|doomed| {
            let at_once = doomed.first().map_or(1, |one| one.pair.service.at_once());
            stream::iter(doomed)
                .take_while(|_| std::future::ready(!stop.is_cancelled()))
                .map(|one| async move { (one, one.end().await) })
                .buffer_unordered(at_once)
                .boxed_local()
        })
        .collect();
    let mut sum = Ended::default();
    let mut log = Log::default();
    while let Some((one, outcome)) = answers.next().await {
        let told = match outcome {
            Ok(Deletion::Deleted) => {
                sum.ended += 1;
                log.add(one);
                None
            }
            Ok(Deletion::AlreadyGone) => {
                sum.already_gone += 1;
                Some(format!("{}: a session of {} was already gone", one.pair, shown(&one.user)))
            }
            Err(failure) => {
                sum.failed += 1;
                let Failure { message, .. } = failure;
                Some(format!("error: {}: a session of {} did not end: {message}", one.pair, shown(&one.user)))
            }
        };
        progress.inc(1);
        if let Some(told) = told {
            progress.suspend(|| eprintln!("{}", escaped(&told)));
        }
    }
    progress.finish_and_clear();
    sum
}

/// A user as people write one.
pub fn shown(user: &User) -> String {
    format!("{}\\{}", user.directory, user.id)
}

/// On a terminal only, and only for many.
fn progress(number: usize) -> ProgressBar {
    if number < MANY || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(number as u64), ProgressDrawTarget::stderr());
    // Only a wrong template is an error, and then the usual one does.
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} sessions, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Who ended how many sessions of whom, and where. No ids.
#[derive(Default)]
struct Log<'d>(BTreeMap<[&'d str; 5], usize>);

impl<'d> Log<'d> {
    fn add(&mut self, one: &'d Doomed) {
        let Pair { site, proxy, virtual_proxy, .. } = &*one.pair;
        let key = [site, &*proxy.name, virtual_proxy.path(), &*one.user.directory, &*one.user.id];
        *self.0.entry(key).or_default() += 1;
    }
}

/// However it ends, what was done is told.
impl Drop for Log<'_> {
    fn drop(&mut self) {
        // Not known on every system, as in a container.
        let by = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        for (key, sessions) in &self.0 {
            let [site, proxy, virtual_proxy, user_directory, user_id] = key;
            info!(by, site, proxy, virtual_proxy, user_directory, user_id, sessions, "ended sessions");
        }
    }
}
