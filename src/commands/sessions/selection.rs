//! Which sessions are to end, of those that are listed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use clap::Args;

use super::confirm::Question;
use super::deletion::SessionToDelete;
use super::reporter::Reporter;
use crate::commands::counted;
use crate::sessions::{Lister, Listing, User};
use crate::terminal::tell;
use qlik_sense::VirtualProxy;
use qlik_sense::types::{SessionId, SessionIdError};

/// Which sessions end.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// The sessions of these ids, on one proxy service and virtual proxy; one that begins with a hyphen as
    /// --session-id=-ID
    #[arg(
        long = "session-id",
        value_name = "ID",
        num_args = 1..,
        value_parser = session_id,
        requires = "proxies",
        requires = "virtual_proxies"
    )]
    pub session_ids: Vec<GivenId>,
    /// All sessions of these users, case as listed
    #[arg(long = "user", value_name = r"DIR\ID", num_args = 1.., value_parser = User::parse)]
    pub users: Vec<User>,
    /// All sessions of one virtual proxy on one proxy service
    #[arg(long, requires = "proxies", requires = "virtual_proxies")]
    pub all: bool,
}

/// The id of a session. Its `Debug` hides it: whoever has it can take the session over.
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

/// Which of the sessions that were listed are to end.
pub enum DeleteSelection {
    /// Those of these ids.
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
    /// Each once, also where a list has it twice.
    pub fn choose(&self, listing: &Listing) -> Vec<SessionToDelete> {
        let mut to_delete = Vec::new();
        for answer in listing.pairs() {
            let mut seen = HashSet::new();
            for session in answer.sessions.iter().flat_map(|sessions| sessions.iter()) {
                let is_meant = !matches!(self, Self::Ids(ids) if !ids.contains(session.session_id));
                if is_meant && seen.insert(session.session_id) {
                    to_delete.push(SessionToDelete::new(&answer.pair, session));
                }
            }
        }
        to_delete
    }

    /// Tells ids that no list holds. Where a list lacks, nothing is known of them.
    pub fn tell_missing(&self, listing: &Listing) {
        let Self::Ids(ids) = self else { return };
        let lists: Vec<_> = listing.pairs().filter_map(|answer| answer.sessions.as_ref().ok()).collect();
        let listed: HashSet<&str> =
            lists.iter().flat_map(|sessions| sessions.iter()).map(|session| session.session_id).collect();
        let mut missing: Vec<_> = ids.iter().filter(|id| !listed.contains(id.as_str())).collect();
        missing.sort();
        for id in missing.into_iter().filter(|_| !lists.is_empty()) {
            tell(format_args!("{id}: there is no such session, it may be gone already"));
        }
    }

    /// Takes those out that are listed under a virtual proxy, too, of which none are to end. That a proxy service lists
    /// only those of the virtual proxy that it is asked for is likely, not certain: what it lists without a prefix,
    /// for the default one, may be all that it has. Then such a session is one, of the other virtual proxy, and shown
    /// under the wrong name; a DELETE without a prefix may well end it. For the same reason what is listed for
    /// another one is never taken to be the default one's.
    ///
    /// So it is with `--all`, where a mistake costs everybody's sessions, for every virtual proxy; with `--user` for the
    /// default one, as far as the filters or the configuration leave others out: else the user could not be helped on
    /// the others. Where sessions are named, these are meant, wherever they are listed.
    ///
    /// False: where that cannot be known nothing ends, and all is said. So it is for the default one while the
    /// repository fails.
    pub async fn spare_others(
        &self,
        to_delete: &mut Vec<SessionToDelete>,
        listing: &Listing,
        lister: &Lister,
        told: &mut Reporter,
    ) -> bool {
        let mut all_is_known = true;
        let pairs =
            listing.sites.iter().flat_map(|site| site.pairs.iter().map(move |answer| (site, &answer.pair)));
        for (site, pair) in pairs {
            let is_default = pair.virtual_proxy == VirtualProxy::default();
            let is_guarded = match self {
                Self::All => true,
                Self::Users => is_default,
                Self::Ids(_) => false,
            };
            let is_here = |one: &SessionToDelete| Arc::ptr_eq(&one.pair, pair);
            if !is_guarded || !to_delete.iter().any(is_here) {
                continue;
            }
            let beside = lister.list_beside(pair, listing).await;
            let failed = beside.iter().filter_map(|it| Some((&it.pair, it.sessions.as_ref().err()?)));
            let failed = failed.map(|(pair, failure)| told.failure_once(&pair.to_string(), failure)).count();
            // While the repository fails, there may be others than those that are configured.
            if failed > 0 || (is_default && site.discovery.is_some()) {
                to_delete.retain(|one| !is_here(one));
                told.once(format!(
                    "{pair}: nothing is ended there: whether sessions of another virtual proxy are listed under it, too, \
                     is known only when all virtual proxies of that proxy service are known and can be listed; \
                     --session-id ends what it names all the same"
                ));
                all_is_known = false;
                continue;
            }
            let lists = beside.iter().filter_map(|beside| beside.sessions.as_ref().ok());
            let elsewhere: HashSet<&str> =
                lists.flat_map(|sessions| sessions.iter()).map(|session| session.session_id).collect();
            let before = to_delete.len();
            to_delete.retain(|one| !(is_here(one) && elsewhere.contains(one.id())));
            if to_delete.len() < before {
                let left_out = counted(before - to_delete.len(), "session");
                told.once(format!(
                    "{pair}: left out: {left_out} of another virtual proxy, listed under it, too"
                ));
            }
        }
        all_is_known
    }

    pub fn question(&self, number: usize, virtual_proxy: &VirtualProxy) -> Question {
        let sessions = counted(number, "session");
        match self {
            Self::All => Question::Name {
                question: format!(
                    "To end {sessions}, everybody's, type the virtual proxy's name {virtual_proxy}:"
                ),
                name: virtual_proxy.clone(),
            },
            _ => Question::Yes(format!("End {sessions}?")),
        }
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
    fn no_session_id_is_seen_in_what_was_parsed() {
        let args = ["x", "--proxy=a", "--virtual-proxy=/", "--session-id", "secret-1", "secret-2"];
        let parsed = format!("{:?}", Parsed::parse_from(args));
        assert!(parsed.contains("session_ids") && !parsed.contains("secret"), "{parsed}");
    }
}
