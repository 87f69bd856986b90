//! Users and sessions generated from a seed.

use std::sync::Arc;

use fastrand::Rng;

use crate::ids::uuid;
use crate::options::Options;
use crate::session::User;
use crate::site::Site;

/// Qlik's limit of sessions per user.
const SESSION_LIMIT: usize = 5;
/// One in this many sessions is an anonymous visitor's.
const ANONYMOUS_RATIO: usize = 12;

const DIRECTORIES: [&str; 4] = ["LAB", "CORP", "CORP", "PARTNER"];
const FIRST_NAMES: [&str; 16] = [
    "anna", "bengt", "carla", "dmitri", "elif", "femi", "grete", "hiro", "ines", "jonas", "katya", "liam",
    "mei", "noor", "óscar", "zoë",
];
const LAST_NAMES: [&str; 14] = [
    "berg",
    "costa",
    "dubois",
    "eriksen",
    "fontaine",
    "garcía",
    "hansen",
    "ivanova",
    "jensen",
    "kaya",
    "müller",
    "nakamura",
    "o'brien",
    "de la cruz",
];
const GROUPS: [&str; 8] =
    ["Finance", "Sales", "EMEA", "APAC", "Developers", "Controlling", "Human Resources", "Everyone"];

/// The users who may start sessions.
pub(super) struct Population {
    users: Vec<Arc<User>>,
    /// How many sessions a user may have: Qlik's limit, or more if the options require it.
    pub limit: usize,
    pub rng: Rng,
}

/// Where a session starts.
pub(super) struct Location {
    /// The index of a node among those with links.
    pub node: usize,
    /// The index of a virtual proxy of the site.
    pub virtual_proxy: usize,
}

impl Location {
    /// Returns the index among this number of links of the node. If the node links fewer virtual proxies than the site
    /// has, the session starts at another one.
    pub fn link(&self, links: usize) -> usize {
        self.virtual_proxy % links.max(1)
    }
}

/// Creates the site of these options with its first sessions, and the users who may start more.
pub(super) fn create_site(options: &Options) -> (Site, Population) {
    // One generator for each purpose, so that for instance more users change nothing else of the site.
    let mut seeds = Rng::with_seed(options.seed);
    let ids = seeds.fork();
    let mut user_rng = seeds.fork();
    let rng = seeds.fork();

    let site = Site::new(options.host, options.latency, ids);
    for prefix in options.prefixes() {
        site.add_virtual_proxy(prefix);
    }
    for index in 0..usize::from(options.nodes) {
        let links = options.links.get(index).map(|links| stored(links));
        site.add_node(options.host_names.get(index).map(String::as_str), links.as_deref());
    }

    let users = (0..options.users).map(|number| Arc::new(user(number, &mut user_rng))).collect();
    let limit = SESSION_LIMIT.max(options.sessions.div_ceil(options.users.max(1)));
    let mut population = Population { users, limit, rng };
    population.open_first_sessions(&site, options.sessions);
    (site, population)
}

impl Population {
    /// Returns a random user; `None` if there are only visitors.
    pub fn random_user(&mut self) -> Option<Arc<User>> {
        let index = self.rng.usize(..self.users.len().max(1));
        self.users.get(index).cloned()
    }

    /// Decides at random whether the next session is a visitor's.
    pub fn next_is_visitor(&mut self) -> bool {
        self.users.is_empty() || self.rng.usize(..ANONYMOUS_RATIO) == 0
    }

    /// Returns a new anonymous visitor.
    pub fn new_visitor(&mut self) -> Arc<User> {
        Arc::new(User {
            directory: "NONE".into(),
            id: format!("anonymous{}", uuid(&mut self.rng)).into(),
            name: None,
            attributes: Vec::new(),
        })
    }

    /// Returns a new session id.
    pub fn session_id(&mut self) -> Box<str> {
        uuid(&mut self.rng)
    }

    /// Chooses where a session starts: at any node, and at the first virtual proxies more often than at the last.
    pub fn location(&mut self, nodes: usize, virtual_proxies: usize) -> Location {
        let any = ..virtual_proxies.max(1);
        let virtual_proxy = self.rng.usize(any).min(self.rng.usize(any));
        Location { node: self.rng.usize(..nodes.max(1)), virtual_proxy }
    }

    fn open_first_sessions(&mut self, site: &Site, sessions: usize) {
        let visitors = if self.users.is_empty() { sessions } else { sessions / ANONYMOUS_RATIO };
        let counts = self.sessions_per_user(sessions - visitors);
        let nodes = site.linked_pairs();
        let mut tables: Vec<Vec<_>> =
            nodes.iter().map(|pairs| pairs.iter().map(|pair| pair.table()).collect()).collect();
        let pairs = tables.iter().map(Vec::len).sum::<usize>().max(1);
        tables.iter_mut().flatten().for_each(|table| table.reserve(sessions / pairs));

        let (nodes, virtual_proxies) = (nodes.len(), site.virtual_proxies().len());
        let users = std::mem::take(&mut self.users);
        let owners = users.iter().zip(counts).flat_map(|(user, count)| std::iter::repeat_n(user, count));
        for user in owners.map(Some).chain(std::iter::repeat_n(None, visitors)) {
            let user = user.cloned().unwrap_or_else(|| self.new_visitor());
            let location = self.location(nodes, virtual_proxies);
            let id = self.session_id();
            let links = tables.get_mut(location.node).map(Vec::as_mut_slice).unwrap_or_default();
            if let Some(table) = links.get_mut(location.link(links.len())) {
                table.open_for(user, id);
            }
        }
        self.users = users;
    }

