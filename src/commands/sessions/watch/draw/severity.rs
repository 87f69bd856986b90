//! How a problem looks: its sign and its colour.

use ratatui::style::Style;

use crate::commands::sessions::watch::look::Look;
use crate::commands::sessions::watch::problems::Kind;

/// Returns the sign before a problem.
pub fn mark(kind: Kind, look: &Look) -> char {
    match kind {
        Kind::Down(_) | Kind::Missing => look.marks.bad,
        Kind::Late(_) => '…',
        Kind::Note => '!',
    }
}

/// Returns the style of a problem.
pub fn style(kind: Kind, look: &Look) -> Style {
    match kind {
        Kind::Down(_) | Kind::Missing => look.alarm(),
        Kind::Late(_) | Kind::Note => look.warning(),
    }
}
