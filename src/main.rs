//! Parses the command line, runs the command and turns its error into the exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use qlik_session_exporter::cli::Cli;
use qlik_session_exporter::error::{CommandError, ExitKind};
use qlik_session_exporter::terminal::{escaped, report};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), CommandError> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(cli.run());
    // A thread that still resolves a name or writes to a slow reader does not delay the exit.
    runtime.shutdown_background();
    result
}

/// Prints help, the version or what is wrong with the arguments. What this repeats of the arguments is escaped: they
/// are parsed once more, in the form that a terminal may show.
fn explain(error: &clap::Error) -> Result<(), CommandError> {
    let shown = std::env::args_os().map(|argument| escaped(&argument.to_string_lossy()));
    match Cli::try_parse_from(shown) {
        Err(error) => drop(error.print()),
        // Escaped arguments can be valid where the original ones are not.
        Ok(_) => error.to_string().lines().for_each(report),
    }
    match error.use_stderr() {
        true => Err(CommandError::AlreadyReported(ExitKind::Usage)),
        false => Ok(()),
    }
}
