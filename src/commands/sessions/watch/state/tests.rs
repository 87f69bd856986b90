use super::*;
use crate::commands::sessions::watch::testing::{SETTINGS, at, pair, refresh, site, view};
use crossterm::event::KeyModifiers;

fn press(state: &mut ViewState, code: KeyCode) -> KeyEffect {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(state: &mut ViewState, text: &str) {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
}

fn one_site() -> ViewState {
    view(vec![site(
        "lab",
        vec![pair("Central", "/", &[("anna", 1), ("bert", 4)]), pair("Node2", "/sales", &[("Änna", 2)])],
    )])
}

/// The ids of the users that are listed, in their order.
fn users(state: &mut ViewState) -> Vec<String> {
    state.prepare(Focus::Users);
    let users = state.lines.users.iter().flatten();
    users.map(|user| state.sites.session(user.place).unwrap().2.user.id.to_owned()).collect()
}

fn count(state: &mut ViewState, focus: Focus) -> usize {
    state.prepare(focus);
    match focus {
        Focus::Proxies => state.lines.proxies.as_ref().map(Vec::len),
        Focus::Users => state.lines.users.as_ref().map(Vec::len),
        Focus::Sessions => state.lines.sessions.as_ref().map(Vec::len),
        Focus::Problems => state.lines.problems.as_ref().map(Vec::len),
    }
    .unwrap()
}

#[test]
fn users_with_most_sessions_come_first_and_s_sorts_by_name() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('2'));
    assert_eq!(users(&mut state), ["bert", "Änna", "anna"]);
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(users(&mut state), ["anna", "bert", "Änna"]);
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(users(&mut state), ["bert", "Änna", "anna"], "all orders in turn");
}

#[test]
fn what_is_typed_filters_the_panel_that_has_the_keys() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('2'));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "ÄNq");
    assert_eq!(users(&mut state), [""; 0], "q is typed, and ends nothing");
    press(&mut state, KeyCode::Backspace);
    assert_eq!(users(&mut state), ["Änna"]);
    press(&mut state, KeyCode::Enter);
    assert!(!state.typing);
    assert_eq!(
        (users(&mut state).len(), count(&mut state, Focus::Sessions)),
        (1, 7),
        "it is kept, and only here"
    );
    press(&mut state, KeyCode::Esc);
    assert_eq!(users(&mut state).len(), 3);
}

#[test]
fn escape_ends_typing_and_clears() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('3'));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "sales lab\\");
    assert_eq!(count(&mut state, Focus::Sessions), 2);
    press(&mut state, KeyCode::Esc);
    assert_eq!((state.typing, count(&mut state, Focus::Sessions)), (false, 7));
}

#[test]
fn a_filter_of_proxies_keeps_the_site_above_those_that_fit() {
    let mut state = one_site();
    assert_eq!(count(&mut state, Focus::Proxies), 3);
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "node2.LAB");
    assert_eq!(count(&mut state, Focus::Proxies), 2);
    type_in(&mut state, "x");
    assert_eq!(count(&mut state, Focus::Proxies), 0);
}

#[test]
fn sessions_are_sorted_once_for_a_refresh_and_an_order() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('3'));
    let place = |state: &mut ViewState| {
        state.prepare(Focus::Sessions);
        state.lines.sorted.as_ref().unwrap().1.as_ptr()
    };
    let first = place(&mut state);
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "sales");
    assert_eq!(place(&mut state), first);
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('s'));
    assert_ne!(place(&mut state), first);
    assert_eq!(count(&mut state, Focus::Sessions), 2);
    state.refresh(refresh(at(2), vec![]));
    assert_eq!(count(&mut state, Focus::Sessions), 0);
}

#[test]
fn a_filter_stays_over_refreshes() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('2'));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "co");
    state.refresh(refresh(
        at(2),
        vec![site("lab", vec![pair("Central", "/", &[("cora", 1), ("dieter", 1)])])],
    ));
    assert_eq!(users(&mut state), ["cora"]);
}

#[test]
fn while_paused_the_picture_stays_and_then_goes_on_at_once() {
    let mut state = one_site();
    assert_eq!(press(&mut state, KeyCode::Char('p')), KeyEffect::Pause);
    state.refresh(refresh(at(2), vec![]));
    assert_eq!((state.refreshed, count(&mut state, Focus::Sessions)), (Some(at(0)), 7));
    assert_eq!(press(&mut state, KeyCode::Char(' ')), KeyEffect::Refresh);
    state.refresh(refresh(at(4), vec![]));
    assert_eq!((state.refreshed, count(&mut state, Focus::Sessions)), (Some(at(4)), 0));
}

#[test]
fn a_refresh_that_is_asked_for_ends_a_pause() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('p'));
    assert_eq!(press(&mut state, KeyCode::Char('r')), KeyEffect::Refresh);
    assert!(!state.paused);
}

#[test]
fn control_c_ends_also_while_something_is_typed() {
    let mut state = ViewState::new(SETTINGS);
    assert_eq!(press(&mut state, KeyCode::Char('c')), KeyEffect::Nothing);
    press(&mut state, KeyCode::Char('/'));
    assert_eq!(press(&mut state, KeyCode::Char('q')), KeyEffect::Nothing);
    assert_eq!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), KeyEffect::End);
}

#[test]
fn tab_goes_round_the_panels() {
    let mut state = one_site();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(state.focus);
        press(&mut state, KeyCode::Tab);
    }
    assert_eq!((seen, state.focus), (Focus::ALL.to_vec(), Focus::Proxies));
    press(&mut state, KeyCode::BackTab);
    assert_eq!(state.focus, Focus::Problems);
}
