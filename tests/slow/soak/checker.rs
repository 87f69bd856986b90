//! Whether a scrape has what was sent, exactly.
//!
//! One scraper, and nothing kept (`cache_ttl = "0s"`): a pair that is up was answered in this scrape, or by a
//! query of an earlier one that had given up. Nothing is queried between two scrapes, so that the last list that
//! was sent in full is the one that was used. A pair is *settled* when no query of it can be under way: then it
//! is known which fault the next one meets, and its outcome is the specification's, with nothing left open.

use std::collections::{BTreeMap, BTreeSet};

use qlik_sense_simulator::{Counts, Delivery, Fault};

use crate::support::expected::{failures, of_pair, pair_labels};
use crate::support::faults::{Outcome, SPECIFICATION};
use crate::support::scrape::{Labels, Scrape};
use crate::support::site::{Pair, SITE};

/// How long a scrape waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For every query's end.
    Complete,
    /// Shorter than a query may take: a pair that has not answered is down, without a failure.
    MayGiveUp,
}

#[derive(Default)]
pub struct Checker {
    /// Answers that were compared so far.
    pub compared: u64,
    corrupt: Option<u64>,
    scrapes: u64,
    pairs: BTreeMap<Pair, State>,
    /// Every counter as it was.
    counters: BTreeMap<(String, Labels), f64>,
}

/// What is known of a pair between two scrapes.
#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// What a query under way may have met; empty: none is under way.
    earlier: Vec<Option<Fault>>,
    /// What this scrape's query may meet; only one when none was under way before.
    possible: Vec<Option<Fault>>,
    /// Connections were cut, which fails a query that is on its way, or begins before the exporter notices.
    cut: bool,
    /// Lists sent in full when the last good answer was used.
    bodies: u64,
    /// Sessions less those that have started and not ended: the same at each good answer.
    baseline: Option<f64>,
}

/// The figures of one pair in one scrape.
struct Figures {
    up: Option<f64>,
    sessions: Option<f64>,
    users: Option<f64>,
    anonymous: Option<f64>,
    /// Sessions by user.
    by_user: BTreeMap<Labels, f64>,
    queries: f64,
    failures: BTreeMap<String, f64>,
}

impl Checker {
    /// `corrupt`: the scrape of which one count is made wrong.
    pub fn new(corrupt: Option<u64>) -> Self {
        Self { corrupt, ..Self::default() }
    }

    /// A pair meets this from now on. `cut`: its connections were cut.
    pub fn set(&mut self, pair: Pair, fault: Option<Fault>, cut: bool) {
        let state = self.pairs.entry(pair).or_default();
        state.fault = fault;
        state.cut |= cut;
        if !state.earlier.is_empty() {
            state.earlier.push(fault);
        }
    }

    /// A scrape begins.
    pub fn begin(&mut self) {
        for state in self.pairs.values_mut() {
            state.possible = std::mem::take(&mut state.earlier);
            state.possible.push(state.fault);
        }
    }

    /// Whether no query can be under way.
    pub fn all_settled(&self) -> bool {
        self.pairs.values().all(|state| state.earlier.is_empty())
    }

    /// A scrape has ended: what does not fit.
    pub fn check(&mut self, kind: Kind, scrape: &Scrape, sent: &BTreeMap<Pair, Delivery>) -> Vec<String> {
        self.scrapes += 1;
        let mut wrong = Vec::new();
        let mut corrupt = self.corrupt == Some(self.scrapes);
        let earlier = std::mem::take(&mut self.counters);
        for (&pair, delivery) in sent {
            let figures = Figures::of(scrape, pair, &earlier);
            let mut last = delivery.last.unwrap_or_default();
            if corrupt && figures.up == Some(1.0) {
                last.sessions += 1;
                corrupt = false;
            }
            let state = self.pairs.entry(pair).or_default();
            if state.possible.is_empty() {
                state.possible.push(state.fault);
            }
            let found = match figures.up {
                Some(1.0) => {
                    self.compared += 1;
                    state.check_up(scrape, pair, &figures, last, delivery.full_bodies)
                }
                Some(0.0) => figures.check_down(),
                other => vec![format!("up is {other:?}")],
            };
            wrong.extend(found.into_iter().chain(state.check_outcome(kind, &figures)).map(|what| {
                format!("{pair:?} that meets {:?} (cut: {}): {what}", state.possible, state.cut)
            }));
            state.settle(kind, &figures);
        }
        wrong.extend(check_site(scrape));
        self.counters = counters(scrape);
        wrong.extend(check_counters(&earlier, &self.counters));
        wrong
    }
}