    /// Returns how many sessions each user has at the start: most users one or two, some up to the limit, and more only
    /// if there are more sessions than the limit allows.
    fn sessions_per_user(&mut self, sessions: usize) -> Vec<usize> {
        let mut left = sessions;
        let mut counts = Vec::with_capacity(self.users.len());
        for _ in 0..self.users.len() {
            let wanted = match self.rng.u32(..100) {
                0..50 => 1,
                50..72 => 2,
                72..85 => 3,
                85..93 => 4,
                _ => SESSION_LIMIT,
            };
            let count = wanted.min(left);
            left -= count;
            counts.push(count);
        }
        for limit in [SESSION_LIMIT, sessions.div_ceil(self.users.len().max(1))] {
            for count in &mut counts {
                let more = limit.saturating_sub(*count).min(left);
                *count += more;
                left -= more;
            }
        }
        counts
    }
}

/// Returns prefixes as the repository stores them.
fn stored(prefixes: &[String]) -> Vec<String> {
    prefixes.iter().map(|prefix| prefix.trim_matches('/').to_owned()).collect()
}

fn user(number: usize, rng: &mut Rng) -> User {
    let first = choice(&FIRST_NAMES, number);
    let last = choice(&LAST_NAMES, number / FIRST_NAMES.len());
    // A number makes repeated names unique.
    let repetition = number / (FIRST_NAMES.len() * LAST_NAMES.len());
    let id = if repetition == 0 { format!("{first}.{last}") } else { format!("{first}.{last}{repetition}") };
    let mut attributes: Vec<_> = (0..rng.usize(..4))
        .map(|_| ("group".to_owned(), choice(&GROUPS, rng.usize(..GROUPS.len())).to_owned()))
        .collect();
    if rng.u32(..3) == 0 {
        attributes.push(("email".to_owned(), String::new()));
    }
    User {
        directory: choice(&DIRECTORIES, rng.usize(..DIRECTORIES.len())).into(),
        id: id.into(),
        name: (rng.u32(..8) == 0).then(|| format!("{first} {last}").into()),
        attributes,
    }
}

fn choice(words: &[&'static str], number: usize) -> &'static str {
    words.get(number % words.len().max(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::session::Session;

    fn sessions(options: &Options) -> Vec<Vec<Session>> {
        let (site, _) = create_site(options);
        site.pairs().iter().map(|pair| pair.table().all()).collect()
    }

    fn per_user(sessions: Vec<Vec<Session>>) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for session in sessions.into_iter().flatten() {
            *counts.entry((session.user_directory, session.user_id)).or_default() += 1;
        }
        counts
    }

    #[test]
    fn the_same_seed_gives_the_same_sessions() {
        let one = sessions(&Options::default());
        assert_eq!(one, sessions(&Options::default()));
        assert_ne!(one, sessions(&Options { seed: 2, ..Options::default() }));
    }

    #[test]
    fn there_are_as_many_sessions_as_configured_with_unique_ids() {
        for (count, users) in [(0, 45), (1, 45), (80, 0), (80, 45), (2000, 45)] {
            let options = Options { sessions: count, users, ..Options::default() };
            let ids: Vec<_> = sessions(&options).into_iter().flatten().map(|s| s.session_id).collect();
            assert_eq!(ids.len(), count, "{count} {users}");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), count, "{count} {users}");
        }
    }

    #[test]
    fn some_users_are_at_the_limit_and_none_above_it() {
        let most = per_user(sessions(&Options::default())).into_values().max();
        assert_eq!(most, Some(SESSION_LIMIT));
    }

    #[test]
    fn sessions_above_the_limit_are_spread_over_all_users() {
        let options = Options { sessions: 1200, users: 10, ..Options::default() };
        let counts = per_user(sessions(&options));
        let users: Vec<_> = counts.iter().filter(|((d, _), _)| d != "NONE").map(|(_, n)| *n).collect();
        assert_eq!(users, [110; 10]);
    }

    #[test]
    fn every_pair_of_a_larger_site_has_sessions_and_some_are_of_visitors() {
        let options = Options { sessions: 600, users: 300, nodes: 3, ..Options::default() };
        let found = sessions(&options);
        assert_eq!(found.len(), 9);
        assert!(found.iter().all(|pair| !pair.is_empty()));
        assert!(found.iter().flatten().any(|s| s.user_id.starts_with("anonymous")));
    }

    #[test]
    fn user_names_are_unique() {
        let mut rng = Rng::with_seed(1);
        let ids: BTreeSet<_> = (0..10_000).map(|number| user(number, &mut rng).id).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
