//! One log line per thing that an operator would act on, as logfmt or JSON, on standard error or in a
//! file.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{GlobalArgs, LogFormat, LogLevel};

/// The log file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--log.file {path}: cannot be opened for appending: {error}")]
pub struct LogFileError {
    path: String,
    error: io::Error,
}

/// Sets up the log of the whole process.
pub fn start(args: &GlobalArgs) -> Result<(), LogFileError> {
    let writer = match &args.log_file {
        None => BoxMakeWriter::new(io::stderr),
        Some(path) => BoxMakeWriter::new(Mutex::new(append_to(path)?)),
    };
    let level = match args.log_level {
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
    let _ = match args.log_format {
        LogFormat::Logfmt => registry.with(tracing_logfmt::builder().layer().with_writer(writer)).try_init(),
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer);
            registry.with(layer).try_init()
        }
    };
    Ok(())
}

fn append_to(path: &Path) -> Result<std::fs::File, LogFileError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| LogFileError { path: path.display().to_string(), error })
}
