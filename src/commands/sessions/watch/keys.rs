//! The keys and their actions.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panel::{Focus, Move};

/// Every key and its action, for the documentation and `--help`.
pub const KEYS: &[(&str, &str)] = &[
    ("q, Ctrl-C", "quit"),
    ("Tab, Right, Shift-Tab, Left", "next panel, previous panel"),
    ("1, 2, 3, 4", "proxies, users, sessions, problems"),
    ("/", "filter the panel by words; Enter keeps the filter, Esc clears it"),
    ("s", "sort the panel by its next column"),
    ("p, Space", "pause, resume"),
    ("r", "refresh now; ends a pause"),
    ("Up, Down, PgUp, PgDn, Home, End", "scroll; also k and j"),
];

/// The action of a key outside the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Quit,
    Next,
    Previous,
    Show(Focus),
    Type,
    Clear,
    Sort,
    Pause,
    Refresh,
    Scroll(Move),
}

/// Returns whether the key quits everywhere, also in the filter.
pub fn quits(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'C'))
}

/// Returns the action of a key outside the filter.
pub fn action(key: KeyEvent) -> Option<Action> {
    if quits(key) {
        return Some(Action::Quit);
    }
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Tab | KeyCode::Right => Action::Next,
        KeyCode::BackTab | KeyCode::Left => Action::Previous,
        KeyCode::Char('1') => Action::Show(Focus::Proxies),
        KeyCode::Char('2') => Action::Show(Focus::Users),
        KeyCode::Char('3') => Action::Show(Focus::Sessions),
        KeyCode::Char('4') => Action::Show(Focus::Problems),
        KeyCode::Char('/') => Action::Type,
        KeyCode::Esc => Action::Clear,
        KeyCode::Char('s') => Action::Sort,
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Char('r') => Action::Refresh,
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(Move::Up),
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(Move::Down),
        KeyCode::PageUp => Action::Scroll(Move::PageUp),
        KeyCode::PageDown => Action::Scroll(Move::PageDown),
        KeyCode::Home => Action::Scroll(Move::Home),
        KeyCode::End => Action::Scroll(Move::End),
        _ => return None,
    })
}

/// Returns the character that a key types.
pub fn typed(key: KeyEvent) -> Option<char> {
    // Windows reports AltGr as Ctrl and Alt.
    let commands = key.modifiers.intersection(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let is_command = !commands.is_empty() && commands != (KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char(c) if !is_command && !c.is_control() => Some(c),
        _ => None,
    }
}
