//! The flags that every command accepts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{FlagValue, LogFormat, LogLevel, keys};

/// Flags that may stand before or after any command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Configuration file [default: config.toml in the working directory, else beside the executable]
    #[arg(long = "config.file", value_name = "PATH", global = true)]
    pub config_file: Option<PathBuf>,
    /// What is logged: only messages of this level and above [default: log.level of the configuration, else info]
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, global = true)]
    pub log_level: Option<LogLevel>,
    /// How log lines are written [default: log.format of the configuration, else logfmt]
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, global = true)]
    pub log_format: Option<LogFormat>,
    /// Append the log to this file instead of writing it to standard error [default: log.file of the configuration]
    #[arg(long = "log.file", value_name = "PATH", global = true)]
    pub log_file: Option<String>,
}

impl GlobalArgs {
    /// Returns the flags of the log that are given.
    pub fn flags(&self) -> Vec<FlagValue> {
        let level = self.log_level.and_then(|level| level.to_possible_value());
        let format = self.log_format.and_then(|format| format.to_possible_value());
        let all = [
            (&keys::log::LEVEL.info, level.map(|level| level.get_name().to_owned())),
            (&keys::log::FORMAT.info, format.map(|format| format.get_name().to_owned())),
            (&keys::log::FILE.info, self.log_file.clone()),
        ];
        all.into_iter().filter_map(|(key, value)| Some(FlagValue::new(key, value?))).collect()
    }
}
