//! The log of deletions: who deleted how many sessions of which user, and where. Session ids are never logged.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::deletion::SessionToDelete;
use crate::config::UserLabel;
use crate::exposition::users::Naming;
use qlik_sense::UserKey;

/// The names that the log uses.
pub struct LogNames {
    /// The operating system's user, who deletes the sessions.
    by: String,
    users: Naming,
}

/// A user of one pair, named as `users.label` says.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct LoggedUser<'d> {
    pair: [&'d str; 3],
    directory: Option<String>,
    id: Option<String>,
}

impl LogNames {
    /// Looks up the operating system's user, which may query a directory server.
    pub async fn new(label: &UserLabel) -> Self {
        let by = tokio::task::spawn_blocking(|| whoami::username().ok()).await;
        // Not known everywhere, for example in a container.
        let by = by.ok().flatten().unwrap_or_else(|| "unknown".to_owned());
        Self { by, users: Naming::new(label) }
    }

    /// Logs the start before the first request: a second signal ends the program and its log at once.
    pub fn log_start(&self, sessions: &[SessionToDelete]) {
        let mut counts: BTreeMap<[&str; 3], usize> = BTreeMap::new();
        for session in sessions {
            *counts.entry(session.pair.names()).or_default() += 1;
        }
        let by = &self.by;
        for ([site, proxy, virtual_proxy], sessions) in counts {
            info!(by, site, proxy, virtual_proxy, sessions, "deleting sessions");
        }
    }

    /// Corrects the log for sessions that it says were deleted.
    pub fn log_still_listed(&self, sessions: &[&SessionToDelete]) {
        let mut counts: BTreeMap<LoggedUser<'_>, usize> = BTreeMap::new();
        for session in sessions {
            *counts.entry(self.user(session.pair.names(), session.user.key())).or_default() += 1;
        }
        let by = &self.by;
        for (LoggedUser { pair: [site, proxy, virtual_proxy], directory, id }, sessions) in counts {
            let (user_directory, user_id) = (directory.as_deref(), id.as_deref());
            warn!(
                by,
                site,
                proxy,
                virtual_proxy,
                user_directory,
                user_id,
                sessions,
                "deleted sessions still listed"
            );
        }
    }

    fn user<'d>(&self, pair: [&'d str; 3], user: UserKey<'_>) -> LoggedUser<'d> {
        let (directory, id) = self.users.name(user);
        LoggedUser { pair, directory, id }
    }
}

/// Counts deletions, and logs the counts when it is dropped: a deletion may be cut short.
pub struct DeletionLog<'d> {
    names: &'d LogNames,
    counts: BTreeMap<PairUser<'d>, Count>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PairUser<'d> {
    pair: [&'d str; 3],
    user: UserKey<'d>,
}

#[derive(Default, Clone, Copy)]
pub struct Count {
    pub deleted: usize,
    /// Requests without a conclusive answer.
    pub unknown: usize,
}

impl<'d> DeletionLog<'d> {
    pub fn new(names: &'d LogNames) -> Self {
        Self { names, counts: BTreeMap::new() }
    }

    pub fn count(&mut self, session: &'d SessionToDelete) -> &mut Count {
        let key = PairUser { pair: session.pair.names(), user: session.user.key() };
        self.counts.entry(key).or_default()
    }
}

impl Drop for DeletionLog<'_> {
    fn drop(&mut self) {
        let mut sums: BTreeMap<LoggedUser<'_>, Count> = BTreeMap::new();
        for (PairUser { pair, user }, Count { deleted, unknown }) in std::mem::take(&mut self.counts) {
            let sum = sums.entry(self.names.user(pair, user)).or_default();
            sum.deleted += deleted;
            sum.unknown += unknown;
        }
        let by = &self.names.by;
        for (LoggedUser { pair: [site, proxy, virtual_proxy], directory, id }, count) in sums {
            let (user_directory, user_id) = (directory.as_deref(), id.as_deref());
            let Count { deleted, unknown } = count;
            if deleted > 0 {
                let sessions = deleted;
                info!(by, site, proxy, virtual_proxy, user_directory, user_id, sessions, "sessions deleted");
            }
            if unknown > 0 {
                let sessions = unknown;
                warn!(
                    by,
                    site, proxy, virtual_proxy, user_directory, user_id, sessions, "deletion result unknown"
                );
            }
        }
    }
}
