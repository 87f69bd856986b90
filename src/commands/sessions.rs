//! `sessions`: lists, watches and deletes sessions.

mod confirm;
mod delete;
mod deletion;
mod deletion_log;
mod list;
mod order;
mod pieces;
mod read_config;
mod reporter;
mod rounds;
mod selection;
mod shared_args;
mod table;
mod totals;
pub mod watch;
mod written;

use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::global::GlobalArgs;
use delete::DeleteArgs;
use list::ListArgs;
use watch::WatchArgs;

#[derive(Debug, Clone, Args)]
pub struct SessionsArgs {
    #[command(subcommand)]
    pub command: SessionsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// List open sessions
    List(ListArgs),
    /// Delete sessions
    #[command(after_help = delete::HELP)]
    Delete(DeleteArgs),
    /// Watch open sessions live in the terminal
    #[command(after_help = watch::help())]
    Watch(WatchArgs),
}

pub async fn run(global: &GlobalArgs, command: SessionsCommand) -> Result<(), CommandError> {
    match command {
        SessionsCommand::List(args) => list::run(global, args).await,
        SessionsCommand::Delete(args) => delete::run(global, args).await,
        SessionsCommand::Watch(args) => watch::run(global, args).await,
    }
}
