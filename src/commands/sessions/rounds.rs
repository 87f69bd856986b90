//! Ends sessions and lists again what may be left, a few times.

use std::collections::HashSet;
use std::io::{self, Write};

use indicatif::MultiProgress;
use tokio_util::sync::CancellationToken;

use super::deletion::{DeleteOutcome, Ended, LogAs, SessionToDelete, end};
use super::reporter::Reporter;
use super::selection::DeleteSelection;
use crate::commands::counted;
use crate::sessions::{Lister, Listing};
use crate::terminal::tell;

/// How often a user's sessions are ended and listed again: while they end, new ones may begin.
const ROUNDS: usize = 3;

const REMINDER: &str = "Qlik may need five minutes before the user can log in again.";

/// Ends sessions until none is left, or nothing more can be done.
pub struct Rounds {
    pub lister: Lister,
    pub selection: DeleteSelection,
    pub told: Reporter,
    pub log: LogAs,
    /// Whoever tells something meanwhile suspends it.
    pub bars: MultiProgress,
    /// Whether everything could be listed that was to be.
    pub is_whole: bool,
    /// What became of all rounds before this one.
    sum: Sum,
    /// What became of this one so far.
    round: Ended,
}

#[derive(Default)]
struct Sum {
    /// Not by us, as a list says.
    already_gone: usize,
    /// Requests that were given up.
    given_up: usize,
    /// All others that were tried, each once: what is known of them.
    tried: Vec<(SessionToDelete, DeleteOutcome)>,
    /// How many others are listed in the end, or were never tried.
    left: usize,
}

impl Sum {
    fn count(&self, outcome: DeleteOutcome) -> usize {
        self.tried.iter().filter(|(_, is)| *is == outcome).count()
    }
}

impl Rounds {
    pub fn new(
        lister: Lister,
        selection: DeleteSelection,
        told: Reporter,
        log: LogAs,
        is_whole: bool,
    ) -> Self {
        let bars = MultiProgress::new();
        Self { lister, selection, told, log, bars, is_whole, sum: Sum::default(), round: Ended::default() }
    }

    /// Ends these, and with `--user` what is listed after that; what is not certain then is looked up, what was
    /// refused is not tried again. Whoever drops it ends it at once.
    pub async fn run(&mut self, mut to_delete: Vec<SessionToDelete>, stop: &CancellationToken) {
        let by_user = matches!(self.selection, DeleteSelection::Users);
        for _ in 0..ROUNDS {
            // What became of them before is no matter any more.
            let again: HashSet<_> = to_delete.iter().map(SessionToDelete::key).collect();
            self.sum.tried.retain(|(one, _)| !again.contains(&one.key()));
            self.sum.left = to_delete.len();
            end(&to_delete, stop, &mut self.told, &self.log, &self.bars, &mut self.round).await;
            self.add_up();
            let is_guess =
                self.sum.count(DeleteOutcome::NotFound) + self.sum.count(DeleteOutcome::NotKnown) > 0;
            if stop.is_cancelled() || !(by_user || is_guess) {
                return;
            }
            let Some(listing) = stop.run_until_cancelled(self.lister.list(None)).await else { return };
            self.is_whole &= self.told.listing(&listing);
            self.look_up(&listing);
            if !by_user {
                return;
            }
            to_delete = self.selection.choose(&listing);
            let refused = self.sum.tried.iter().filter(|(_, outcome)| *outcome == DeleteOutcome::Refused);
            let refused: HashSet<_> = refused.map(|(one, _)| one.key()).collect();
            to_delete.retain(|one| !refused.contains(&one.key()));
            let spare = self.selection.spare_others(&mut to_delete, &listing, &self.lister, &mut self.told);
            let Some(all_is_known) = stop.run_until_cancelled(spare).await else { return };
            self.is_whole &= all_is_known;
            let tried: HashSet<_> = self.sum.tried.iter().map(|(one, _)| one.key()).collect();
            self.sum.left = to_delete.iter().filter(|one| !tried.contains(&one.key())).count();
            if to_delete.is_empty() {
                return;
            }
        }
    }

