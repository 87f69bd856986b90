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

/// Returns the ids of the listed users in their order.
fn users(state: &mut ViewState) -> Vec<String> {
    state.prepare(Focus::Users);
    let users = state.lines.users.iter().flatten();
    users.map(|user| state.sites.session(user.position).unwrap().session.user.id.to_owned()).collect()
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
fn typed_text_filters_the_focused_panel() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('2'));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "ÄNq");
    assert_eq!(users(&mut state), [""; 0], "q is typed and does not quit");
    press(&mut state, KeyCode::Backspace);
    assert_eq!(users(&mut state), ["Änna"]);
    press(&mut state, KeyCode::Enter);
    assert!(!state.typing);
    assert_eq!(
        (users(&mut state).len(), count(&mut state, Focus::Sessions)),
        (1, 7),
        "the filter stays, on this panel only"
    );
    press(&mut state, KeyCode::Esc);
    assert_eq!(users(&mut state).len(), 3);
}

#[test]
fn escape_clears_the_filter() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('3'));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "sales lab\\");
    assert_eq!(count(&mut state, Focus::Sessions), 2);
    press(&mut state, KeyCode::Esc);
    assert_eq!((state.typing, count(&mut state, Focus::Sessions)), (false, 7));
}

#[test]
fn filtered_proxies_keep_their_site_above_them() {
    let mut state = one_site();
    assert_eq!(count(&mut state, Focus::Proxies), 3);
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "node2.LAB");
    assert_eq!(count(&mut state, Focus::Proxies), 2);
    type_in(&mut state, "x");
    assert_eq!(count(&mut state, Focus::Proxies), 0);
}

#[test]
fn sessions_are_sorted_once_per_refresh_and_order() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('3'));
    let sorted_at = |state: &mut ViewState| {
        state.prepare(Focus::Sessions);
        state.lines.sorted.as_ref().unwrap().positions.as_ptr()
    };
    let first = sorted_at(&mut state);
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "sales");
    assert_eq!(sorted_at(&mut state), first);
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('s'));
    assert_ne!(sorted_at(&mut state), first);
    assert_eq!(count(&mut state, Focus::Sessions), 2);
    state.refresh(refresh(at(2), vec![]));
    assert_eq!(count(&mut state, Focus::Sessions), 0);
}

#[test]
fn a_filter_survives_refreshes() {
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
fn refreshes_are_ignored_while_paused() {
    let mut state = one_site();
    assert_eq!(press(&mut state, KeyCode::Char('p')), KeyEffect::Pause);
    state.refresh(refresh(at(2), vec![]));
    assert_eq!((state.refreshed, count(&mut state, Focus::Sessions)), (Some(at(0)), 7));
    assert_eq!(press(&mut state, KeyCode::Char(' ')), KeyEffect::Refresh);
    state.refresh(refresh(at(4), vec![]));
    assert_eq!((state.refreshed, count(&mut state, Focus::Sessions)), (Some(at(4)), 0));
}

#[test]
fn a_refresh_key_ends_a_pause() {
    let mut state = one_site();
    press(&mut state, KeyCode::Char('p'));
    assert_eq!(press(&mut state, KeyCode::Char('r')), KeyEffect::Refresh);
    assert!(!state.paused);
}

#[test]
fn control_c_quits_also_while_typing() {
    let mut state = ViewState::new(SETTINGS);
    assert_eq!(press(&mut state, KeyCode::Char('c')), KeyEffect::Nothing);
    press(&mut state, KeyCode::Char('/'));
    assert_eq!(press(&mut state, KeyCode::Char('q')), KeyEffect::Nothing);
    assert_eq!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), KeyEffect::Quit);
}

#[test]
fn tab_cycles_through_the_panels() {
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
