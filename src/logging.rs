//! One log line per thing that an operator would act on, as logfmt or JSON, on standard error or in a
//! file. Whatever stands in it, it is one line, and no terminal obeys it.

mod deferred;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFile, LogFormat, LogLevel, LogSettings};
use crate::terminal::{escaped, escaped_json};
pub use deferred::{Deferred, defer_stderr};

/// The log file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{named_by} {path}: cannot be opened for appending: {error}")]
pub struct LogFileError {
    named_by: String,
    path: String,
    error: io::Error,
}

/// Sets up the log of the whole process, once the configuration is read. Nothing is logged before.
///
/// # Errors
/// When the log file cannot be opened.
pub fn start(settings: &LogSettings) -> Result<(), LogFileError> {
    let escape = match settings.format {
        LogFormat::Logfmt => escaped,
        LogFormat::Json => escaped_json,
    };
    let writer = match &settings.file {
        None => BoxMakeWriter::new(move || Lines { to: deferred::Stderr, escape }),
        Some(file) => {
            let file = Arc::new(open(file)?);
            BoxMakeWriter::new(move || Lines { to: file.clone(), escape })
        }
    };
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What the libraries trace can hold whole requests, and so session ids.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let registry = tracing_subscriber::registry().with(filter);
    // Fails only where a log is set up already, as in a test.
    let _ = match settings.format {
        LogFormat::Logfmt => {
            let layer = tracing_logfmt::builder().with_span_name(false).with_span_path(false).layer();
            registry.with(layer.with_writer(writer)).try_init()
        }
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_writer(writer);
            registry.with(layer).try_init()
        }
    };
    Ok(())
}

fn open(LogFile { path, named_by }: &LogFile) -> Result<File, LogFileError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    let path = path.display().to_string();
    opened.map_err(|error| LogFileError { named_by: named_by.clone(), path, error })
}

/// Log lines on their way. Each comes as one write, with its line end.
struct Lines<W> {
    to: W,
    escape: fn(&str) -> String,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let one_line = (self.escape)(text.trim_end_matches('\n')) + "\n";
        if let Err(error) = self.to.write_all(one_line.as_bytes()) {
            // The libraries would also report it on standard error, but they panic when that is what failed.
            let report = escaped(&format!("a log line cannot be written: {error}")) + "\n";
            let _ = deferred::Stderr.write_all(report.as_bytes());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(escape: fn(&str) -> String, line: &str) -> String {
        let mut lines = Lines { to: Vec::new(), escape };
        lines.write_all(line.as_bytes()).unwrap();
        String::from_utf8(lines.to).unwrap()
    }

    #[test]
    fn a_line_stays_one_line_that_no_terminal_obeys() {
        assert_eq!(written(escaped, "site=a\u{202e}b\u{1b}[2J\n"), "site=a\\u{202e}b\\u{1b}[2J\n");
        assert_eq!(written(escaped, "a\nlevel=info\n"), "a\\nlevel=info\n");
        let json = written(escaped_json, "{\"site\":\"a\u{202e}\"}\n");
        assert_eq!(json, "{\"site\":\"a\\u202e\"}\n");
    }
}