impl State {
    /// The counts are those of the last list sent in full, which is a new one.
    fn check_up(
        &mut self,
        scrape: &Scrape,
        pair: Pair,
        figures: &Figures,
        sent: Counts,
        bodies: u64,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let found = (figures.sessions, figures.users, figures.anonymous);
        let expected = (sent.sessions, sent.users, sent.anonymous_sessions);
        let expected = [expected.0, expected.1, expected.2].map(|count| Some(count as f64));
        if [found.0, found.1, found.2] != expected {
            wrong.push(format!("counts {found:?}, sent were {sent:?}"));
        }
        let by_user = (figures.by_user.len(), figures.by_user.values().sum::<f64>());
        if by_user != (sent.users, (sent.sessions - sent.anonymous_sessions) as f64) {
            wrong.push(format!("users and their sessions {by_user:?}, sent were {sent:?}"));
        }
        if bodies <= self.bodies {
            wrong.push(format!("up without a new list: {bodies} sent in full, {} before", self.bodies));
        }
        self.bodies = bodies;
        if !self.possible.iter().any(|fault| outcomes(*fault).contains(&Outcome::Up)) {
            wrong.push("up".to_owned());
        }
        let twice = self.possible.contains(&Some(Fault::DuplicateIds));
        if !twice || self.possible.iter().all(|fault| *fault == Some(Fault::DuplicateIds)) {
            let distinct = sent.sessions / if twice { 2 } else { 1 };
            let total = |name| of_pair(scrape, name, pair).unwrap_or(f64::NAN);
            let began = total("qlik_proxy_sessions_started_total") - total("qlik_proxy_sessions_ended_total");
            let baseline = distinct as f64 - began;
            if *self.baseline.get_or_insert(baseline) != baseline {
                wrong.push(format!(
                    "{distinct} sessions with {began} more started than ended: the first answer had {:?}",
                    self.baseline
                ));
            }
        }
        wrong
    }

    /// Up or down, queries and failures are the specification's.
    fn check_outcome(&self, kind: Kind, figures: &Figures) -> Vec<String> {
        let mut wrong = Vec::new();
        let outcomes: Vec<_> = self.possible.iter().flat_map(|fault| outcomes(*fault)).collect();
        let fits = |reason: &str| {
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Fails(its) if *its == reason))
                || self.cut && ["connect", "decode", "tls"].contains(&reason)
        };
        for (reason, count) in &figures.failures {
            // One of a query that was under way, and one of this scrape's own.
            if !fits(reason) || *count > self.possible.len().min(2) as f64 {
                wrong.push(format!("{count} failures with {reason}"));
            }
        }
        let failed: f64 = figures.failures.values().sum();
        if kind == Kind::Complete && figures.up == Some(0.0) && failed == 0.0 {
            wrong.push("down without a failure".to_owned());
        }
        if let (Kind::Complete, [fault]) = (kind, &self.possible[..]) {
            if figures.queries != 1.0 {
                wrong.push(format!("{} queries", figures.queries));
            }
            let up = figures.up == Some(1.0);
            if up == (failed == 1.0) {
                wrong.push(format!("{failed} failures, up is {:?}", figures.up));
            }
            if !up && self::outcomes(*fault) == [Outcome::Up] && !self.cut {
                wrong.push("down".to_owned());
            }
        }
        wrong
    }

    fn settle(&mut self, kind: Kind, figures: &Figures) {
        if kind == Kind::Complete || figures.up == Some(1.0) {
            self.cut = false;
            self.possible.clear();
        }
        self.earlier = std::mem::take(&mut self.possible);
    }
}

