//! Log lines kept back from standard error while something else has the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};

use parking_lot::Mutex;

/// The oldest lines beyond that are forgotten.
const MOST: usize = 1000;

/// What is kept back; None: nothing is, lines are written at once.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

#[derive(Default)]
struct Kept {
    lines: VecDeque<Vec<u8>>,
    forgotten: usize,
}

/// Lines are kept back until this goes; then they are written.
pub struct Held(());

/// Keeps back what is logged to standard error from now on. A log file is written as before.
#[must_use]
pub fn hold() -> Held {
    KEPT.lock().get_or_insert_default();
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(Kept { lines, forgotten }) = KEPT.lock().take() else { return };
        let mut stderr = io::stderr().lock();
        // Nobody could be told that nothing can be told.
        if forgotten > 0 {
            let _ = writeln!(stderr, "{forgotten} earlier log lines were not kept; --log.file keeps all");
        }
        for line in lines {
            let _ = stderr.write_all(&line);
        }
    }
}

/// Standard error, unless lines are kept back. Takes a whole line with each write.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *KEPT.lock() {
            None => io::stderr().write_all(line)?,
            Some(kept) => kept.push(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Kept {
    fn push(&mut self, line: &[u8]) {
        if self.lines.len() == MOST {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_lines_are_held_none_reaches_standard_error() {
        let kept = || KEPT.lock().as_ref().map(|kept| kept.lines.len());
        let held = hold();
        Stderr.write_all(b"a line\n").unwrap();
        assert_eq!(kept(), Some(1));
        drop(held);
        assert_eq!(kept(), None);
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let mut kept = Kept::default();
        (0..MOST + 2).for_each(|number| kept.push(number.to_string().as_bytes()));
        assert_eq!((kept.lines.len(), kept.forgotten), (MOST, 2));
        assert_eq!(kept.lines.front().map(Vec::as_slice), Some(&b"2"[..]));
    }
}
