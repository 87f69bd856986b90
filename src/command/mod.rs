//! The subcommands: each puts the modules together for one purpose.

pub mod check;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod serve;
pub mod sessions;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;

use std::process::ExitCode;

use anyhow::Result;

#[cfg(feature = "simulator")]
use crate::cli::DemoArgs;
use crate::cli::{Cli, Command, GlobalArgs, SiteArgs};
use crate::config::{ConfigErrors, Sources};
use crate::terminal;

/// It ran, and something failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const WRONG: u8 = 2;

/// Runs the command that was named. An error is told by the caller and ends with [`FAILED`].
pub async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { command, web, global } = cli;
    match command {
        None => serve::run(&global, web).await,
        Some(Command::Serve(own)) => serve::run(&global, own.or(web)).await,
        #[cfg(feature = "simulator")]
        Some(Command::Demo(_) | Command::Simulate(_)) if global.config_file.is_some() => {
            Ok(wrong_usage("--config.file is not for demo and simulate: they read no configuration"))
        }
        #[cfg(feature = "simulator")]
        Some(Command::Demo(own)) => demo::run(DemoArgs { web: own.web.or(web), ..own }).await,
        // Flags of `serve` before another command would be passed over in silence.
        Some(_) if !web.is_empty() => Ok(wrong_usage("--web.* and --config.check belong to serve and demo")),
        Some(Command::Check(args)) => check::from_command_line(&global, &args).await,
        Some(Command::Sessions(args)) => sessions::run(&global, args.command).await,
        #[cfg(feature = "simulator")]
        Some(Command::Simulate(args)) => simulated(args.into()).await,
    }
}

/// Where the settings of a command come from that takes a site by flags.
fn sources(global: &GlobalArgs, site: &SiteArgs) -> Result<Sources, ExitCode> {
    let flags = site.flags();
    if global.config_file.is_some() && !flags.is_empty() {
        let names: Vec<_> = flags.iter().map(|flag| flag.key.flag()).collect();
        let keys: Vec<_> = flags.iter().map(|flag| flag.key.name).collect();
        return Err(wrong_usage(format_args!(
            "--config.file and {} exclude each other: such flags name a site instead of a configuration file; in \
             the file, its section [site.NAME] has {}",
            names.join(", "),
            keys.join(", "),
        )));
    }
    let process = Sources::of_process(global.config_file.clone(), flags);
    Ok(Sources { has_site_flags: true, ..process })
}

fn wrong_usage(told: impl std::fmt::Display) -> ExitCode {
    terminal::tell(format_args!("error: {told}"));
    ExitCode::from(WRONG)
}

/// Reports all errors of a configuration.
fn rejected(errors: &ConfigErrors) -> ExitCode {
    for error in errors.iter() {
        wrong_usage(error);
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

#[cfg(feature = "simulator")]
async fn simulated(options: qlik_sense_simulator::Options) -> Result<ExitCode> {
    match simulate::run(options, signals::end()?).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ qlik_sense_simulator::Error::Option { .. }) => Ok(wrong_usage(error)),
        Err(error) => Err(error.into()),
    }
}
