//! What could not be asked, or did not end, on standard error.

use std::collections::HashSet;

use tracing::warn;

use super::troubles;
use crate::sessions::{Failure, Roster};
use crate::terminal::{escaped, tell};

/// What has been told: while everybody is asked again and again, each thing is told once.
#[derive(Default)]
pub struct Told {
    lines: HashSet<String>,
    advice: HashSet<String>,
}

impl Told {
    /// Says what could not be asked, what would fit nothing, and that there was nothing to ask. True when that is
    /// nothing, told before or not.
    pub fn roster(&mut self, roster: &Roster) -> bool {
        for (who, failure) in troubles(roster) {
            if self.lines.insert(format!("{who}: {}", failure.message)) {
                self.failure(&who, failure);
            }
        }
        for site in &roster.sites {
            for note in &site.notes {
                if self.lines.insert(format!("{}: {note}", site.name)) {
                    warn!(site = %escaped(&site.name), "{}", escaped(&note.to_string()));
                }
            }
        }
        let asks_nobody = roster.pairs().next().is_none();
        let nothing = "there is nothing to ask: no proxy service is asked for a virtual proxy, as far as the flags \
                       leave any; check says what there is";
        let nothing = (roster.is_whole() && asks_nobody).then_some(nothing);
        for line in roster.unknown.iter().map(String::as_str).chain(nothing) {
            if self.lines.insert(line.to_owned()) {
                tell(format_args!("error: {line}"));
            }
        }
        roster.is_whole() && !asks_nobody
    }

    /// Says that something failed, and what to try unless that is said already.
    pub fn failure(&mut self, what: &str, failure: &Failure) {
        let is_new = self.advice.insert(failure.advice.clone());
        super::tell(what, failure, is_new);
    }
}
