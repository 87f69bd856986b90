//! What the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panel::{Focus, Move};

/// Every key and what it does, as README and `--help` tell it.
pub const KEYS: &[(&str, &str)] = &[
    ("q, Ctrl-C", "end"),
    ("Tab, Right, Shift-Tab, Left", "the next panel, the one before"),
    ("1, 2, 3, 4", "proxies, users, sessions, problems"),
    ("/", "filter the panel by what is typed; Enter keeps it, Esc clears it"),
    ("s", "sort the panel by the next column"),
    ("p, Space", "pause, and go on"),
    ("r", "refresh now; a pause ends"),
    ("Up, Down, PgUp, PgDn, Home, End", "scroll; k and j too"),
];

/// What a key wants while nothing is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    End,
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

/// The same everywhere: also while something is typed.
pub fn ends(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'C'))
}

pub fn action(key: KeyEvent) -> Option<Action> {
    if ends(key) {
        return Some(Action::End);
    }
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::End,
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

/// The character that a key types.
pub fn typed(key: KeyEvent) -> Option<char> {
    // AltGr comes as both on Windows.
    let commands = key.modifiers.intersection(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let is_command = !commands.is_empty() && commands != (KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char(c) if !is_command && !c.is_control() => Some(c),
        _ => None,
    }
}