impl Figures {
    fn of(scrape: &Scrape, pair: Pair, earlier: &BTreeMap<(String, Labels), f64>) -> Self {
        let value = |name| of_pair(scrape, name, pair);
        let here = pair_labels(pair);
        let is_here = |labels: &Labels| here.iter().all(|(label, value)| labels.get(label) == Some(value));
        let mut by_user = scrape.series("qlik_user_sessions");
        by_user.retain(|labels, _| is_here(labels));
        let before =
            |name: &str, labels: Labels| earlier.get(&(name.to_owned(), labels)).copied().unwrap_or_default();
        let mut failures = failures(scrape, pair);
        for (reason, count) in &mut failures {
            let mut labels = here.clone();
            labels.insert("reason".to_owned(), reason.clone());
            *count -= before("qlik_proxy_query_failures_total", labels);
        }
        failures.retain(|_, count| *count != 0.0);
        let queries = value("qlik_proxy_queries_total").unwrap_or(f64::NAN);
        Self {
            up: value("qlik_proxy_up"),
            sessions: value("qlik_proxy_sessions"),
            users: value("qlik_proxy_users"),
            anonymous: value("qlik_proxy_anonymous_sessions"),
            by_user,
            queries: queries - before("qlik_proxy_queries_total", here),
            failures,
        }
    }

    /// No old number.
    fn check_down(&self) -> Vec<String> {
        let gauges = [self.sessions, self.users, self.anonymous];
        let there = gauges.iter().any(Option::is_some) || !self.by_user.is_empty();
        if there { vec![format!("down with figures {gauges:?}")] } else { Vec::new() }
    }
}

/// What a query that meets this may come to.
fn outcomes(fault: Option<Fault>) -> Vec<Outcome> {
    let Some(fault) = fault else { return vec![Outcome::Up] };
    let row = SPECIFICATION.iter().find(|(text, _)| text.parse() == Ok(fault));
    let outcome = row.map_or(Outcome::Up, |(_, outcome)| *outcome);
    if fault == Fault::EverySecond { vec![outcome, Outcome::Up] } else { vec![outcome] }
}

/// The site's figures are the sums of its pairs'.
fn check_site(scrape: &Scrape) -> Vec<String> {
    let mut users: BTreeMap<_, f64> = BTreeMap::new();
    for (mut labels, sessions) in scrape.series("qlik_user_sessions") {
        *users.entry((labels.remove("user_directory"), labels.remove("user_id"))).or_default() += sessions;
    }
    let site = [("site", SITE)];
    let any_up = scrape.sum("qlik_proxy_up", &[]) > 0.0;
    let with = |least: usize| users.values().filter(|sessions| **sessions >= least as f64).count() as f64;
    let mut expected =
        vec![("qlik_site_users", vec![], with(0)), ("qlik_site_users_at_session_limit", vec![], with(5))];
    let levels = ["1", "2", "3", "4", "5"];
    expected.extend(
        (1..)
            .zip(levels)
            .map(|(least, level)| ("qlik_site_users_with_sessions", vec![("at_least", level)], with(least))),
    );
    let wrong = expected.into_iter().filter_map(|(name, more, value)| {
        let found = scrape.value(name, &[&site[..], &more].concat());
        let expected = any_up.then_some(value);
        (found != expected).then(|| format!("{name}{more:?} is {found:?}, not {expected:?}"))
    });
    wrong.collect()
}

fn counters(scrape: &Scrape) -> BTreeMap<(String, Labels), f64> {
    let names: BTreeSet<_> = scrape.names().into_iter().filter(|name| name.ends_with("_total")).collect();
    let all = names.into_iter().flat_map(|name| {
        scrape.series(name).into_iter().map(move |(labels, value)| ((name.to_owned(), labels), value))
    });
    all.collect()
}

