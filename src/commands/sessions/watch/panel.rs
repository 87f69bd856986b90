//! The panels of the view: what is looked at, how it is filtered, sorted and scrolled.

/// The panels, in their order.
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
    /// `sessions` is the order that the sessions begin with.
    pub fn new(sessions: usize) -> Self {
        let panel = Panel::default();
        let sessions = Panel { sort: sessions, ..panel.clone() };
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

/// How to scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// How one panel is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panel {
    /// As typed.
    pub filter: String,
    /// Which of the panel's orders, counted on with each key.
    pub sort: usize,
    /// The first line that is shown.
    offset: usize,
    /// How many lines were shown last.
    page: usize,
    /// How many there were then.
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
        self.keep_within();
    }

    /// Where to begin when so many of so many lines are to be seen.
    pub fn fit(&mut self, page: usize, lines: usize) -> usize {
        (self.page, self.lines) = (page, lines);
        self.keep_within();
        self.offset
    }

    /// Shows the beginning again.
    pub fn rewind(&mut self) {
        self.offset = 0;
    }

    /// What the filter looks for.
    pub fn words(&self) -> Words {
        Words(self.filter.to_lowercase().split_whitespace().map(str::to_owned).collect())
    }

    /// The last line is never above the end of the page.
    fn keep_within(&mut self) {
        self.offset = self.offset.min(self.lines.saturating_sub(self.page));
    }
}

/// Words that are typed, in lower case.
pub struct Words(Vec<String>);

impl Words {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a line with these columns is to be seen: each word stands in one of them.
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

    #[test]
    fn scrolling_ends_with_the_last_line_at_the_bottom() {
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
    fn a_filter_is_words_that_all_stand_there_in_any_case() {
        let words = |filter: &str| Panel { filter: filter.to_owned(), ..Panel::default() }.words();
        let columns = &["Central", "/sales", "LAB\\Änna"];
        for filter in ["", "central", "ÄNNA", "sales lab", "  sales  ", "lab\\ä"] {
            assert!(words(filter).admit(columns), "{filter:?}");
        }
        for filter in ["node2", "sales node2", "central/sales"] {
            assert!(!words(filter).admit(columns), "{filter:?}");
        }
    }
}
