//! Lines in columns below a heading.
//!
//! Not ratatui's `Table`: it cuts texts without a mark, and a sparkline cannot be a cell of it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use super::text::cut;
use crate::commands::sessions::watch::history::{EIGHTHS, RefreshHistory};
use crate::commands::sessions::watch::theme::Theme;

pub struct PanelColumn {
    pub title: &'static str,
    pub width: Constraint,
    /// Numbers are right-aligned.
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

/// A column of a line.
pub enum Cell<'a> {
    /// Text without control characters.
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
    let areas = Layout::horizontal(widths).spacing(1).split(first);
    frame.render_widget(Line::styled(" ".repeat(first.width.into()), heading), first);
    for (column, area) in columns.iter().zip(areas.iter()) {
        draw_text(frame, *area, column, column.title, heading);
    }
    for (row, cells) in rows.zip(lines) {
        for ((cell, column), area) in cells.into_iter().zip(columns).zip(areas.iter()) {
            let area = Rect { y: row.y, ..*area };
            match cell {
                Cell::Text(text, style) => draw_text(frame, area, column, &text, style),
                Cell::History(history) => draw_history(frame, area, history, theme),
            }
        }
    }
}

fn draw_text(frame: &mut Frame<'_>, area: Rect, column: &PanelColumn, text: &str, style: Style) {
    let line = Line::styled(cut(text, area.width.into()), style);
    frame.render_widget(if column.right { line.right_aligned() } else { line }, area);
}

fn draw_history(frame: &mut Frame<'_>, area: Rect, history: &RefreshHistory, theme: &Theme) {
    let sparkline = Sparkline::default()
        .data(history.bars(area.width.into()))
        .max(EIGHTHS)
        .bar_set(theme.bars.clone())
        .absent_value_symbol("×")
        .style(theme.history());
    frame.render_widget(sparkline, area);
}
