//! Flags of `sessions`.

use std::fmt;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::site::SiteArgs;
use crate::sessions::{Filter, User};
use qlik_sense::VirtualProxy;
use qlik_sense::types::{SessionId, SessionIdError};

#[derive(Debug, Clone, Args)]
pub struct SessionsArgs {
    #[command(subcommand)]
    pub command: SessionsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// Who is connected now
    List(ListArgs),
    /// End sessions
    #[command(after_help = DELETE_HELP)]
    Delete(DeleteArgs),
    /// The same list, live in the terminal
    #[command(after_help = watch_help())]
    Watch(WatchArgs),
}

const DELETE_HELP: &str = "It shows what will go and asks first. Qlik may need five minutes before the user can \
                           log in again.";

/// Where sessions are looked for. What is not asked for is not asked.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// Only this site; may be given several times
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// Only this proxy service, by its name or its host; may be given several times
    #[arg(long = "proxy", value_name = "NAME")]
    pub proxies: Vec<String>,
    /// Only this virtual proxy, / for the default one; may be given several times
    #[arg(long = "virtual-proxy", value_name = "PREFIX", value_parser = VirtualProxy::parse)]
    pub virtual_proxies: Vec<VirtualProxy>,
}

impl PlaceArgs {
    /// The same, of these users, or of all when there are none.
    pub fn filter(self, users: Vec<User>) -> Filter {
        let Self { sites, proxies, virtual_proxies } = self;
        Filter { sites, proxies, virtual_proxies, users }
    }
}

/// Which sessions are shown.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only this user's sessions, case as listed; may be given several times
    #[arg(long = "user", value_name = r"DIR\ID", value_parser = User::parse)]
    pub users: Vec<User>,
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Self {
        args.place.filter(args.users)
    }
}

/// By which column a list is sorted first; the others follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum SortBy {
    #[default]
    Prefix,
    ProxyHost,
    ProxyName,
    UserDir,
    UserId,
    UserName,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    #[default]
    Table,
    Json,
    Csv,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How the sessions are written: a table for a person, or JSON or CSV for other programs
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    pub output: ListOutput,
    /// The first column to sort by, without regard to case; ties by the others
    #[arg(long, value_name = "COLUMN", value_enum, default_value = "prefix")]
    pub sort_by: SortBy,
    /// Show in the table all that is known of a session
    #[arg(long)]
    pub wide: bool,
    #[command(flatten)]
    pub site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// What is written: a live view (table), or the list at each refresh, an array a line (json) or rows that
    /// begin with the time (csv)
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    pub output: ListOutput,
    /// The first column to sort sessions by, without regard to case; ties by the others
    #[arg(long, value_name = "COLUMN", value_enum, default_value = "prefix")]
    pub sort_by: SortBy,
    /// How often everybody is asked
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    pub interval: Duration,
    #[command(flatten)]
    pub site: SiteArgs,
}

fn watch_help() -> String {
    let line = |(keys, what): &(&str, &str)| format!("  {keys:<33}{what}\n");
    let keys: String = crate::commands::sessions::watch::KEYS.iter().map(line).collect();
    format!("Keys:\n{keys}")
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    let expected = "expected a duration from 100ms to 1day, such as 5s";
    let range = Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);
    // What humantime says of a text is about its own steps.
    humantime::parse_duration(text).ok().filter(|interval| range.contains(interval)).ok_or(expected)
}

#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// Show what would go, and end nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// Which sessions end.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct WhoseArgs {
    /// The sessions of these ids, on one proxy service and virtual proxy; one that begins with a hyphen as
    /// --session-id=-ID
    #[arg(
        long = "session-id",
        value_name = "ID",
        num_args = 1..,
        value_parser = session_id,
        requires = "proxies",
        requires = "virtual_proxies"
    )]
    pub session_ids: Vec<GivenId>,
    /// All sessions of these users, case as listed
    #[arg(long = "user", value_name = r"DIR\ID", num_args = 1.., value_parser = User::parse)]
    pub users: Vec<User>,
    /// All sessions of one virtual proxy on one proxy service
    #[arg(long, requires = "proxies", requires = "virtual_proxies")]
    pub all: bool,
}

/// The id of a session. Its `Debug` hides it: whoever has it can take the session over.
#[derive(Clone)]
pub struct GivenId(pub String);

impl fmt::Debug for GivenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenId(…)")
    }
}

fn session_id(text: &str) -> Result<GivenId, SessionIdError> {
    SessionId::parse(text).map(|id| GivenId(id.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn no_session_id_is_seen_in_what_was_parsed() {
        let args = [
            "x",
            "sessions",
            "delete",
            "--proxy=a",
            "--virtual-proxy=/",
            "--session-id",
            "secret-1",
            "secret-2",
        ];
        let parsed = format!("{:?}", Cli::parse_from(args));
        assert!(parsed.contains("session_ids") && !parsed.contains("secret"), "{parsed}");
    }
}
