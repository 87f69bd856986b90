//! The command line: the commands and their dispatch.

use clap::{Parser, Subcommand};

use crate::commands::check::{self, CheckArgs};
#[cfg(feature = "simulator")]
use crate::commands::demo::{self, DemoArgs};
use crate::commands::serve::{self, ServeArgs};
use crate::commands::sessions::{self, SessionsArgs};
#[cfg(feature = "simulator")]
use crate::commands::simulate::{self, SimulateArgs};
use crate::error::CommandError;
use crate::global::GlobalArgs;

/// Prometheus exporter for the proxy sessions of client-managed Qlik Sense
#[derive(Debug, Parser)]
#[command(version, about, long_version = LONG_VERSION, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`, which is the default command.
    #[command(flatten)]
    pub web: ServeArgs,
    #[command(flatten)]
    pub global: GlobalArgs,
}

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BUILD_REVISION"),
    ", rustc ",
    env!("BUILD_RUSTC_VERSION"),
    ")"
);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the exporter (default)
    Serve(ServeArgs),
    /// Read the configuration, query every repository and proxy once, report what works
    Check(CheckArgs),
    /// List, watch and delete sessions
    Sessions(SessionsArgs),
    /// Run a simulated Qlik Sense site and the exporter for it, without any configuration
    #[cfg(feature = "simulator")]
    Demo(DemoArgs),
    /// Run only the simulated site, for tests and for trying other tools
    #[cfg(feature = "simulator")]
    #[command(after_long_help = simulate::help())]
    Simulate(SimulateArgs),
}

impl Cli {
    /// Runs the named command, by default `serve`.
    pub async fn run(self) -> Result<(), CommandError> {
        let Self { command, web, global } = self;
        match command {
            None => serve::run(&global, web).await,
            Some(Command::Serve(own)) => serve::run(&global, own.or(web)).await,
            #[cfg(feature = "simulator")]
            Some(Command::Demo(_) | Command::Simulate(_)) if global.config_file.is_some() => {
                Err(CommandError::usage(
                    "--config.file cannot be used with demo and simulate: they read no configuration",
                ))
            }
            #[cfg(feature = "simulator")]
            Some(Command::Demo(own)) => demo::run(&global, DemoArgs { web: own.web.or(web), ..own }).await,
            // The other commands would ignore these flags silently.
            Some(_) if !web.is_empty() => {
                Err(CommandError::usage("--web.* and --config.check can only be used with serve and demo"))
            }
            Some(Command::Check(args)) => check::run(&global, &args).await,
            Some(Command::Sessions(args)) => sessions::run(&global, args.command).await,
            #[cfg(feature = "simulator")]
            Some(Command::Simulate(args)) => simulate::run(&global, args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_serve_are_accepted_before_and_after_it() {
        for args in [
            &["--web.listen-address", ":1"][..],
            &["serve", "--web.listen-address", ":1"],
            &["--web.listen-address", ":1", "serve"],
        ] {
            let cli = Cli::parse_from(std::iter::once("x").chain(args.iter().copied()));
            let web = match cli.command {
                Some(Command::Serve(web)) => web.or(cli.web),
                _ => cli.web,
            };
            assert_eq!(web.listen_addresses, [":1"], "{args:?}");
        }
    }
}
