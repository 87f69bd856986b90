//! The subcommands: each puts the modules together for one purpose.

pub mod check;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod serve;
pub mod sessions;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;
pub mod site_args;

use std::process::ExitCode;

use crate::config::{self, Mistakes, Sources};
use crate::global::GlobalArgs;
use crate::terminal;
use site_args::SiteArgs;

/// It ran, and something failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const WRONG: u8 = 2;

/// Where the settings of a command come from that takes a site by flags.
fn sources(global: &GlobalArgs, site: &SiteArgs) -> Result<Sources, ExitCode> {
    let site = site.settings();
    if global.config_file.is_some() && !site.is_empty() {
        let flags: Vec<_> = site.iter().map(|(key, _)| config::flag(key)).collect();
        let keys: Vec<_> = site.iter().map(|(key, _)| *key).collect();
        return Err(wrong_usage(format_args!(
            "--config.file and {} exclude each other: such flags name a site instead of a configuration file; in \
             the file, its section [site.NAME] has {}",
            flags.join(", "),
            keys.join(", "),
        )));
    }
    let process = Sources::of_process(global.config_file.clone(), Vec::new());
    Ok(Sources { site, has_site_flags: true, ..process })
}

pub fn wrong_usage(told: impl std::fmt::Display) -> ExitCode {
    terminal::tell(format_args!("error: {told}"));
    ExitCode::from(WRONG)
}

/// Tells all mistakes of a configuration.
fn mistaken(mistakes: &Mistakes) -> ExitCode {
    for mistake in mistakes.iter() {
        wrong_usage(mistake);
    }
    ExitCode::from(WRONG)
}

/// `1 site`, `2 sites`, `2 virtual proxies`.
pub fn counted(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix("proxy")) {
        (1, _) => format!("1 {noun}"),
        (_, Some(kind)) => format!("{number} {kind}proxies"),
        (_, None) => format!("{number} {noun}s"),
    }
}
