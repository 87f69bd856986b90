//! What a scrape must have of the simulator's own sessions, counted the plain way.

use std::collections::{BTreeMap, BTreeSet};

use qlik_sense_simulator::Session;

use super::scrape::{Labels, Scrape, labels};
use super::site::{Pair, SITE, Site, proxy, virtual_proxy};

/// The metrics that count sessions and users.
const COUNTS: [&str; 7] = [
    "qlik_proxy_sessions",
    "qlik_proxy_users",
    "qlik_proxy_anonymous_sessions",
    "qlik_user_sessions",
    "qlik_site_users",
    "qlik_site_users_with_sessions",
    "qlik_site_users_at_session_limit",
];

pub type Counts = BTreeMap<&'static str, BTreeMap<Labels, f64>>;

/// A user, and the sessions on each pair.
type Users = BTreeMap<(String, String), BTreeMap<Pair, usize>>;

/// What the scrape has.
pub fn counts(scrape: &Scrape) -> Counts {
    COUNTS.into_iter().map(|name| (name, scrape.series(name))).collect()
}

/// What it must have when these pairs answer, with the default settings for users.
pub fn expected(site: &Site, answering: &[Pair]) -> Counts {
    let sessions = |pair: &Pair| (*pair, site.simulator.sessions(pair.0, pair.1));
    expected_of(&answering.iter().map(sessions).collect::<Vec<_>>())
}

/// The same when these pairs answer with these sessions.
pub fn expected_of(answering: &[(Pair, Vec<Session>)]) -> Counts {
    let mut users = Users::new();
    let mut found: Counts = COUNTS.into_iter().map(|name| (name, BTreeMap::new())).collect();
    let mut set = |name, labels, value: usize| {
        found.get_mut(name).unwrap().insert(labels, value as f64);
    };
    for (pair, sessions) in answering {
        let (mut anonymous, mut here) = (0, BTreeSet::new());
        for session in sessions {
            if session.user_directory == "NONE" && session.user_id.starts_with("anonymous") {
                anonymous += 1;
                continue;
            }
            let user = (session.user_directory.clone(), session.user_id.clone());
            *users.entry(user.clone()).or_default().entry(*pair).or_default() += 1;
            here.insert(user);
        }
        set("qlik_proxy_sessions", pair_labels(*pair), sessions.len());
        set("qlik_proxy_anonymous_sessions", pair_labels(*pair), anonymous);
        set("qlik_proxy_users", pair_labels(*pair), here.len());
    }
    for (user, pairs) in &users {
        for (pair, sessions) in pairs {
            set("qlik_user_sessions", user_labels(*pair, &user.0, &user.1), *sessions);
        }
    }
    if !answering.is_empty() {
        let with = |least| users.values().filter(|pairs| pairs.values().sum::<usize>() >= least).count();
        set("qlik_site_users", labels([("site", SITE)]), users.len());
        set("qlik_site_users_at_session_limit", labels([("site", SITE)]), with(5));
        for least in 1..=5 {
            let at_least = least.to_string();
            set(
                "qlik_site_users_with_sessions",
                labels([("site", SITE), ("at_least", &at_least)]),
                with(least),
            );
        }
    }
    found
}

pub fn pair_labels((node, prefix): Pair) -> Labels {
    labels([("site", SITE), ("proxy", &proxy(node)), ("virtual_proxy", &virtual_proxy(prefix))])
}

pub fn user_labels(pair: Pair, directory: &str, id: &str) -> Labels {
    let mut found = pair_labels(pair);
    found.extend(labels([("user_directory", directory), ("user_id", id)]));
    found
}

/// The value of a metric for one pair.
pub fn of_pair(scrape: &Scrape, name: &str, pair: Pair) -> Option<f64> {
    scrape.series(name).get(&pair_labels(pair)).copied()
}

/// The pairs that have a series of this name, by their labels.
pub fn pairs_of(scrape: &Scrape, name: &str) -> BTreeSet<Labels> {
    scrape.series(name).into_keys().collect()
}

/// The labels of these pairs.
pub fn all_labels(pairs: &[Pair]) -> BTreeSet<Labels> {
    pairs.iter().map(|pair| pair_labels(*pair)).collect()
}

/// The failures counted for a pair, by reason; those with none are left out.
pub fn failures(scrape: &Scrape, pair: Pair) -> BTreeMap<String, f64> {
    let here = pair_labels(pair);
    let all = scrape.series("qlik_proxy_query_failures_total");
    let of_pair = |labels: &Labels| here.iter().all(|(label, value)| labels.get(label) == Some(value));
    all.into_iter()
        .filter(|(labels, value)| of_pair(labels) && *value > 0.0)
        .map(|(mut labels, value)| (labels.remove("reason").unwrap_or_default(), value))
        .collect()
}