    /// Takes what a round brought to the sum.
    fn add_up(&mut self) {
        let Ended { under_way, tried } = std::mem::take(&mut self.round);
        let sum = &mut self.sum;
        sum.left -= (under_way + tried.len()).min(sum.left);
        sum.given_up += under_way;
        sum.tried.extend(tried);
    }

    /// Looks up what was tried, where the lists are there.
    fn look_up(&mut self, listing: &Listing) {
        let (mut lists, mut listed) = (HashSet::new(), HashSet::new());
        for answer in listing.pairs() {
            let Ok(sessions) = &answer.sessions else { continue };
            let place = answer.pair.names();
            lists.insert(place);
            listed.extend(sessions.iter().map(|session| (place, session.session_id)));
        }
        let Sum { tried, already_gone, .. } = &mut self.sum;
        let is_listed = |one: &SessionToDelete| listed.contains(&one.key());
        let undone = tried.iter().filter(|(one, outcome)| *outcome == DeleteOutcome::Ended && is_listed(one));
        self.log.still_listed(&undone.map(|(one, _)| one).collect::<Vec<_>>());
        tried.retain_mut(|(one, outcome)| {
            if !lists.contains(&one.pair.names()) {
                return true;
            }
            let is_listed = is_listed(one);
            let told = match (*outcome, is_listed) {
                (DeleteOutcome::Ended, false) | (DeleteOutcome::Failed | DeleteOutcome::Refused, true) => {
                    return true;
                }
                (DeleteOutcome::NotFound, false) => "was already gone",
                (DeleteOutcome::NotKnown | DeleteOutcome::Failed | DeleteOutcome::Refused, false) => {
                    "is gone all the same"
                }
                (DeleteOutcome::NotKnown, true) => "did not end: it is still listed",
                (DeleteOutcome::NotFound, true) => {
                    "did not end: HTTP status 404, as if it were gone, and it is still listed"
                }
                (DeleteOutcome::Ended, true) => {
                    "did not end: the proxy service says that it did, and it is still listed"
                }
            };
            let error = if is_listed { "error: " } else { "" };
            tell(format_args!("{error}{}: a session of {} {told}", one.pair, one.user.key()));
            match is_listed {
                true => *outcome = DeleteOutcome::Failed,
                false => *already_gone += 1,
            }
            is_listed
        });
    }

    /// Says what was done. True when that is all that was to be done.
    pub fn tell(&mut self, stopped: bool) -> bool {
        // Of a round that was given up.
        self.add_up();
        let Sum { already_gone, given_up, left, .. } = &self.sum;
        let count = |outcome| self.sum.count(outcome);
        let ended = count(DeleteOutcome::Ended);
        let failed = count(DeleteOutcome::Failed) + count(DeleteOutcome::Refused);
        let not_known = count(DeleteOutcome::NotFound) + count(DeleteOutcome::NotKnown) + given_up;
        let mut told = format!("{} ended", counted(ended, "session"));
        for (number, what) in [
            (*already_gone, "already gone"),
            (failed, "failed"),
            (not_known, "not known whether gone"),
            (*left, "left"),
        ] {
            if number > 0 {
                told += &format!(", {number} {what}");
            }
        }
        let mut lines = vec![format!("{}{told}", if stopped { "stopped: " } else { "" })];
        if ended > 0 {
            lines.push(REMINDER.to_owned());
        }
        let mut out = io::stdout().lock();
        if lines.iter().try_for_each(|line| writeln!(out, "{line}")).is_err() {
            // It is done, and to be known, also where nobody reads that any more.
            lines.iter().for_each(tell);
        }
        if !self.is_whole {
            tell("not everything could be listed: there may be more sessions");
        }
        self.is_whole && !stopped && failed == 0 && not_known == 0 && *left == 0
    }
}
