//! Which sessions are wanted: of which sites, proxy services, virtual proxies and users.

use std::collections::BTreeSet;

use crate::config::folded;
use crate::site::topology::{ProxyPlan, Topology};
use qlik_sense::types::UserError;
use qlik_sense::{UserKey, VirtualProxy};

/// Which sessions are wanted. An empty list admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By their names.
    pub sites: Vec<String>,
    /// By their labels or host names.
    pub proxies: Vec<String>,
    pub virtual_proxies: Vec<VirtualProxy>,
    pub users: Vec<User>,
}

/// What is wanted of each session. The rest is neither decoded nor kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The user and the session id.
    Counted,
    /// The user's name as well.
    Named,
    /// Everything.
    Whole,
}

/// A user as a session names one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User {
    pub directory: String,
    pub id: String,
}

impl User {
    /// Parses `DIRECTORY\ID`, see [`UserKey::parse`].
    pub fn parse(text: &str) -> Result<Self, UserError> {
        UserKey::parse(text).map(Self::from)
    }

    pub fn key(&self) -> UserKey<'_> {
        UserKey { directory: &self.directory, id: &self.id }
    }

    /// Returns whether the names differ by case at most. Called for every row of a list: it copies nothing, and compares
    /// the ids first, since directories are few.
    pub(super) fn is_but_for_case(&self, other: UserKey<'_>) -> bool {
        let alike = |a: &str, b: &str| folded(a).eq(folded(b));
        alike(&self.id, other.id) && alike(&self.directory, other.directory)
    }
}

impl From<UserKey<'_>> for User {
    fn from(UserKey { directory, id }: UserKey<'_>) -> Self {
        Self { directory: directory.to_owned(), id: id.to_owned() }
    }
}

impl Filter {
    /// Returns whether this user's sessions are wanted. Case counts: it is not known whether it does for Qlik.
    pub fn wants_user(&self, user: UserKey<'_>) -> bool {
        self.users.is_empty() || self.users.iter().any(|wanted| wanted.key() == user)
    }

    /// Returns whether the name of a user who is not wanted differs by case alone from that of one who is.
    pub(super) fn wants_but_for_case(&self, user: UserKey<'_>) -> bool {
        self.users.iter().any(|wanted| wanted.is_but_for_case(user))
    }

    pub(super) fn wants_virtual_proxy(&self, virtual_proxy: &VirtualProxy) -> bool {
        self.virtual_proxies.is_empty() || self.virtual_proxies.contains(virtual_proxy)
    }

    /// Returns the proxy services of a site that are wanted, and the wanted names that match none of them.
    pub(super) fn proxies<'a>(&self, topology: &'a Topology) -> (Vec<&'a ProxyPlan>, Vec<&str>) {
        let plans = &topology.proxies;
        if self.proxies.is_empty() {
            return (plans.iter().collect(), Vec::new());
        }
        let mut wanted = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in &self.proxies {
            let matching = best_matches(name, plans, names);
            if matching.is_empty() {
                unknown.push(name.as_str());
            }
            wanted.extend(matching);
        }
        (wanted.into_iter().filter_map(|index| plans.get(index)).collect(), unknown)
    }
}

/// Returns the names of a proxy service, its label first.
fn names(plan: &ProxyPlan) -> Vec<&str> {
    let found = plan.found.as_ref().map(|found| [&*found.name, &*found.host]);
    [&*plan.name, &*plan.host].into_iter().chain(found.into_iter().flatten()).collect()
}

/// Returns the indices of those that a name matches best: as written before without regard to case, and by the first
/// of an item's names before its others.
pub(super) fn best_matches<T>(name: &str, all: &[T], names: impl Fn(&T) -> Vec<&str>) -> Vec<usize> {
    let mut best = None;
    let mut matching = Vec::new();
    for (index, item) in all.iter().enumerate() {
        let Some(rank) = rank(name, &names(item)) else { continue };
        if best.is_none_or(|best| rank < best) {
            best = Some(rank);
            matching.clear();
        }
        if best == Some(rank) {
            matching.push(index);
        }
    }
    matching
}

/// Returns how well a name matches one of several: 0 is best, None not at all.
fn rank(name: &str, names: &[&str]) -> Option<usize> {
    let lower = name.to_lowercase();
    [
        names.first() == Some(&name),
        names.contains(&name),
        names.first().is_some_and(|first| first.to_lowercase() == lower),
        names.iter().any(|other| other.to_lowercase() == lower),
    ]
    .iter()
    .position(|matches| *matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Vec<usize> {
        let all = [["Central", "sense1"], ["central", "sense2"], ["sense1", "sense3"], ["Node3", "sense2"]];
        best_matches(name, &all, |names| names.to_vec())
    }

    #[test]
    fn a_user_in_another_case_is_not_wanted_but_recognised() {
        let users = vec![User::parse(r"lab\strauß").unwrap()];
        let filter = Filter { users, ..Filter::default() };
        for (name, differs) in [(r"LAB\Strauß", true), (r"lab\STRAUSS", true), (r"LAB2\strauß", false)] {
            let user = UserKey::parse(name).unwrap();
            assert!(!filter.wants_user(user), "{name}");
            assert_eq!(filter.wants_but_for_case(user), differs, "{name}");
        }
    }

    #[test]
    fn a_name_as_written_matches_before_any_other() {
        assert_eq!(found("Central"), [0]);
        assert_eq!(found("central"), [1]);
        assert_eq!(found("CENTRAL"), [0, 1]);
        assert_eq!(found("sense1"), [2], "a label before a host name");
        assert_eq!(found("sense2"), [1, 3]);
        assert_eq!(found("SENSE3"), [2]);
        assert_eq!(found("sense"), [0; 0]);
    }
}
