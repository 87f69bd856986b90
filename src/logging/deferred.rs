//! Log lines that are kept back from standard error while something else has the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};

use parking_lot::Mutex;

/// How many lines are kept back; the oldest beyond that are dropped.
const MOST: usize = 1000;

/// What is kept back. None: lines are written at once.
static DEFERRED: Mutex<Option<DeferredLines>> = Mutex::new(None);

#[derive(Default)]
struct DeferredLines {
    lines: VecDeque<Vec<u8>>,
    dropped: usize,
}

/// Lines are kept back until this is dropped; then they are written.
pub struct Deferred(());

/// Keeps back what is logged to standard error from now on. A log file is written as before.
#[must_use]
pub fn defer_stderr() -> Deferred {
    DEFERRED.lock().get_or_insert_default();
    Deferred(())
}

impl Drop for Deferred {
    fn drop(&mut self) {
        let Some(DeferredLines { lines, dropped }) = DEFERRED.lock().take() else { return };
        let mut stderr = io::stderr().lock();
        // There is no other place to report that standard error cannot be written.
        if dropped > 0 {
            let _ = writeln!(stderr, "{dropped} earlier log lines were not kept; --log.file keeps all");
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
        match &mut *DEFERRED.lock() {
            None => io::stderr().write_all(line)?,
            Some(deferred) => deferred.push(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl DeferredLines {
    fn push(&mut self, line: &[u8]) {
        if self.lines.len() == MOST {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_reaches_standard_error_while_deferred() {
        let count = || DEFERRED.lock().as_ref().map(|deferred| deferred.lines.len());
        let deferred = defer_stderr();
        Stderr.write_all(b"a line\n").unwrap();
        assert_eq!(count(), Some(1));
        drop(deferred);
        assert_eq!(count(), None);
    }

    #[test]
    fn newest_lines_are_kept() {
        let mut deferred = DeferredLines::default();
        (0..MOST + 2).for_each(|number| deferred.push(number.to_string().as_bytes()));
        assert_eq!((deferred.lines.len(), deferred.dropped), (MOST, 2));
        assert_eq!(deferred.lines.front().map(Vec::as_slice), Some(&b"2"[..]));
    }
}
