use super::*;
use crate::commands::sessions::watch::refresh::SiteRefresh;
use crate::commands::sessions::watch::testing::{at, down, failure, late, pair, refresh, site};
use ratatui::symbols::bar::NINE_LEVELS;

/// What is known after these, two seconds one after another.
fn after(refreshes: Vec<Vec<SiteRefresh>>) -> SitesView {
    let times = (0..).map(|number| at(2 * number));
    times
        .zip(refreshes)
        .fold(SitesView::default(), |sites, (at, answers)| sites.refreshed(refresh(at, answers)))
}

fn lab(pairs: Vec<PairRefresh>) -> Vec<SiteRefresh> {
    vec![site("lab", pairs)]
}

#[test]
fn a_users_sessions_are_summed_over_the_site_and_visitors_are_no_users() {
    let sites = after(vec![vec![
        site(
            "lab",
            vec![pair("Central", "/", &[("anna", 2), ("anonymous1", 9)]), pair("Node2", "/", &[("anna", 3)])],
        ),
        site("other", vec![pair("Central", "/", &[("anna", 1)])]),
    ]]);
    let mut users: Vec<_> = sites.users.iter().map(|user| (user.place.site, user.sessions)).collect();
    users.sort_unstable();
    assert_eq!(users, [(0, 5), (1, 1)]);
    let lab = &sites.all[0];
    assert_eq!((lab.sessions, lab.users, lab.pairs[0].users), (14, 1, 1));
}

#[test]
fn nothing_of_an_earlier_answer_is_left_when_a_pair_is_down() {
    let sites = after(vec![
        lab(vec![pair("Central", "/", &[("anna", 2)]), pair("Node2", "/", &[("bert", 4)])]),
        lab(vec![pair("Central", "/", &[("anna", 2)]), down("Node2", "/", "refused")]),
    ]);
    let lab = &sites.all[0];
    assert_eq!((lab.sessions, lab.users, lab.down(), sites.users.len()), (2, 1, 1, 1));
    assert_eq!((lab.pairs[1].count(), lab.pairs[1].users), (None, 0));
    assert_eq!(lab.pairs[1].history.picture(9, &NINE_LEVELS), "█×");
    assert_eq!(lab.history.picture(9, &NINE_LEVELS), "█▃");
}

#[test]
fn a_pair_is_down_since_the_first_failure_in_a_row() {
    let of = |what: &[&str]| {
        let answer = |what: &&str| match *what {
            "up" => pair("Central", "/", &[]),
            why => down("Central", "/", why),
        };
        let sites = after(what.iter().map(|what| lab(vec![answer(what)])).collect());
        sites.all[0].pairs[0].sessions.as_ref().err().map(|trouble| trouble.since)
    };
    assert_eq!(of(&["up", "refused", "refused"]), Some(at(2)));
    assert_eq!(of(&["refused", "up", "refused"]), Some(at(4)));
    assert_eq!(of(&["refused", "timeout"]), Some(at(0)), "another reason is no other time");
    assert_eq!(of(&["refused", "up"]), None);
}

#[test]
fn a_site_without_any_answer_has_a_gap_in_its_history() {
    let undiscovered = || SiteRefresh { discovery: Some(failure("refused")), ..site("lab", vec![]) };
    let sites = after(vec![
        lab(vec![pair("Central", "/", &[("anna", 2)])]),
        lab(vec![down("Central", "/", "refused")]),
        vec![undiscovered()],
        vec![undiscovered()],
    ]);
    let lab = &sites.all[0];
    assert_eq!(lab.history.picture(9, &NINE_LEVELS), "█×××");
    assert_eq!(lab.discovery.as_ref().map(|trouble| trouble.since), Some(at(4)));
    assert!(!lab.is_whole());
}

#[test]
fn what_comes_late_fills_the_gap_and_a_failure_is_told_until_the_next_answer() {
    let answers = [
        (late("Central", "/"), false),
        (pair("Central", "/", &[("anna", 2)]), true),
        (down("Central", "/", "refused"), false),
        (late("Central", "/"), false),
    ];
    let mut sites = SitesView::default();
    let mut seen = Vec::new();
    for (second, (answer, again)) in (0..).zip(answers) {
        sites = sites.refreshed(Refresh { again, ..refresh(at(second), vec![site("lab", vec![answer])]) });
        let lab = &sites.all[0];
        let picture = |history: &RefreshHistory| history.picture(9, &NINE_LEVELS);
        assert_eq!(picture(&lab.history), picture(&lab.pairs[0].history));
        let failure = lab.pairs[0].sessions.as_ref().err().map(|trouble| trouble.failure.message.clone());
        seen.push((picture(&lab.history), lab.late(), lab.down(), failure));
    }
    let message = |text: &str| Some(text.to_owned());
    let expected = [
        ("×".to_owned(), 1, 0, message("waiting for an answer")),
        ("█".to_owned(), 0, 0, None),
        ("█×".to_owned(), 0, 1, message("refused")),
        ("█××".to_owned(), 0, 1, message("refused")),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn who_is_not_asked_any_more_is_forgotten() {
    let two = lab(vec![pair("Central", "/", &[]), pair("Node2", "/", &[])]);
    let sites = after(vec![two, lab(vec![pair("Central", "/", &[])])]);
    assert_eq!(sites.all[0].pairs.len(), 1);
}
