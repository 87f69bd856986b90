//! Starts and ends sessions continuously.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::population::Population;
use crate::session::User;
use crate::site::{Pair, Site};

/// The most steps of one tick, so that it never blocks a worker for long.
const STEPS_AT_ONCE: usize = 2_000;
/// How many users are tried until one is found who may start another session.
const TRIES: usize = 8;

/// Starts `rate` sessions per second and ends as many, on average, and keeps the total near `target`. Runs until its
/// task is aborted.
pub(super) async fn run(site: Arc<Site>, mut population: Population, rate: f64, target: usize) {
    let per_second = rate * 2.0;
    let period = Duration::from_secs_f64((1.0 / per_second).clamp(0.01, 1.0));
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut due, mut before) = (0.0, Instant::now());
    loop {
        let now = ticks.tick().await;
        due += now.saturating_duration_since(before).as_secs_f64() * per_second;
        before = now;
        let steps = (due as usize).min(STEPS_AT_ONCE);
        due = if steps == STEPS_AT_ONCE { 0.0 } else { due - steps as f64 };
        if steps > 0 {
            step(&site, &mut population, target, steps);
        }
    }
}

fn step(site: &Site, population: &mut Population, target: usize, steps: usize) {
    let nodes = site.linked_pairs();
    let virtual_proxies = site.virtual_proxies().len();
    let pairs: Vec<_> = nodes.iter().flatten().collect();
    let mut total: usize = pairs.iter().map(|pair| pair.table().len()).sum();
    for _ in 0..steps {
        // The chance of a start is 50 % at the target, 100 % a tenth below and 0 % a tenth above.
        let missing = (target as f64 - total as f64) / (target as f64 / 10.0 + 1.0);
        if population.rng.f64() < 0.5 + missing / 2.0 {
            let location = population.location(nodes.len(), virtual_proxies);
            let user = next_user(&pairs, population, total);
            let id = population.session_id();
            let links = nodes.get(location.node).map(Vec::as_slice).unwrap_or_default();
            if let Some(pair) = links.get(location.link(links.len())) {
                pair.table().open_for(user, id);
                total += 1;
            }
        } else if let Some((pair, index)) = any_session(&pairs, population, total) {
            pair.table().close_at(index);
            total = total.saturating_sub(1);
        }
    }
}

/// Chooses the user of a new session: a visitor, a random user, or, as often, a user who has a session already, so
/// that some reach the limit.
fn next_user(pairs: &[&Arc<Pair>], population: &mut Population, total: usize) -> Arc<User> {
    if population.next_is_visitor() {
        return population.new_visitor();
    }
    for _ in 0..TRIES {
        let present = population.rng.bool().then(|| any_session(pairs, population, total)).flatten();
        let present = present.and_then(|(pair, index)| pair.table().user_at(index));
        let present = present.filter(|user| *user.directory != *"NONE");
        let Some(user) = present.or_else(|| population.random_user()) else { break };
        let sessions: usize = pairs.iter().map(|pair| pair.table().count_of(&user)).sum();
        if sessions < population.limit {
            return user;
        }
    }
    // Nearly all users are at the limit.
    population.new_visitor()
}

/// Chooses a random session: its pair and its position there.
fn any_session<'a>(
    pairs: &[&'a Arc<Pair>],
    population: &mut Population,
    total: usize,
) -> Option<(&'a Arc<Pair>, usize)> {
    let mut index = population.rng.usize(..total.max(1));
    for pair in pairs {
        let length = pair.table().len();
        if index < length {
            return Some((pair, index));
        }
        index -= length;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::options::Options;
    use crate::population;

    fn totals(options: &Options, rounds: usize) -> (Site, Vec<usize>) {
        let (site, mut population) = population::create_site(options);
        let totals = (0..rounds).map(|_| {
            step(&site, &mut population, options.sessions, 1);
            site.pairs().iter().map(|pair| pair.table().len()).sum()
        });
        let totals = totals.collect();
        (site, totals)
    }

    #[test]
    fn the_total_moves_and_stays_near_the_start() {
        let (_, totals) = totals(&Options::default(), 5000);
        assert!(totals.iter().all(|total| (70..=90).contains(total)), "{totals:?}");
        assert!(totals.iter().any(|total| *total != 80));
    }

    #[test]
    fn some_users_reach_the_limit_and_none_exceeds_it() {
        let (site, _) = totals(&Options::default(), 5000);
        let mut counts = BTreeMap::new();
        for session in site.pairs().iter().flat_map(|pair| pair.table().all()) {
            *counts.entry((session.user_directory, session.user_id)).or_insert(0) += 1;
        }
        assert_eq!(counts.into_values().max(), Some(5));
    }

    #[test]
    fn visitors_start_and_end_sessions_on_a_site_without_users() {
        let (_, totals) = totals(&Options { users: 0, sessions: 10, ..Options::default() }, 500);
        assert!(totals.iter().all(|total| (7..=13).contains(total)), "{totals:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fractional_rate_is_kept_over_time() {
        let options = Options { sessions: 0, users: 5, ..Options::default() };
        let (site, population) = population::create_site(&options);
        let site = Arc::new(site);
        // The target is out of reach, so every step starts a session: 2 steps per second and unit of the rate.
        let task = tokio::spawn(run(site.clone(), population, 0.25, 1_000_000));
        tokio::time::sleep(Duration::from_secs(100)).await;
        task.abort();
        let total: usize = site.pairs().iter().map(|pair| pair.table().len()).sum();
        assert!((48..=50).contains(&total), "{total}");
    }
}
