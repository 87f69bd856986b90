//! The panels of the view: their filters, orders and scroll positions.

/// The panel that the keys act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Proxies,
    Users,
    Sessions,
    Problems,
}

impl Focus {
    pub const ALL: [Self; 4] = [Self::Proxies, Self::Users, Self::Sessions, Self::Problems];

    pub fn title(self) -> &'static str {
        match self {
            Self::Proxies => "Proxies",
            Self::Users => "Users",
            Self::Sessions => "Sessions",
            Self::Problems => "Problems",
        }
    }

    pub fn next(self) -> Self {
        match self {
            Self::Proxies => Self::Users,
            Self::Users => Self::Sessions,
            Self::Sessions => Self::Problems,
            Self::Problems => Self::Proxies,
        }
    }

    pub fn previous(self) -> Self {
        match self {
            Self::Proxies => Self::Problems,
            Self::Users => Self::Proxies,
            Self::Sessions => Self::Users,
            Self::Problems => Self::Sessions,
        }
    }
}

/// All panels.
#[derive(Debug, Clone)]
pub struct Panels {
    proxies: Panel,
    users: Panel,
    sessions: Panel,
    problems: Panel,
}

impl Panels {
    /// `sessions_order` is the initial order of the sessions panel.
    pub fn new(sessions_order: usize) -> Self {
        let panel = Panel::default();
        let sessions = Panel { sort: sessions_order, ..panel.clone() };
        Self { proxies: panel.clone(), users: panel.clone(), sessions, problems: panel }
    }

    pub fn get(&self, focus: Focus) -> &Panel {
        match focus {
            Focus::Proxies => &self.proxies,
            Focus::Users => &self.users,
            Focus::Sessions => &self.sessions,
            Focus::Problems => &self.problems,
        }
    }

    pub fn get_mut(&mut self, focus: Focus) -> &mut Panel {
        match focus {
            Focus::Proxies => &mut self.proxies,
            Focus::Users => &mut self.users,
            Focus::Sessions => &mut self.sessions,
            Focus::Problems => &mut self.problems,
        }
    }
}

/// A scroll step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// The filter, order and scroll position of one panel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panel {
    /// As typed.
    pub filter: String,
    /// Counts the presses of the sort key: modulo the number of the panel's orders, it is the order's index.
    pub sort: usize,
    /// The first visible line.
    offset: usize,
    /// The number of lines that were visible last.
    page: usize,
    /// The number of all lines at that time.
    lines: usize,
}

impl Panel {
    pub fn scroll(&mut self, how: Move) {
        let page = self.page.max(1);
        self.offset = match how {
            Move::Up => self.offset.saturating_sub(1),
            Move::Down => self.offset.saturating_add(1),
            Move::PageUp => self.offset.saturating_sub(page),
            Move::PageDown => self.offset.saturating_add(page),
            Move::Home => 0,
            Move::End => usize::MAX,
        };
        self.clamp();
    }

    /// Returns the first visible line when `page` of `lines` lines fit.
    pub fn fit(&mut self, page: usize, lines: usize) -> usize {
        (self.page, self.lines) = (page, lines);
        self.clamp();
        self.offset
    }

    /// Scrolls to the first line.
    pub fn rewind(&mut self) {
        self.offset = 0;
    }

    /// Returns the words of the filter.
    pub fn words(&self) -> Words {
        Words(self.filter.to_lowercase().split_whitespace().map(str::to_owned).collect())
    }

    /// Keeps the last line at or below the end of the page.
    fn clamp(&mut self) {
        self.offset = self.offset.min(self.lines.saturating_sub(self.page));
    }
}

/// The words of a filter, in lower case.
pub struct Words(Vec<String>);

impl Words {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether each word is part of one of these columns.
    pub fn admit(&self, columns: &[&str]) -> bool {
        if self.is_empty() {
            return true;
        }
        let line = columns.join("\u{0}").to_lowercase();
        self.0.iter().all(|word| line.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_words(filter: &str) -> Words {
        Panel { filter: filter.to_owned(), ..Panel::default() }.words()
    }

    #[test]
    fn scrolling_stops_with_the_last_line_at_the_bottom() {
        let mut panel = Panel::default();
        assert_eq!(panel.fit(10, 25), 0);
        for (how, offset) in [
            (Move::Up, 0),
            (Move::Down, 1),
            (Move::PageDown, 11),
            (Move::PageDown, 15),
            (Move::Down, 15),
            (Move::PageUp, 5),
            (Move::Home, 0),
            (Move::End, 15),
        ] {
            panel.scroll(how);
            assert_eq!(panel.fit(10, 25), offset, "{how:?}");
        }
        assert_eq!(panel.fit(10, 12), 2, "with fewer lines");
        assert_eq!(panel.fit(20, 12), 0, "with more room");
    }

    #[test]
    fn a_line_matches_when_it_contains_all_words_in_any_case() {
        let columns = &["Central", "/sales", "LAB\\Änna"];
        for filter in ["", "central", "ÄNNA", "sales lab", "  sales  ", "lab\\ä"] {
            assert!(filter_words(filter).admit(columns), "{filter:?}");
        }
        for filter in ["node2", "sales node2", "central/sales"] {
            assert!(!filter_words(filter).admit(columns), "{filter:?}");
        }
    }
}
