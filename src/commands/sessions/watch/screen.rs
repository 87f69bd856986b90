//! The terminal while the view has it, and its return.

use std::io::{self, Stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect, Size};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use crate::logging;

/// The terminal in raw mode, on its other screen. It is given back when this goes, however it goes, also in a
/// panic; what is logged meanwhile is written then.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    borrowed: Borrowed,
    /// Dropped last: when the terminal is back.
    _log: logging::Deferred,
}

/// The terminal's other state. Whoever drops it first restores the terminal.
struct Borrowed {
    taken: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        let log = logging::defer_stderr();
        let borrowed = Borrowed::take()?;
        // The area is set by each picture.
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::ZERO) };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::stdout()), options)?;
        Ok(Self { terminal, borrowed, _log: log })
    }

    /// Draws a picture.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.borrowed.taken.load(Ordering::Acquire) {
            return Err(io::Error::other("a part of the program has failed, see above"));
        }
        let area = area(self.terminal.size()?);
        if self.terminal.get_frame().area() != area {
            self.terminal.resize(area)?;
        }
        self.terminal.draw(picture)?;
        Ok(())
    }
}

/// All of the screen. Some terminals tell at first, or always, that they have none: it is taken for a usual one.
fn area(size: Size) -> Rect {
    let size = if size.area() == 0 { Size::new(80, 24) } else { size };
    Rect::from((Position::ORIGIN, size))
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

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::Screen;

    /// Set where this test is to panic instead of looking at it.
    const PANICS: &str = "QLIK_SESSION_EXPORTER_TEST_PANICS";
    const NAME: &str = "commands::sessions::watch::screen::tests::a_panic_is_told_on_the_terminal_as_it_was";

    /// How the terminal takes keys.
    fn modes() -> Vec<u8> {
        let stty = Command::new("stty").arg("-a").stdin(Stdio::inherit()).output().unwrap();
        assert!(stty.status.success());
        stty.stdout
    }

    #[expect(clippy::disallowed_methods, reason = "the test is run by itself")]
    #[test]
    fn a_panic_is_told_on_the_terminal_as_it_was() {
        if std::env::var_os(PANICS).is_some() {
            let before = modes();
            let mut screen = Screen::take().unwrap();
            assert_ne!(modes(), before);
            screen.draw(|frame| frame.render_widget("a picture", frame.area())).unwrap();
            let elsewhere = std::thread::spawn(|| panic!("on purpose"));
            assert!(elsewhere.join().is_err());
            assert_eq!(modes(), before);
            assert!(screen.draw(|_| ()).is_err(), "the terminal is not ours any more");
            return;
        }
        let (mut terminal, inside) = pty_process::blocking::open().unwrap();
        terminal.resize(pty_process::Size::new(24, 80)).unwrap();
        let mut child = pty_process::blocking::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(PANICS, "1")
            .spawn(inside)
            .unwrap();
        let mut written = Vec::new();
        // It ends with an error when the other side is closed.
        let _ = terminal.read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written).into_owned();
        assert!(child.wait().unwrap().success(), "{written}");
        let (before, after) = written.split_once("\u{1b}[?1049l").unwrap();
        assert!(before.contains("picture") && !before.contains("on purpose"), "{written:?}");
        assert!(after.contains("on purpose") && after.contains("\u{1b}[?25h"), "{written:?}");
    }
}
