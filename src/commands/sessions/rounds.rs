//! Deletes sessions, lists them again and deletes what is left, a few times.

use std::collections::HashSet;
use std::io::{self, Write};

use indicatif::MultiProgress;
use tokio_util::sync::CancellationToken;

use super::deletion::{Attempt, DeleteOutcome, DeleteProgress, SessionKey, SessionToDelete, delete};
use super::deletion_log::LogNames;
use super::reporter::Reporter;
use super::selection::DeleteSelection;
use crate::commands::counted;
use crate::sessions::{Lister, Listing};
use crate::terminal::report;

/// How often a user's sessions are deleted and listed again: new ones may begin meanwhile.
const ROUNDS: usize = 3;

const REMINDER: &str = "Qlik may need five minutes before the user can log in again.";

/// Deletes sessions until none is left or nothing more can be done.
pub struct Rounds {
    pub lister: Lister,
    pub selection: DeleteSelection,
    pub reporter: Reporter,
    pub log_names: LogNames,
    /// To be suspended by whoever reports something meanwhile.
    pub bars: MultiProgress,
    /// Whether everything that was to be listed could be listed.
    pub is_complete: bool,
    totals: RoundTotals,
    /// The round that is under way.
    round: DeleteProgress,
}

/// The results of all rounds before the one under way.
#[derive(Default)]
struct RoundTotals {
    /// Sessions that ended without our request, as a listing shows.
    already_gone: usize,
    /// Requests that were abandoned without an answer.
    abandoned: usize,
    /// All other sessions that were attempted, each once, with what is known now.
    attempts: Vec<Attempt>,
    /// Sessions that are still listed, or were never attempted.
    left: usize,
}

impl RoundTotals {
    fn count(&self, outcome: DeleteOutcome) -> usize {
        self.attempts.iter().filter(|attempt| attempt.outcome == outcome).count()
    }

    fn attempted(&self) -> HashSet<SessionKey<'_>> {
        self.attempts.iter().map(|attempt| attempt.session.key()).collect()
    }

    fn refused(&self) -> HashSet<SessionKey<'_>> {
        let refused = self.attempts.iter().filter(|attempt| attempt.outcome == DeleteOutcome::Refused);
        refused.map(|attempt| attempt.session.key()).collect()
    }
}

impl Rounds {
    pub fn new(
        lister: Lister,
        selection: DeleteSelection,
        reporter: Reporter,
        log_names: LogNames,
        is_complete: bool,
    ) -> Self {
        Self {
            lister,
            selection,
            reporter,
            log_names,
            bars: MultiProgress::new(),
            is_complete,
            totals: RoundTotals::default(),
            round: DeleteProgress::default(),
        }
    }

    /// Deletes these sessions and, with `--user`, those that are listed afterwards. Looks up sessions whose result is
    /// uncertain, and does not try again what was refused. Dropping the future abandons the requests in flight.
    pub async fn run(&mut self, mut to_delete: Vec<SessionToDelete>, stop: &CancellationToken) {
        let by_user = matches!(self.selection, DeleteSelection::Users);
        for _ in 0..ROUNDS {
            // A new attempt replaces the result of an earlier one.
            let again: HashSet<_> = to_delete.iter().map(SessionToDelete::key).collect();
            self.totals.attempts.retain(|attempt| !again.contains(&attempt.session.key()));
            self.totals.left = to_delete.len();
            delete(&to_delete, stop, &mut self.reporter, &self.log_names, &self.bars, &mut self.round).await;
            self.add_round();
            let is_uncertain =
                self.totals.count(DeleteOutcome::NotFound) + self.totals.count(DeleteOutcome::Unknown) > 0;
            if stop.is_cancelled() || !(by_user || is_uncertain) {
                return;
            }
            let Some(listing) = stop.run_until_cancelled(self.lister.list(None)).await else { return };
            self.is_complete &= self.reporter.listing(&listing);
            self.look_up(&listing);
            if !by_user {
                return;
            }
            to_delete = self.selection.choose(&listing);
            let refused = self.totals.refused();
            to_delete.retain(|session| !refused.contains(&session.key()));
            let spare =
                self.selection.spare_others(&mut to_delete, &listing, &self.lister, &mut self.reporter);
            let Some(all_known) = stop.run_until_cancelled(spare).await else { return };
            self.is_complete &= all_known;
            let attempted = self.totals.attempted();
            self.totals.left = to_delete.iter().filter(|session| !attempted.contains(&session.key())).count();
            if to_delete.is_empty() {
                return;
            }
        }
    }

