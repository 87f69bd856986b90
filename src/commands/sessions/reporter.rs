//! What could not be asked, or did not end, on standard error.

use std::collections::HashSet;

use tracing::warn;

use crate::sessions::{Failure, Listing};
use crate::terminal::{escaped, tell};

/// Says selection sessions are there where there are none of whom was asked for, and of whom there are none where all is
/// known. It is no failure: none is nobody's who was meant, and a user may have gone.
pub fn users_without(listing: &Listing) {
    let absent = listing.is_whole().then_some(&listing.absent).into_iter().flatten();
    listing.other_case.iter().chain(absent).for_each(tell);
}

/// Says on standard error what could not be asked, and what fits nothing. True when nothing has failed.
pub fn tell_failures(listing: &Listing) -> bool {
    let is_whole = Reporter::default().listing(listing);
    users_without(listing);
    is_whole
}

/// What has been told: while everybody is asked again and again, each thing is told once.
#[derive(Default)]
pub struct Reporter {
    lines: HashSet<String>,
    advice: HashSet<String>,
}

impl Reporter {
    /// Says what could not be asked, what would fit nothing, and that there was nothing to ask. True when that is
    /// nothing, told before or not.
    pub fn listing(&mut self, listing: &Listing) -> bool {
        for (who, failure) in troubles(listing) {
            self.failure_once(&who, failure);
        }
        self.besides_failures(listing)
    }

    /// The same without what could not be asked.
    pub fn besides_failures(&mut self, listing: &Listing) -> bool {
        for site in &listing.sites {
            for note in &site.notes {
                if self.lines.insert(format!("{}: {note}", site.name)) {
                    warn!(site = %escaped(&site.name), "{}", escaped(&note.to_string()));
                }
            }
        }
        let asks_nobody = listing.pairs().next().is_none();
        let nothing = "there is nothing to ask: no proxy service is asked for a virtual proxy, as far as the flags \
                       leave any; check says what there is";
        let nothing = (listing.is_whole() && asks_nobody).then_some(nothing);
        let unknown = listing.unknown.iter().map(ToString::to_string);
        for line in unknown.chain(nothing.map(str::to_owned)) {
            self.once(format!("error: {line}"));
        }
        listing.is_whole() && !asks_nobody
    }

    /// Says this, unless it is said already.
    pub fn once(&mut self, line: String) {
        if !self.lines.contains(&line) {
            tell(&line);
            self.lines.insert(line);
        }
    }

    /// Says that something failed, unless it has failed in that way before.
    pub fn failure_once(&mut self, what: &str, failure: &Failure) {
        if self.lines.insert(format!("{what}: {}", failure.message)) {
            self.failure(what, failure);
        }
    }

    /// Says that something failed, and what to try unless that is said already.
    pub fn failure(&mut self, what: &str, failure: &Failure) {
        let is_new = self.advice.insert(failure.advice.clone());
        tell_failure(what, failure, is_new);
    }
}

/// Who could not be asked, and why.
pub fn troubles(listing: &Listing) -> Vec<(String, &Failure)> {
    let mut troubles = Vec::new();
    for site in &listing.sites {
        let repository = || format!("the repository of {}", site.name);
        troubles.extend(site.discovery.as_ref().map(|failure| (repository(), failure)));
        for answer in &site.pairs {
            troubles.extend(answer.sessions.as_ref().err().map(|failure| (answer.pair.to_string(), failure)));
        }
    }
    troubles
}

/// Says on standard error that somebody could not be asked, and what to try.
fn tell_failure(who: &str, failure: &Failure, with_advice: bool) {
    tell(format_args!("error: {who}: {}", failure.message));
    if with_advice && !failure.advice.is_empty() {
        tell(format_args!("  → {}", failure.advice));
    }
}
