//! `check`: reads the configuration, queries every repository and proxy service once, and reports what works.

mod certificates;
mod proxies;
mod report;
mod site;

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use clap::Args;

use super::site_args::SiteArgs;
use crate::config::{self, Config, ConfigError, ConfigErrors, Source};
use crate::error::{CommandError, ExitKind};
use crate::global::GlobalArgs;
use crate::logging;
use crate::terminal::{has_rare_signs, stdout_has_colors};
pub use report::{CheckOutput, ReportStyle};
use report::{Report, Status, Step};

/// The targets of configuration steps where there is no file.
const ENVIRONMENT: &str = "environment";
const FLAGS: &str = "flags";

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Output format: lines for a person, or one JSON object for a script
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: CheckOutput,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// Everything works; there may be warnings.
    Good,
    /// A step failed.
    Failed,
    /// The configuration has errors: nothing was queried.
    BadConfig,
}

impl CheckOutcome {
    /// Returns the result of the command; all errors have been reported.
    pub fn result(self) -> Result<(), CommandError> {
        match self {
            Self::Good => Ok(()),
            Self::Failed => Err(CommandError::AlreadyReported(ExitKind::Failure)),
            Self::BadConfig => Err(CommandError::AlreadyReported(ExitKind::Usage)),
        }
    }
}

/// Checks the configured sites and writes the report to standard output.
pub async fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<(), CommandError> {
    let sources = args.site.sources(global)?;
    let config = tokio::task::spawn_blocking(move || config::load(&sources)).await?;
    if let Ok(config) = &config {
        logging::start(&config.log).map_err(CommandError::usage)?;
    }
    let mut out = IgnoreBrokenPipe(anstream::stdout());
    // Only a terminal has a font that may lack them.
    let rare_signs = has_rare_signs() || !io::stdout().is_terminal();
    let style = ReportStyle::new(stdout_has_colors(), rare_signs);
    let outcome = check(config, args.output, &mut out, style).await;
    outcome.context("cannot write to standard output")?.result()
}

/// Ignores that the reader of the output has ended, as `head` does: the check continues, so that the exit code still
/// shows its result.
struct IgnoreBrokenPipe<W>(W);

/// Returns `substitute` where the reader has ended.
fn unless_broken_pipe<T>(result: io::Result<T>, substitute: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(substitute),
        result => result,
    }
}

impl<W: Write> Write for IgnoreBrokenPipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_broken_pipe(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_broken_pipe(self.0.flush(), ())
    }
}

/// Checks every site of `config` and writes each step when it completes.
///
/// # Errors
/// When `out` cannot be written.
pub async fn check(
    config: Result<Config, ConfigErrors>,
    output: CheckOutput,
    out: &mut impl Write,
    style: ReportStyle,
) -> io::Result<CheckOutcome> {
    let mut report = Report::new(output, out, style);
    let config = match config {
        Ok(config) => config,
        Err(errors) => {
            for error in errors.iter() {
                report.add(config_error(error))?;
            }
            report.finish()?;
            return Ok(CheckOutcome::BadConfig);
        }
    };
    report.add(configuration(&config))?;
    for warning in config.warnings.iter().filter(|warning| !is_about_certificates(warning)) {
        report.add(Step::new("configuration", source(&config), Status::Warning, warning.clone()))?;
    }
    for settings in &config.sites {
        site::check(settings, &config.scrape, &mut report).await?;
    }
    let failed = report.failed();
    report.finish()?;
    Ok(if failed { CheckOutcome::Failed } else { CheckOutcome::Good })
}

fn configuration(config: &Config) -> Step {
    let sites = super::counted(config.sites.len(), "site");
    let text = if config.file.is_empty() { format!("no file, {sites}") } else { format!("read, {sites}") };
    Step::new("configuration", source(config), Status::Ok, text)
}

/// Returns where the settings come from.
fn source(config: &Config) -> &str {
    match &*config.file {
        "" if config.sites.iter().any(|site| site.by_flags) => FLAGS,
        "" => ENVIRONMENT,
        file => file,
    }
}

fn config_error(error: &ConfigError) -> Step {
    let target = match &error.source {
        // Neither in a file nor in a variable.
        Source::Default => ENVIRONMENT.to_owned(),
        source => source.to_string(),
    };
    Step::new("configuration", target, Status::Failed, error.message())
}

/// Returns whether the certificate steps of a site report the same as this warning, with more detail.
fn is_about_certificates(warning: &str) -> bool {
    let key = warning.split(": ").next().unwrap_or_default();
    [".certificate", ".ca", "--certificate", "--ca"].iter().any(|end| key.ends_with(end))
}
