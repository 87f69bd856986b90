//! The terminal while the view has it, and its return.

use std::io::{self, Stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::logging;

/// The terminal in raw mode, on its other screen. It is given back when this goes, however it goes, also in a
/// panic; what is logged meanwhile is written then.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    borrowed: Borrowed,
    /// Dropped last: when the terminal is back.
    _log: logging::Held,
}

/// The terminal's other state. Whoever drops it first restores the terminal.
struct Borrowed {
    taken: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        let log = logging::hold();
        let borrowed = Borrowed::take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self { terminal, borrowed, _log: log })
    }

    /// Draws a picture.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.borrowed.taken.load(Ordering::Acquire) {
            return Err(io::Error::other("a part of the program has failed, see above"));
        }
        self.terminal.draw(picture)?;
        Ok(())
    }
}

impl Borrowed {
    fn take() -> io::Result<Self> {
        let taken = Arc::new(AtomicBool::new(true));
        let borrowed = Self { taken: taken.clone() };
        // What a panic says is to be read on the terminal as it was.
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back(&taken);
            usual(info);
        }));
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(borrowed)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        give_back(&self.taken);
    }
}

/// Once, whoever comes first. Each step is tried, whatever became of the one before.
fn give_back(taken: &AtomicBool) {
    if taken.swap(false, Ordering::AcqRel) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = terminal::disable_raw_mode();
    }
}
