//! Sums of sessions, by virtual proxy and by user of a site.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use foldhash::quality::RandomState;

use super::order::Ordered;
use qlik_sense::{UserKey, VirtualProxy};

/// The sessions of one virtual proxy, summed over all proxy services that answered.
pub struct Total<'r> {
    pub site: &'r str,
    pub virtual_proxy: &'r VirtualProxy,
    pub sessions: usize,
    pub anonymous: usize,
    users: HashSet<UserKey<'r>, RandomState>,
}

impl Total<'_> {
    /// Returns the number of distinct users without anonymous ones.
    pub fn users(&self) -> usize {
        self.users.len()
    }
}

/// Returns the totals in the order of sites and virtual proxies, also of those without a session.
pub fn totals<'r>(sessions: &Ordered<'r>) -> Vec<Total<'r>> {
    let mut totals: BTreeMap<_, Total<'_>> = BTreeMap::new();
    for (pair, sessions) in sessions.pairs() {
        let (site, virtual_proxy) = (&*pair.site, &pair.virtual_proxy);
        let total = totals.entry((site, virtual_proxy)).or_insert_with(|| Total {
            site,
            virtual_proxy,
            sessions: 0,
            anonymous: 0,
            users: HashSet::default(),
        });
        total.sessions += sessions.len();
        for session in sessions.iter() {
            if session.user.is_anonymous() {
                total.anonymous += 1;
            } else {
                total.users.insert(session.user);
            }
        }
    }
    totals.into_values().collect()
}

/// The users who have reached the session limit, summed over the pairs of each site that answered.
pub struct AtLimit<'r>(HashSet<(&'r str, UserKey<'r>), RandomState>);

impl<'r> AtLimit<'r> {
    pub fn new(sessions: &Ordered<'r>, limit: NonZeroU32) -> Self {
        let mut counts: HashMap<(&str, UserKey<'_>), u32, RandomState> = HashMap::default();
        for (pair, sessions) in sessions.pairs() {
            for session in sessions.iter().filter(|session| !session.user.is_anonymous()) {
                *counts.entry((&*pair.site, session.user)).or_default() += 1;
            }
        }
        Self(counts.into_iter().filter(|(_, count)| *count >= limit.get()).map(|(user, _)| user).collect())
    }

    pub fn contains(&self, site: &str, user: UserKey<'_>) -> bool {
        self.0.contains(&(site, user))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}
