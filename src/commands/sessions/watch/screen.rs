//! Takes the terminal for the view and restores it.

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

/// The terminal in raw mode on its alternate screen. It is restored when this is dropped and when a thread panics; log
/// lines are deferred until then.
///
/// Not by `ratatui::init`: its panic hook uses `eprintln!`, which panics again when the terminal is gone, and a second
/// restore would move the cursor into the panic's message.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    guard: TerminalGuard,
    /// Dropped last, when the terminal is restored.
    _log: logging::Deferred,
}

/// Restores the terminal once.
struct TerminalGuard {
    is_taken: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        let log = logging::defer_stderr();
        let guard = TerminalGuard::take()?;
        // Each frame sets the area.
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::ZERO) };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::stdout()), options)?;
        Ok(Self { terminal, guard, _log: log })
    }

    /// Draws a frame.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.guard.is_taken.load(Ordering::Acquire) {
            return Err(io::Error::other("a task of the program has panicked: see above"));
        }
        let area = area(self.terminal.size()?);
        if self.terminal.get_frame().area() != area {
            self.terminal.resize(area)?;
        }
        self.terminal.draw(render)?;
        Ok(())
    }
}

/// Returns the area of the whole screen. Some terminals report no size, at first or always: then 80x24.
fn area(size: Size) -> Rect {
    let size = if size.area() == 0 { Size::new(80, 24) } else { size };
    Rect::from((Position::ORIGIN, size))
}

impl TerminalGuard {
    fn take() -> io::Result<Self> {
        let is_taken = Arc::new(AtomicBool::new(true));
        let guard = Self { is_taken: is_taken.clone() };
        // The panic's message must appear on the restored terminal.
        let default_hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore(&is_taken);
            default_hook(info);
        }));
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(guard)
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore(&self.is_taken);
    }
}

/// Restores the terminal if it is taken. Each step is tried, also after a failed one.
fn restore(is_taken: &AtomicBool) {
    if is_taken.swap(false, Ordering::AcqRel) {
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

    /// Set in the process of this test that panics.
    const PANICS: &str = "QLIK_SESSION_EXPORTER_TEST_PANICS";
    const NAME: &str =
        "commands::sessions::watch::screen::tests::a_panic_is_printed_on_the_restored_terminal";

    /// Returns the terminal's settings.
    fn modes() -> Vec<u8> {
        let stty = Command::new("stty").arg("-a").stdin(Stdio::inherit()).output().unwrap();
        assert!(stty.status.success());
        stty.stdout
    }

    #[expect(clippy::disallowed_methods, reason = "the test starts itself")]
    #[test]
    fn a_panic_is_printed_on_the_restored_terminal() {
        if std::env::var_os(PANICS).is_some() {
            let before = modes();
            let mut screen = Screen::take().unwrap();
            assert_ne!(modes(), before);
            screen.draw(|frame| frame.render_widget("a frame", frame.area())).unwrap();
            let elsewhere = std::thread::spawn(|| panic!("on purpose"));
            assert!(elsewhere.join().is_err());
            assert_eq!(modes(), before);
            assert!(screen.draw(|_| ()).is_err(), "the terminal is restored");
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
        // Reading ends with an error when the other side is closed.
        let _ = terminal.read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written).into_owned();
        assert!(child.wait().unwrap().success(), "{written}");
        let (before, after) = written.split_once("\u{1b}[?1049l").unwrap();
        assert!(before.contains("frame") && !before.contains("on purpose"), "{written:?}");
        assert!(after.contains("on purpose") && after.contains("\u{1b}[?25h"), "{written:?}");
    }
}
