//! How a problem looks: its sign and its colour.

use ratatui::style::Style;

use crate::commands::sessions::watch::problems::ProblemKind;
use crate::commands::sessions::watch::theme::Theme;

/// Returns the sign before a problem.
pub fn mark(kind: ProblemKind, theme: &Theme) -> char {
    match kind {
        ProblemKind::Down(_) | ProblemKind::Missing => theme.marks.bad,
        ProblemKind::Late(_) => '…',
        ProblemKind::Note => '!',
    }
}

/// Returns the style of a problem.
pub fn style(kind: ProblemKind, theme: &Theme) -> Style {
    match kind {
        ProblemKind::Down(_) | ProblemKind::Missing => theme.alarm(),
        ProblemKind::Late(_) | ProblemKind::Note => theme.warning(),
    }
}
