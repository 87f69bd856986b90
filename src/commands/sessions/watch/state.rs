//! The view as a machine: keys and refreshes go in, what is to be shown comes out. Knows no terminal.

use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent};

use super::keys::{self, Action};
use super::lines::{self, PanelLines};
use super::panel::{Focus, Panels};
use super::refresh::Refresh;
use super::sites::SitesView;
use crate::commands::sessions::order::SortBy;
use crate::sessions::UnmatchedFilter;

/// What stays the same.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Parallel sessions that Qlik lets a user have.
    pub session_limit: usize,
    /// From one refresh to the next.
    pub interval: Duration,
    /// How sessions are sorted at first.
    pub sort_by: SortBy,
}

/// What a key asks of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEffect {
    Nothing,
    End,
    Pause,
    /// Refresh at once, and go on.
    Refresh,
}

/// Everything that is shown.
pub struct ViewState {
    pub settings: Settings,
    pub sites: SitesView,
    /// Flags that fit nothing.
    pub unmatched: Vec<UnmatchedFilter>,
    /// When the last answer came.
    pub refreshed: Option<SystemTime>,
    pub focus: Focus,
    pub panels: Panels,
    /// Whether keys are text for the filter.
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
            panels: Panels::new(lines::place_of(settings.sort_by)),
            typing: false,
            paused: false,
            lines: PanelLines::default(),
        }
    }

    /// Takes what a refresh brought. While paused the picture stays as it is.
    pub fn refresh(&mut self, refresh: Refresh) {
        if self.paused {
            return;
        }
        self.refreshed = Some(refresh.at);
        self.unmatched.clone_from(&refresh.unmatched);
        self.sites = std::mem::take(&mut self.sites).refreshed(refresh);
        self.lines.forget();
    }

    /// The lines of a panel, filtered and sorted. Only now, and only of a panel that is seen: with many
    /// sessions that is work.
    pub fn prepare(&mut self, focus: Focus) {
        lines::fill(&mut self.lines, focus, self.panels.get(focus), &self.sites, &self.unmatched);
    }

    pub fn key(&mut self, key: KeyEvent) -> KeyEffect {
        if self.typing && !keys::ends(key) {
            self.type_in(key);
            return KeyEffect::Nothing;
        }
        let panel = self.panels.get_mut(self.focus);
        match keys::action(key) {
            None => {}
            Some(Action::End) => return KeyEffect::End,
            Some(Action::Next) => self.focus = self.focus.next(),
            Some(Action::Previous) => self.focus = self.focus.previous(),
            Some(Action::Show(focus)) => self.focus = focus,
            // There all is to be seen.
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
