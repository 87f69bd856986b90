//! The state of the view, changed by keys and refreshes, independent of a terminal.

use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent};

use super::keys::{self, Action};
use super::lines::{self, PanelLines};
use super::panel::{Focus, Panels};
use super::refresh::Refresh;
use super::sites::SitesView;
use crate::commands::sessions::order::SortBy;
use crate::sessions::UnmatchedFilter;

/// The settings of the view.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of parallel sessions that Qlik allows a user.
    pub session_limit: usize,
    /// The time from one refresh to the next.
    pub interval: Duration,
    /// The initial order of the sessions panel.
    pub sort_by: SortBy,
}

/// What the program does after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEffect {
    Nothing,
    Quit,
    Pause,
    /// Refresh at once and continue.
    Refresh,
}

/// Everything that the view shows.
pub struct ViewState {
    pub settings: Settings,
    pub sites: SitesView,
    /// Flags that match nothing.
    pub unmatched: Vec<UnmatchedFilter>,
    /// The time of the last answer.
    pub refreshed: Option<SystemTime>,
    pub focus: Focus,
    pub panels: Panels,
    /// Whether keys are typed into the filter.
    pub typing: bool,
    pub paused: bool,
    pub lines: PanelLines,
}

impl ViewState {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sites: SitesView::default(),
            unmatched: Vec::new(),
            refreshed: None,
            focus: Focus::Proxies,
            panels: Panels::new(lines::order_by(settings.sort_by)),
            typing: false,
            paused: false,
            lines: PanelLines::default(),
        }
    }

    /// Applies a refresh; while paused it is ignored.
    pub fn refresh(&mut self, refresh: Refresh) {
        if self.paused {
            return;
        }
        self.refreshed = Some(refresh.at);
        self.unmatched.clone_from(&refresh.unmatched);
        self.sites = std::mem::take(&mut self.sites).refreshed(refresh);
        self.lines.forget();
    }

    /// Filters and sorts the lines of a panel. To be called for visible panels only: it takes time with many
    /// sessions.
    pub fn prepare(&mut self, focus: Focus) {
        lines::fill(&mut self.lines, focus, self.panels.get(focus), &self.sites, &self.unmatched);
    }

    /// Applies a key.
    pub fn key(&mut self, key: KeyEvent) -> KeyEffect {
        if self.typing && !keys::quits(key) {
            self.type_in(key);
            return KeyEffect::Nothing;
        }
        let panel = self.panels.get_mut(self.focus);
        match keys::action(key) {
            None => {}
            Some(Action::Quit) => return KeyEffect::Quit,
            Some(Action::Next) => self.focus = self.focus.next(),
            Some(Action::Previous) => self.focus = self.focus.previous(),
            Some(Action::Show(focus)) => self.focus = focus,
            // The problems panel has no filter.
            Some(Action::Type) => self.typing = self.focus != Focus::Problems,
            Some(Action::Clear) => self.change_filter(String::clear),
            Some(Action::Sort) => {
                panel.sort = panel.sort.wrapping_add(1);
                panel.rewind();
                self.lines.forget_one(self.focus);
            }
            Some(Action::Pause) => {
                self.paused = !self.paused;
                return if self.paused { KeyEffect::Pause } else { KeyEffect::Refresh };
            }
            Some(Action::Refresh) => {
                self.paused = false;
                return KeyEffect::Refresh;
            }
            Some(Action::Scroll(how)) => panel.scroll(how),
        }
        KeyEffect::Nothing
    }

    fn type_in(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.change_filter(String::clear);
            }
            KeyCode::Backspace => self.change_filter(|filter| _ = filter.pop()),
            _ => {
                if let Some(c) = keys::typed(key) {
                    self.change_filter(|filter| filter.push(c));
                } else if let Some(Action::Scroll(how)) = keys::action(key) {
                    self.panels.get_mut(self.focus).scroll(how);
                }
            }
        }
    }

    fn change_filter(&mut self, change: impl FnOnce(&mut String)) {
        let panel = self.panels.get_mut(self.focus);
        change(&mut panel.filter);
        panel.rewind();
        self.lines.forget_one(self.focus);
    }
}

#[cfg(test)]
mod tests;
