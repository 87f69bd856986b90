//! Where the configuration comes from.

use std::path::PathBuf;

use figment::value::Value;

use super::environment;
use super::keys::KeyInfo;

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config.file`; None: config.toml in the working directory, else beside the executable.
    pub file: Option<PathBuf>,
    /// Names and values of variables; those of other programs are left alone.
    pub environment: Vec<(String, String)>,
    /// The flags that set a key. Where one sets a key of a site, the flags name the only site and no file is read.
    pub flags: Vec<FlagValue>,
    /// Whether the command has flags for a site, for the message when there is no site.
    pub has_site_flags: bool,
    /// Where relative paths of variables and flags start.
    pub working_directory: PathBuf,
    /// The program's own path.
    pub executable: Option<PathBuf>,
}

/// A key that a flag sets.
#[derive(Debug, Clone)]
pub struct FlagValue {
    pub key: &'static KeyInfo,
    pub value: Value,
}

impl FlagValue {
    /// `value`: text for all keys that are written as text, otherwise what TOML would have.
    pub fn new(key: &'static KeyInfo, value: impl Into<Value>) -> Self {
        Self { key, value: value.into() }
    }
}

impl Sources {
    /// Returns the sources of this process: this file, these flags and the process's environment.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<FlagValue>) -> Self {
        Self {
            file,
            environment: environment::of_process(),
            flags,
            has_site_flags: false,
            // Without one, paths stay relative, and the system reports what is wrong with them.
            working_directory: std::env::current_dir().unwrap_or_default(),
            executable: std::env::current_exe().ok(),
        }
    }

    /// Returns whether the only site is named by flags.
    pub fn has_site_by_flags(&self) -> bool {
        self.flags.iter().any(|flag| flag.key.is_of_site())
    }
}
