//! The flags that every command accepts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags that may stand before or after any command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Configuration file [default: config.toml in the working directory, else beside the executable]
    #[arg(long = "config.file", value_name = "PATH", global = true)]
    pub config_file: Option<PathBuf>,
    /// What is logged: only messages of this level and above
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info", global = true)]
    pub log_level: LogLevel,
    /// How log lines are written
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt", global = true)]
    pub log_format: LogFormat,
    /// Append the log to this file instead of writing it to standard error
    #[arg(long = "log.file", value_name = "PATH", global = true)]
    pub log_file: Option<PathBuf>,
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How each log line is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}
