//! Reports failed queries and filters that match nothing on standard error.

use std::collections::HashSet;

use tracing::warn;

use crate::sessions::{Failure, Listing};
use crate::terminal::{escaped, report};

/// Reports wanted users who have no session, or only under a name in another case. It is no failure: the user may
/// have logged out. A user is reported as absent only when everything could be listed.
pub fn report_users_without_sessions(listing: &Listing) {
    for unmatched in &listing.other_case {
        report(unmatched);
    }
    if listing.is_whole() {
        for unmatched in &listing.absent {
            report(unmatched);
        }
    }
}

/// Reports each thing once while sessions are listed again and again.
#[derive(Default)]
pub struct Reporter {
    lines: HashSet<String>,
    advice: HashSet<String>,
}

impl Reporter {
    /// Reports failed queries, filters that match nothing, and that there is nothing to query. Returns true when the
    /// listing has none of these, reported before or not.
    pub fn listing(&mut self, listing: &Listing) -> bool {
        for FailedQuery { target, failure } in failed_queries(listing) {
            self.failure_once(&target, failure);
        }
        self.all_but_failures(listing)
    }

    /// As [`Self::listing`] without the failed queries.
    pub fn all_but_failures(&mut self, listing: &Listing) -> bool {
        for site in &listing.sites {
            for note in &site.notes {
                let note = note.to_string();
                if self.lines.insert(format!("{}: {note}", site.name)) {
                    let (site, note) = (escaped(&site.name), escaped(&note));
                    warn!(%site, %note, "site needs attention");
                }
            }
        }
        for unmatched in &listing.unknown {
            self.once(format!("error: {unmatched}"));
        }
        let has_pairs = listing.pairs().next().is_some();
        if listing.is_whole() && !has_pairs {
            self.once(
                "error: nothing to query: no virtual proxy is left by the flags and the configuration; \
                 run check to see what there is"
                    .to_owned(),
            );
        }
        listing.is_whole() && has_pairs
    }

    /// Reports a line, unless it has been reported before.
    pub fn once(&mut self, line: String) {
        if !self.lines.contains(&line) {
            report(&line);
            self.lines.insert(line);
        }
    }

    /// Reports a failure, unless it has been reported with the same message before.
    pub fn failure_once(&mut self, what: &str, failure: &Failure) {
        if self.lines.insert(format!("{what}: {}", failure.message)) {
            self.failure(what, failure);
        }
    }

    /// Reports a failure, with the advice unless that has been reported before.
    pub fn failure(&mut self, what: &str, failure: &Failure) {
        report(format_args!("error: {what}: {}", failure.message));
        if self.advice.insert(failure.advice.clone()) && !failure.advice.is_empty() {
            report(format_args!("  → {}", failure.advice));
        }
    }
}

/// A repository or a pair whose query failed.
pub struct FailedQuery<'l> {
    pub target: String,
    pub failure: &'l Failure,
}

/// Returns the failed queries of a listing, in its order.
pub fn failed_queries(listing: &Listing) -> Vec<FailedQuery<'_>> {
    let mut failed = Vec::new();
    for site in &listing.sites {
        if let Some(failure) = &site.discovery {
            failed.push(FailedQuery { target: format!("the repository of {}", site.name), failure });
        }
        for answer in &site.pairs {
            if let Err(failure) = &answer.sessions {
                failed.push(FailedQuery { target: answer.pair.to_string(), failure });
            }
        }
    }
    failed
}
