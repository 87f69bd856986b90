//! Selects sessions for deletion from those that are listed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use clap::Args;

use super::confirm::Question;
use super::deletion::SessionToDelete;
use super::reporter::Reporter;
use crate::commands::counted;
use crate::sessions::{Lister, Listing, PairListing, QueriedPair, SiteListing, User};
use crate::terminal::report;
use qlik_sense::VirtualProxy;
use qlik_sense::types::{SessionId, SessionIdError};

/// The flags that select sessions for deletion.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// Delete the sessions with these ids on one proxy service and virtual proxy; write an id that begins with a
    /// hyphen as --session-id=-ID
    #[arg(
        long = "session-id",
        value_name = "ID",
        num_args = 1..,
        value_parser = session_id,
        requires = "proxies",
        requires = "virtual_proxies"
    )]
    pub session_ids: Vec<GivenId>,
    /// Delete all sessions of these users, in upper and lower case as listed
    #[arg(long = "user", value_name = r"DIR\ID", num_args = 1.., value_parser = User::parse)]
    pub users: Vec<User>,
    /// Delete all sessions of one virtual proxy on one proxy service
    #[arg(long, requires = "proxies", requires = "virtual_proxies")]
    pub all: bool,
}

/// The id of a session. Its `Debug` hides it: whoever knows it can take the session over.
#[derive(Clone)]
pub struct GivenId(pub String);

impl fmt::Debug for GivenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenId(…)")
    }
}

fn session_id(text: &str) -> Result<GivenId, SessionIdError> {
    SessionId::parse(text).map(|id| GivenId(id.as_str().to_owned()))
}

/// Which of the listed sessions are deleted.
pub enum DeleteSelection {
    /// Those with these ids.
    Ids(HashSet<String>),
    /// Those of the users that the listing was filtered by.
    Users,
    /// All of one virtual proxy on one proxy service.
    All,
}

impl From<SelectionArgs> for DeleteSelection {
    fn from(args: SelectionArgs) -> Self {
        match (args.all, args.users.is_empty()) {
            (true, _) => Self::All,
            (false, false) => Self::Users,
            (false, true) => Self::Ids(args.session_ids.into_iter().map(|id| id.0).collect()),
        }
    }
}

impl DeleteSelection {
    /// Returns the selected sessions, each once, even if a listing contains it twice.
    pub fn choose(&self, listing: &Listing) -> Vec<SessionToDelete> {
        let mut to_delete = Vec::new();
        for answer in listing.pairs() {
            let mut seen = HashSet::new();
            for session in answer.sessions.iter().flat_map(|sessions| sessions.iter()) {
                let is_selected = !matches!(self, Self::Ids(ids) if !ids.contains(session.session_id));
                if is_selected && seen.insert(session.session_id) {
                    to_delete.push(SessionToDelete::new(&answer.pair, session));
                }
            }
        }
        to_delete
    }

    /// Reports ids that are not listed. Reports nothing where no listing succeeded.
    pub fn report_missing(&self, listing: &Listing) {
        let Self::Ids(ids) = self else { return };
        let mut listed = HashSet::new();
        let mut any_answered = false;
        for sessions in listing.pairs().filter_map(|answer| answer.sessions.as_ref().ok()) {
            any_answered = true;
            listed.extend(sessions.iter().map(|session| session.session_id));
        }
        if !any_answered {
            return;
        }
        let mut missing: Vec<_> = ids.iter().filter(|id| !listed.contains(id.as_str())).collect();
        missing.sort();
        for id in missing {
            report(format_args!("{id}: no such session, it may have ended already"));
        }
    }