/// No counter falls or goes.
fn check_counters(
    earlier: &BTreeMap<(String, Labels), f64>,
    now: &BTreeMap<(String, Labels), f64>,
) -> Vec<String> {
    let fallen = earlier.iter().filter(|(series, before)| now.get(series).is_none_or(|now| now < before));
    fallen.map(|(series, before)| format!("{series:?} was {before}, is {:?}", now.get(series))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair = (1, "");
    const WELL: [(&str, &str); 4] =
        [("up", "1"), ("sessions", "5"), ("users", "2"), ("anonymous_sessions", "1")];
    const DOWN: [(&str, &str); 1] = [("up", "0")];

    /// A scrape of one pair: gauges, queries, failures by timeout, sessions that started.
    fn scrape(gauges: &[(&str, &str)], queries: u64, timeouts: u64, started: u64) -> Scrape {
        let pair = format!("site=\"{SITE}\",proxy=\"Central\",virtual_proxy=\"/\"");
        let mut text = String::new();
        for (name, value) in gauges {
            text += &format!("# TYPE qlik_proxy_{name} gauge\nqlik_proxy_{name}{{{pair}}} {value}\n");
        }
        for (name, labels, value) in [
            ("queries", pair.clone(), queries),
            ("query_failures", format!("{pair},reason=\"timeout\""), timeouts),
            ("sessions_started", pair.clone(), started),
            ("sessions_ended", pair.clone(), 0),
        ] {
            text += &format!(
                "# TYPE qlik_proxy_{name}_total counter\nqlik_proxy_{name}_total{{{labels}}} {value}\n"
            );
        }
        if gauges.len() > 1 {
            text += "# TYPE qlik_user_sessions gauge\n";
            for (user, sessions) in [("anna", 3), ("bob", 1)] {
                text += &format!(
                    "qlik_user_sessions{{{pair},user_directory=\"LAB\",user_id=\"{user}\"}} {sessions}\n"
                );
            }
            text += &format!(
                "# TYPE qlik_site_users gauge\nqlik_site_users{{site=\"{SITE}\"}} 2\n\
                 # TYPE qlik_site_users_at_session_limit gauge\n\
                 qlik_site_users_at_session_limit{{site=\"{SITE}\"}} 0\n\
                 # TYPE qlik_site_users_with_sessions gauge\n"
            );
            for (least, users) in [(1, 2), (2, 1), (3, 1), (4, 0), (5, 0)] {
                text += &format!(
                    "qlik_site_users_with_sessions{{site=\"{SITE}\",at_least=\"{least}\"}} {users}\n"
                );
            }
        }
        Scrape::classic(&text)
    }

    fn sent(full_bodies: u64, sessions: usize) -> BTreeMap<Pair, Delivery> {
        let last = Some(Counts { sessions, users: 2, anonymous_sessions: 1 });
        [(PAIR, Delivery { full_bodies, last, finishing: 0 })].into()
    }

    /// What does not fit in the last of these scrapes; the first is right, and the only one compared so far.
    fn second(
        checker: &mut Checker,
        kind: Kind,
        scrape: &Scrape,
        sent: &BTreeMap<Pair, Delivery>,
    ) -> Vec<String> {
        checker.begin();
        checker.check(kind, scrape, sent)
    }

    fn after_one() -> Checker {
        let mut checker = Checker::new(None);
        assert_eq!(second(&mut checker, Kind::Complete, &scrape(&WELL, 1, 0, 0), &sent(1, 5)), [""; 0]);
        checker
    }

    #[test]
    fn a_scrape_of_what_was_sent_matches() {
        let next = scrape(&WELL, 2, 0, 0);
        assert_eq!(second(&mut after_one(), Kind::Complete, &next, &sent(2, 5)), [""; 0]);
    }

    #[test]
    fn a_corrupted_count_is_caught() {
        let mut checker = Checker::new(Some(1));
        let wrong = second(&mut checker, Kind::Complete, &scrape(&WELL, 1, 0, 0), &sent(1, 5));
        assert!(wrong[0].contains("counts (Some(5.0), Some(2.0), Some(1.0)), sent were"), "{wrong:?}");
        let next = second(&mut checker, Kind::Complete, &scrape(&WELL, 2, 0, 0), &sent(2, 5));
        assert!(next.iter().all(|what| !what.contains("counts")), "only one is: {next:?}");
    }

    #[test]
    fn one_session_more_or_less_than_was_sent_is_caught() {
        for sessions in [4, 6] {
            let next = scrape(&WELL, 2, 0, 0);
            let wrong = second(&mut after_one(), Kind::Complete, &next, &sent(2, sessions));
            assert!(wrong.iter().any(|what| what.contains("counts")), "{wrong:?}");
        }
    }

    #[test]
    fn an_old_list_is_caught() {
        let next = scrape(&WELL, 2, 0, 0);
        let wrong = second(&mut after_one(), Kind::Complete, &next, &sent(1, 5));
        assert!(wrong[0].contains("up without a new list"), "{wrong:?}");
    }

    #[test]
    fn figures_of_a_pair_that_is_down_are_caught() {
        let mut checker = after_one();
        checker.set(PAIR, Some(Fault::Hang), false);
        let gauges = [&DOWN[..], &WELL[1..]].concat();
        let wrong = second(&mut checker, Kind::Complete, &scrape(&gauges, 2, 1, 0), &sent(1, 5));
        assert!(wrong[0].contains("down with figures"), "{wrong:?}");
    }

    #[test]
    fn a_failure_of_another_reason_than_the_faults_is_caught() {
        for (fault, fits) in [(Fault::Hang, true), (Fault::Html, false)] {
            let mut checker = after_one();
            checker.set(PAIR, Some(fault), false);
            let wrong = second(&mut checker, Kind::Complete, &scrape(&DOWN, 2, 1, 0), &sent(1, 5));
            assert_eq!(wrong.is_empty(), fits, "{wrong:?}");
        }
    }

    #[test]
    fn being_down_without_a_reason_is_caught_but_in_a_scrape_that_may_give_up() {
        for (kind, fits) in [(Kind::Complete, false), (Kind::MayGiveUp, true)] {
            let wrong = second(&mut after_one(), kind, &scrape(&DOWN, 2, 0, 0), &sent(1, 5));
            assert_eq!(wrong.is_empty(), fits, "{wrong:?}");
        }
    }

    #[test]
    fn what_was_under_way_may_fail_by_its_own_fault_and_no_longer() {
        let mut checker = after_one();
        checker.set(PAIR, Some(Fault::Hang), false);
        assert_eq!(second(&mut checker, Kind::MayGiveUp, &scrape(&DOWN, 2, 0, 0), &sent(1, 5)), [""; 0]);
        assert!(!checker.all_settled());
        checker.set(PAIR, None, false);
        assert_eq!(second(&mut checker, Kind::Complete, &scrape(&DOWN, 2, 1, 0), &sent(1, 5)), [""; 0]);
        let wrong = second(&mut checker, Kind::Complete, &scrape(&DOWN, 3, 2, 0), &sent(1, 5));
        assert!(!wrong.is_empty());
    }

    #[test]
    fn a_counter_that_falls_is_caught() {
        let mut checker = after_one();
        let wrong = second(&mut checker, Kind::Complete, &scrape(&WELL, 0, 0, 0), &sent(2, 5));
        assert!(wrong.iter().any(|what| what.contains("was 1, is Some(0.0)")), "{wrong:?}");
    }

    #[test]
    fn sessions_that_started_without_being_there_are_caught() {
        let next = scrape(&WELL, 2, 0, 1);
        let wrong = second(&mut after_one(), Kind::Complete, &next, &sent(2, 5));
        assert!(wrong[0].contains("more started than ended"), "{wrong:?}");
    }
}
