//! Styles and symbols of the view, with or without colours.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;

use crate::terminal::Marks;

/// The styles of the view.
#[derive(Debug, Clone)]
pub struct Theme {
    colors: bool,
    pub bars: bar::Set<'static>,
    pub marks: Marks,
}

impl Theme {
    /// `rare_signs`: whether the terminal's font has bars of every eighth and the usual marks.
    pub fn new(colors: bool, rare_signs: bool) -> Self {
        let bars = if rare_signs { bar::NINE_LEVELS } else { bar::THREE_LEVELS };
        Self { colors, bars, marks: Marks::new(rare_signs) }
    }

    /// The style of headings and totals.
    pub fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of the focused panel.
    pub fn focused(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The style of less important text.
    pub fn faint(&self) -> Style {
        self.colored(Color::DarkGray, Modifier::empty())
    }

    /// The style of sparklines.
    pub fn history(&self) -> Style {
        self.colored(Color::Cyan, Modifier::empty())
    }

    /// The style of conditions that need attention soon.
    pub fn warning(&self) -> Style {
        self.colored(Color::Yellow, Modifier::BOLD)
    }

    /// The style of failures.
    pub fn alarm(&self) -> Style {
        let modifier = if self.colors { Modifier::BOLD } else { Modifier::BOLD.union(Modifier::REVERSED) };
        self.colored(Color::Red, modifier)
    }

    fn colored(&self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.colors { style.fg(color) } else { style }
    }
}
