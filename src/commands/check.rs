//! `check`: reads the configuration, asks every repository and proxy once, and says what works.

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
pub use report::{Look, Output};
use report::{Report, Status, Step};

/// What is checked where there is no file.
const ENVIRONMENT: &str = "environment";
const FLAGS: &str = "flags";

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// How the steps are written: lines for a person, or one JSON object for a script
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Output,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything works; there may be warnings.
    Good,
    /// Something that was asked failed.
    Failed,
    /// The configuration has errors: nothing was queried.
    BadConfig,
}

impl Outcome {
    /// Returns what the command ends with: all errors are in its report.
    pub fn result(self) -> Result<(), CommandError> {
        match self {
            Self::Good => Ok(()),
            Self::Failed => Err(CommandError::AlreadyReported(ExitKind::Failure)),
            Self::BadConfig => Err(CommandError::AlreadyReported(ExitKind::Usage)),
        }
    }
}

/// Checks what the files and the environment say, on standard output.
pub async fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<(), CommandError> {
    let sources = args.site.sources(global)?;
    let config = tokio::task::spawn_blocking(move || config::load(&sources)).await?;
    if let Ok(config) = &config {
        logging::start(&config.log).map_err(CommandError::usage)?;
    }
    let mut out = WhoeverReads(anstream::stdout());
    // What is not shown has no font.
    let rare_signs = has_rare_signs() || !io::stdout().is_terminal();
    let look = Look::new(stdout_has_colors(), rare_signs);
    let outcome = check(config, args.output, &mut out, look).await;
    outcome.context("cannot write to standard output")?.result()
}

/// Where a reader may have seen enough, as `head` has: the check goes on, so that its exit code stays true.
struct WhoeverReads<W>(W);

impl<W> WhoeverReads<W> {
    fn unless_gone<T>(done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(instead),
            done => done,
        }
    }
}

impl<W: Write> Write for WhoeverReads<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::unless_gone(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::unless_gone(self.0.flush(), ())
    }
}

/// Checks what `config` names and writes each step as soon as it is done.
///
/// # Errors
/// When `out` takes no more.
pub async fn check(
    config: Result<Config, ConfigErrors>,
    output: Output,
    out: &mut impl Write,
    look: Look,
) -> io::Result<Outcome> {
    let mut report = Report::new(output, out, look);
    let config = match config {
        Ok(config) => config,
        Err(errors) => {
            for error in errors.iter() {
                report.add(config_error(error))?;
            }
            report.finish()?;
            return Ok(Outcome::BadConfig);
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
    Ok(if failed { Outcome::Failed } else { Outcome::Good })
}

fn configuration(config: &Config) -> Step {
    let sites = super::counted(config.sites.len(), "site");
    let text = if config.file.is_empty() { format!("no file, {sites}") } else { format!("read, {sites}") };
    Step::new("configuration", source(config), Status::Ok, text)
}

/// Where the settings come from.
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

/// The steps of the site's certificates say the same and more.
fn is_about_certificates(warning: &str) -> bool {
    let key = warning.split(": ").next().unwrap_or_default();
    [".certificate", ".ca", "--certificate", "--ca"].iter().any(|end| key.ends_with(end))
}