    /// Adds the round under way to the totals.
    fn add_round(&mut self) {
        let DeleteProgress { in_flight, attempts } = std::mem::take(&mut self.round);
        let totals = &mut self.totals;
        totals.left -= (in_flight + attempts.len()).min(totals.left);
        totals.abandoned += in_flight;
        totals.attempts.extend(attempts);
    }

    /// Corrects the results by a new listing, for the pairs that could be listed.
    fn look_up(&mut self, listing: &Listing) {
        let listed = Listed::new(listing);
        let mut still_listed = Vec::new();
        for attempt in &self.totals.attempts {
            if attempt.outcome == DeleteOutcome::Deleted && listed.contains(&attempt.session) {
                still_listed.push(&attempt.session);
            }
        }
        self.log_names.log_still_listed(&still_listed);
        for mut attempt in std::mem::take(&mut self.totals.attempts) {
            if listed.covers(&attempt.session) {
                let is_listed = listed.contains(&attempt.session);
                if let Some(correction) = correction(attempt.outcome, is_listed) {
                    let (prefix, session) = (if is_listed { "error: " } else { "" }, &attempt.session);
                    let (pair, user) = (&session.pair, session.user.key());
                    report(format_args!("{prefix}{pair}: a session of {user} {correction}"));
                    if !is_listed {
                        self.totals.already_gone += 1;
                        continue;
                    }
                    attempt.outcome = DeleteOutcome::Failed;
                }
            }
            self.totals.attempts.push(attempt);
        }
    }

    /// Prints what was done. Returns true when everything that was to be deleted is deleted.
    pub fn print_summary(&mut self, stopped: bool) -> bool {
        // Of a round that was abandoned.
        self.add_round();
        let totals = &self.totals;
        let deleted = totals.count(DeleteOutcome::Deleted);
        let failed = totals.count(DeleteOutcome::Failed) + totals.count(DeleteOutcome::Refused);
        let unknown =
            totals.count(DeleteOutcome::NotFound) + totals.count(DeleteOutcome::Unknown) + totals.abandoned;
        let mut summary = if stopped { "stopped: ".to_owned() } else { String::new() };
        summary += &format!("{} deleted", counted(deleted, "session"));
        for (number, what) in [
            (totals.already_gone, "already gone"),
            (failed, "failed"),
            (unknown, "unknown"),
            (totals.left, "left"),
        ] {
            if number > 0 {
                summary += &format!(", {number} {what}");
            }
        }
        if deleted > 0 {
            summary = format!("{summary}\n{REMINDER}");
        }
        if writeln!(io::stdout().lock(), "{summary}").is_err() {
            // The deletion is done and must be reported, also where nobody reads standard output.
            summary.lines().for_each(report);
        }
        if !self.is_complete {
            report("not everything could be listed: there may be more sessions");
        }
        self.is_complete && !stopped && failed == 0 && unknown == 0 && totals.left == 0
    }
}

/// The sessions of a listing, to look up others in it.
struct Listed<'l> {
    pairs: HashSet<[&'l str; 3]>,
    sessions: HashSet<SessionKey<'l>>,
}

impl<'l> Listed<'l> {
    fn new(listing: &'l Listing) -> Self {
        let (mut pairs, mut listed) = (HashSet::new(), HashSet::new());
        for answer in listing.pairs() {
            let Ok(sessions) = &answer.sessions else { continue };
            let pair = answer.pair.names();
            pairs.insert(pair);
            listed.extend(sessions.iter().map(|session| SessionKey { pair, id: session.session_id }));
        }
        Self { pairs, sessions: listed }
    }

    /// Returns whether the session's pair could be listed.
    fn covers(&self, session: &SessionToDelete) -> bool {
        self.pairs.contains(&session.pair.names())
    }

    fn contains(&self, session: &SessionToDelete) -> bool {
        self.sessions.contains(&session.key())
    }
}

/// Returns what a new listing shows of an attempt; None when it confirms the outcome.
fn correction(outcome: DeleteOutcome, is_listed: bool) -> Option<&'static str> {
    Some(match (outcome, is_listed) {
        (DeleteOutcome::Deleted, false) | (DeleteOutcome::Failed | DeleteOutcome::Refused, true) => {
            return None;
        }
        (DeleteOutcome::NotFound, false) => "was already gone",
        (DeleteOutcome::Unknown | DeleteOutcome::Failed | DeleteOutcome::Refused, false) => {
            "is gone, although its deletion was not confirmed"
        }
        (DeleteOutcome::Unknown, true) => "was not deleted: it is still listed",
        (DeleteOutcome::NotFound, true) => {
            "was not deleted: the answer was HTTP status 404, but it is still listed"
        }
        (DeleteOutcome::Deleted, true) => {
            "was not deleted: the proxy service confirmed the deletion, but it is still listed"
        }
    })
}
