//! The subcommands: each puts the modules together for one purpose.

pub mod check;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod serve;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Command, WebArgs};

/// It ran, and something failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const WRONG: u8 = 2;

/// Runs the command that was named. An error is told by the caller and ends with [`FAILED`].
pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        None => serve::run(&cli.global, cli.web).await,
        Some(Command::Serve(web)) => serve::run(&cli.global, web.or(cli.web)).await,
        Some(Command::Check(args)) => match misplaced(&cli.web) {
            Some(code) => Ok(code),
            None => check::from_command_line(&cli.global, &args).await,
        },
        #[cfg(feature = "simulator")]
        Some(Command::Demo(web)) => demo::run(web.or(cli.web)).await,
        #[cfg(feature = "simulator")]
        Some(Command::Simulate(args)) => match misplaced(&cli.web) {
            Some(code) => Ok(code),
            None => simulated(args.into()).await,
        },
    }
}

#[cfg(feature = "simulator")]
async fn simulated(options: crate::simulator::Options) -> Result<ExitCode> {
    match simulate::run(options, signals::end()?).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ crate::simulator::Error::Option { .. }) => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(WRONG))
        }
        Err(error) => Err(error.into()),
    }
}

/// Flags of `serve` before another command would be passed over in silence.
fn misplaced(web: &WebArgs) -> Option<ExitCode> {
    (!web.is_empty()).then(|| {
        eprintln!("error: --web.* and --config.check belong to serve and demo");
        ExitCode::from(WRONG)
    })
}
