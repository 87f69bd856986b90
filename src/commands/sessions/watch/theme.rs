//! How things theme: with colours, or with none where somebody objects.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;

use crate::terminal::Marks;

/// The styles of everything that has one.
#[derive(Debug, Clone)]
pub struct Theme {
    colors: bool,
    pub bars: bar::Set<'static>,
    pub marks: Marks,
}

impl Theme {
    /// `rare_signs`: whether bars can be of every eighth, and marks as everywhere else.
    pub fn new(colors: bool, rare_signs: bool) -> Self {
        let bars = if rare_signs { bar::NINE_LEVELS } else { bar::THREE_LEVELS };
        Self { colors, bars, marks: Marks::new(rare_signs) }
    }

    /// What everything else is read by.
    pub fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What has the keys.
    pub fn focused(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What can be passed over.
    pub fn faint(&self) -> Style {
        self.colored(Color::DarkGray, Modifier::empty())
    }

    pub fn history(&self) -> Style {
        self.colored(Color::Cyan, Modifier::empty())
    }

    /// Worth a look.
    pub fn warning(&self) -> Style {
        self.colored(Color::Yellow, Modifier::BOLD)
    }

    /// Something is wrong.
    pub fn alarm(&self) -> Style {
        let without = Modifier::BOLD.union(Modifier::REVERSED);
        if self.colors {
            self.colored(Color::Red, Modifier::BOLD)
        } else {
            Style::new().add_modifier(without)
        }
    }

    fn colored(&self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.colors { style.fg(color) } else { style }
    }
}
