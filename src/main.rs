//! Parse, run, exit code.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable
)]

use std::process::ExitCode;

use clap::Parser;
use qlik_session_exporter::cli::Cli;
use qlik_session_exporter::command::{self, FAILED, WRONG};
use qlik_session_exporter::logging;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = logging::start(&cli.global) {
        eprintln!("error: {error}");
        return ExitCode::from(WRONG);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(command::run(cli)).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(FAILED)
    });
    // Nothing that still resolves a name or writes to a slow reader holds the end up.
    runtime.shutdown_background();
    code
}
