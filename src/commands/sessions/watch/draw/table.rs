//! PanelLines with columns under a heading.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

use super::text::cut;
use crate::commands::sessions::watch::history::RefreshHistory;
use crate::commands::sessions::watch::theme::Theme;

pub struct PanelColumn {
    pub title: &'static str,
    pub width: Constraint,
    /// Numbers stand at the right.
    pub right: bool,
}

impl PanelColumn {
    pub const fn text(title: &'static str, width: Constraint) -> Self {
        Self { title, width, right: false }
    }

    pub const fn number(title: &'static str, width: u16) -> Self {
        Self { title, width: Constraint::Length(width), right: true }
    }
}

/// What stands in one column of a line.
pub enum Cell<'a> {
    /// Nothing that a terminal obeys.
    Text(String, Style),
    History(&'a RefreshHistory),
}

/// Draws the heading and as many lines as fit below it.
pub fn draw<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &[PanelColumn],
    heading: Style,
    theme: &Theme,
    lines: impl Iterator<Item = Vec<Cell<'a>>>,
) {
    let mut rows = area.rows();
    let Some(first) = rows.next() else { return };
    let widths = columns.iter().map(|column| column.width);
    let places = Layout::horizontal(widths).spacing(1).split(first);
    frame.render_widget(Line::styled(" ".repeat(first.width.into()), heading), first);
    for (column, place) in columns.iter().zip(places.iter()) {
        write(frame, *place, column, column.title, heading);
    }
    for (row, cells) in rows.zip(lines) {
        for ((cell, column), place) in cells.into_iter().zip(columns).zip(places.iter()) {
            let place = Rect { y: row.y, ..*place };
            match cell {
                Cell::Text(text, style) => write(frame, place, column, &text, style),
                Cell::History(history) => {
                    let picture = history.picture(place.width.into(), &theme.bars);
                    frame.render_widget(Line::styled(picture, theme.history()), place);
                }
            }
        }
    }
}

fn write(frame: &mut Frame<'_>, place: Rect, column: &PanelColumn, text: &str, style: Style) {
    let line = Line::styled(cut(text, place.width.into()), style);
    frame.render_widget(if column.right { line.right_aligned() } else { line }, place);
}