    /// Removes sessions that are also listed under a virtual proxy that is not selected.
    ///
    /// A proxy service probably lists only the sessions of the virtual proxy in the request, but this is not certain:
    /// a request without a prefix, for the default virtual proxy, may list all of them. Then such a session belongs to
    /// the other virtual proxy, and a DELETE without a prefix may well end it. For the same reason a session that is
    /// listed elsewhere never counts as the default virtual proxy's.
    ///
    /// The check applies to every virtual proxy with `--all`, where a slip would cost all users their sessions. With
    /// `--user` it applies to the default virtual proxy, as far as the filters or the configuration exclude others:
    /// otherwise the user's sessions there could not be deleted. With `--session-id` it does not apply.
    ///
    /// Returns false and removes a pair's sessions where the check is impossible: another virtual proxy cannot be
    /// listed or, for the default one, the repository's query failed. Reports what it removes.
    pub async fn spare_others(
        &self,
        to_delete: &mut Vec<SessionToDelete>,
        listing: &Listing,
        lister: &Lister,
        reporter: &mut Reporter,
    ) -> bool {
        let mut all_known = true;
        for site in &listing.sites {
            for answer in &site.pairs {
                let pair = &answer.pair;
                if self.is_guarded(pair) && to_delete.iter().any(|session| Arc::ptr_eq(&session.pair, pair)) {
                    let others =
                        OtherListings { site, pair, answers: lister.list_beside(pair, listing).await };
                    all_known &= others.spare(to_delete, reporter);
                }
            }
        }
        all_known
    }

    fn is_guarded(&self, pair: &QueriedPair) -> bool {
        match self {
            Self::All => true,
            Self::Users => is_default(pair),
            Self::Ids(_) => false,
        }
    }

    /// Returns the question that confirms the deletion of so many sessions.
    pub fn question(&self, number: usize, virtual_proxy: &VirtualProxy) -> Question {
        let sessions = counted(number, "session");
        match self {
            Self::All => Question::Name {
                question: format!(
                    "Delete {sessions} of all users? Type the virtual proxy's name to confirm ({virtual_proxy}):"
                ),
                name: virtual_proxy.clone(),
            },
            _ => Question::Yes(format!("Delete {sessions}?")),
        }
    }
}

fn is_default(pair: &QueriedPair) -> bool {
    pair.virtual_proxy == VirtualProxy::default()
}

/// The listings of the other virtual proxies of a pair's proxy service.
struct OtherListings<'l> {
    site: &'l SiteListing,
    pair: &'l Arc<QueriedPair>,
    answers: Vec<PairListing>,
}

impl OtherListings<'_> {
    /// Removes the pair's sessions that are listed here too, or all of them where that is not known. Returns whether
    /// it is known.
    fn spare(&self, to_delete: &mut Vec<SessionToDelete>, reporter: &mut Reporter) -> bool {
        let pair = self.pair;
        let mut elsewhere = HashSet::new();
        let mut failed = false;
        for answer in &self.answers {
            match &answer.sessions {
                Ok(sessions) => elsewhere.extend(sessions.iter().map(|session| session.session_id)),
                Err(failure) => {
                    failed = true;
                    reporter.failure_once(&answer.pair.to_string(), failure);
                }
            }
        }
        // Without the repository there may be virtual proxies that are not configured.
        if failed || (is_default(pair) && self.site.discovery.is_some()) {
            to_delete.retain(|session| !Arc::ptr_eq(&session.pair, pair));
            reporter.once(format!(
                "{pair}: no session is deleted here: sessions of another virtual proxy may be listed here too, and \
                 to exclude them all virtual proxies of this proxy service must be known and listed; use \
                 --session-id to delete sessions without this check"
            ));
            return false;
        }
        let before = to_delete.len();
        to_delete.retain(|session| !(Arc::ptr_eq(&session.pair, pair) && elsewhere.contains(session.id())));
        if to_delete.len() < before {
            let skipped = counted(before - to_delete.len(), "session");
            reporter.once(format!("{pair}: skipped {skipped} of another virtual proxy, listed here too"));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        selection: SelectionArgs,
        #[arg(long = "proxy")]
        proxies: Vec<String>,
        #[arg(long = "virtual-proxy")]
        virtual_proxies: Vec<String>,
    }

    #[test]
    fn debug_output_of_the_flags_hides_session_ids() {
        let args = ["x", "--proxy=a", "--virtual-proxy=/", "--session-id", "secret-1", "secret-2"];
        let parsed = format!("{:?}", Parsed::parse_from(args));
        assert!(parsed.contains("session_ids") && !parsed.contains("secret"), "{parsed}");
    }
}
