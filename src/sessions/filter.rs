//! Which sessions are wanted: where to ask, and selection.

use crate::config::folded;
use crate::site::topology::{ProxyPlan, Topology};
use qlik_sense::types::UserError;
use qlik_sense::{UserKey, VirtualProxy};

/// Which sessions are wanted; an empty list leaves all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By their names.
    pub sites: Vec<String>,
    /// By their labels or host names.
    pub proxies: Vec<String>,
    pub virtual_proxies: Vec<VirtualProxy>,
    pub users: Vec<User>,
}

/// What is wanted of each session. What is not wanted is neither decoded nor kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// DeleteSelection it is, and its id.
    Counted,
    /// The user's name, too.
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
    /// Reads `DIRECTORY\ID`, see [`UserKey::parse`].
    pub fn parse(text: &str) -> Result<Self, UserError> {
        UserKey::parse(text).map(Self::from)
    }

    pub fn key(&self) -> UserKey<'_> {
        UserKey { directory: &self.directory, id: &self.id }
    }

    /// Whether the other's name differs by case at most. Asked of every row of a list: it copies nothing, and looks at
    /// the ids first, for directories are few.
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
    /// Whether this user's sessions are wanted. Case counts: whether Qlik tells users apart by it is not known.
    pub fn wants_user(&self, user: UserKey<'_>) -> bool {
        self.users.is_empty() || self.users.iter().any(|wanted| wanted.key() == user)
    }

    /// Whether the name of somebody who is not wanted differs by case alone from that of one who is.
    pub(super) fn wants_but_for_case(&self, user: UserKey<'_>) -> bool {
        self.users.iter().any(|wanted| wanted.is_but_for_case(user))
    }

    pub(super) fn wants_virtual_proxy(&self, virtual_proxy: &VirtualProxy) -> bool {
        self.virtual_proxies.is_empty() || self.virtual_proxies.contains(virtual_proxy)
    }

    /// The proxy services of a site that are wanted, and the wanted names that fit none of them.
    pub(super) fn proxies<'a>(&self, topology: &'a Topology) -> (Vec<&'a ProxyPlan>, Vec<&str>) {
        let plans = &topology.proxies;
        if self.proxies.is_empty() {
            return (plans.iter().collect(), Vec::new());
        }
        let fitting: Vec<_> = self.proxies.iter().map(|name| (name, fitting(name, plans, names))).collect();
        let unknown = fitting.iter().filter(|(_, places)| places.is_empty()).map(|(name, _)| name.as_str());
        let is_wanted = |place: &usize| fitting.iter().any(|(_, places)| places.contains(place));
        let wanted = (0..).zip(plans).filter(|(place, _)| is_wanted(place)).map(|(_, plan)| plan);
        (wanted.collect(), unknown.collect())
    }
}

/// By which a proxy service can be named, its label first.
fn names(plan: &ProxyPlan) -> Vec<&str> {
    let found = plan.found.as_ref().map(|found| [&*found.name, &*found.host]);
    [&*plan.name, &*plan.host].into_iter().chain(found.into_iter().flatten()).collect()
}

/// The places of those that a name fits best: as written before without regard to case, and by each one's first
/// name before its others.
pub(super) fn fitting<T>(name: &str, all: &[T], names: impl Fn(&T) -> Vec<&str>) -> Vec<usize> {
    let lower = name.to_lowercase();
    let fit = |one: &T| {
        let names = names(one);
        let alike = |other: &&str| other.to_lowercase() == lower;
        [
            names.first() == Some(&name),
            names.contains(&name),
            names.first().is_some_and(alike),
            names.iter().any(alike),
        ]
        .iter()
        .position(|fits| *fits)
    };
    let fits: Vec<Option<usize>> = all.iter().map(fit).collect();
    let best = fits.iter().flatten().min();
    (0..)
        .zip(&fits)
        .filter(|(_, fit)| best.is_some() && fit.as_ref() == best)
        .map(|(place, _)| place)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Vec<usize> {
        let all = [["Central", "sense1"], ["central", "sense2"], ["sense1", "sense3"], ["Node3", "sense2"]];
        fitting(name, &all, |names| names.to_vec())
    }

    #[test]
    fn a_user_in_another_case_is_not_wanted_and_known_as_that() {
        let users = vec![User::parse(r"lab\strauß").unwrap()];
        let filter = Filter { users, ..Filter::default() };
        for (name, differs) in [(r"LAB\Strauß", true), (r"lab\STRAUSS", true), (r"LAB2\strauß", false)] {
            let user = UserKey::parse(name).unwrap();
            assert!(!filter.wants_user(user), "{name}");
            assert_eq!(filter.wants_but_for_case(user), differs, "{name}");
        }
    }

    #[test]
    fn a_name_is_taken_as_written_before_anything_else() {
        assert_eq!(found("Central"), [0]);
        assert_eq!(found("central"), [1]);
        assert_eq!(found("CENTRAL"), [0, 1]);
        assert_eq!(found("sense1"), [2], "a label before a host name");
        assert_eq!(found("sense2"), [1, 3]);
        assert_eq!(found("SENSE3"), [2]);
        assert_eq!(found("sense"), [0; 0]);
    }
}
