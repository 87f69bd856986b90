//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use qlik_session_exporter::cli::Cli;
use qlik_session_exporter::commands::{FAILED, WRONG};
use qlik_session_exporter::logging;
use qlik_session_exporter::terminal::{escaped, tell};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(error),
    };
    if let Err(error) = logging::start(&cli.global) {
        tell(format_args!("error: {error}"));
        return ExitCode::from(WRONG);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(format_args!("error: cannot start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(cli.run()).unwrap_or_else(|error| {
        // An error may quote lines, of another program's log say.
        format!("error: {error:#}").lines().for_each(tell);
        ExitCode::from(FAILED)
    });
    // Nothing that still resolves a name or writes to a slow reader holds the end up.
    runtime.shutdown_background();
    code
}

/// Writes help, version or what is wrong with the arguments. What it repeats of them is escaped: they are read once
/// more, as a terminal may show them.
fn refused(error: clap::Error) -> ExitCode {
    let shown = std::env::args_os().map(|argument| escaped(&argument.to_string_lossy()));
    match Cli::try_parse_from(shown) {
        Err(error) => drop(error.print()),
        // Escaped they would be good ones.
        Ok(_) => error.to_string().lines().for_each(tell),
    }
    ExitCode::from(if error.use_stderr() { WRONG } else { 0 })
}
