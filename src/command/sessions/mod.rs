//! `sessions`: who is connected, and an end to it.

mod confirm;
mod delete;
mod ending;
mod list;
mod order;
mod pieces;
mod rounds;
mod table;
mod telling;
mod totals;
pub mod watch;
mod whose;
mod written;

use std::process::ExitCode;

use anyhow::Result;
use tracing::warn;

use crate::cli::{GlobalArgs, SessionsCommand, SiteArgs};
use crate::config::{self, Config};
use crate::sessions::{Failure, Roster};
use crate::terminal;
use telling::Told;

pub async fn run(global: &GlobalArgs, command: SessionsCommand) -> Result<ExitCode> {
    match command {
        SessionsCommand::List(args) => list::run(global, args).await,
        SessionsCommand::Delete(args) => delete::run(global, args).await,
        SessionsCommand::Watch(args) => watch::run(global, args).await,
    }
}

/// The configuration, by file or by flags, or the exit code when all its errors are reported. Its warnings are logged,
/// as far as they are about the sites that are asked; all, when none is named.
async fn config(global: &GlobalArgs, site: &SiteArgs, asked: &[String]) -> Result<Result<Config, ExitCode>> {
    let sources = match super::sources(global, site) {
        Ok(sources) => sources,
        Err(code) => return Ok(Err(code)),
    };
    let config = match tokio::task::spawn_blocking(move || config::load(&sources)).await? {
        Ok(config) => config,
        Err(errors) => {
            return Ok(Err(super::rejected(&errors)));
        }
    };
    let is_asked =
        |name: &str| asked.is_empty() || asked.iter().any(|it| it.to_lowercase() == name.to_lowercase());
    for warning in config.warnings_about(is_asked) {
        warn!("{warning}");
    }
    Ok(Ok(config))
}

/// Says on standard error what could not be asked, and what fits nothing. True when nothing has failed.
fn tell_failures(roster: &Roster) -> bool {
    let is_whole = Told::default().roster(roster);
    telling::users_without(roster);
    is_whole
}

/// Who could not be asked, and why.
fn troubles(roster: &Roster) -> Vec<(String, &Failure)> {
    let mut troubles = Vec::new();
    for site in &roster.sites {
        let repository = || format!("the repository of {}", site.name);
        troubles.extend(site.discovery.as_ref().map(|failure| (repository(), failure)));
        for answer in &site.pairs {
            troubles.extend(answer.sessions.as_ref().err().map(|failure| (answer.pair.to_string(), failure)));
        }
    }
    troubles
}

/// Says on standard error that somebody could not be asked, and what to try.
fn tell(who: &str, failure: &Failure, with_advice: bool) {
    terminal::tell(format_args!("error: {who}: {}", failure.message));
    if with_advice && !failure.advice.is_empty() {
        terminal::tell(format_args!("  → {}", failure.advice));
    }
}
