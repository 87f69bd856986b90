//! `sessions list`: who is connected now.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroU32;

use anyhow::Context;
use clap::Args;

use super::order::{Ordered, SortBy};
use super::read_config::read_config;
use super::reporter::{Reporter, report_users_without_sessions};
use super::shared_args::{FilterArgs, ListOutput};
use super::table::{self, TextColumn};
use super::totals::{AtLimit, Total, totals};
use super::written;
use crate::commands::site_args::SiteArgs;
use crate::error::{CommandError, success_if};
use crate::global::GlobalArgs;
use crate::sessions::{Detail, Lister, Listing, QueriedPair, Session};
use crate::terminal::escaped;

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

pub async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CommandError> {
    let config = read_config(global, &args.site, &args.filter.place.sites).await?;
    let detail = match args.output {
        ListOutput::Table if !args.wide => Detail::Named,
        _ => Detail::Whole,
    };
    let mut lister = Lister::new(&config, args.filter.into(), detail).map_err(CommandError::usage)?;
    let listing = lister.list(None).await;
    let is_whole = Reporter::default().listing(&listing);
    report_users_without_sessions(&listing);
    let how = How {
        output: args.output,
        sort_by: args.sort_by,
        wide: args.wide,
        limit: config.users.session_limit,
        is_whole,
    };
    let written = tokio::task::spawn_blocking(move || write(&listing, how)).await?;
    match written {
        // Otherwise whoever read it has seen enough, as `head` has.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")?
        }
        _ => success_if(is_whole),
    }
}

/// How a list is written.
struct How {
    output: ListOutput,
    sort_by: SortBy,
    wide: bool,
    /// Of one user's sessions on a site.
    limit: NonZeroU32,
    /// Whether everything answered.
    is_whole: bool,
}

/// Waits for whoever reads: to be called where that holds nobody up.
fn write(listing: &Listing, how: How) -> io::Result<()> {
    let sessions = Ordered::new(listing, how.sort_by);
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    let mut out = BufWriter::with_capacity(64 * 1024, stdout);
    match how.output {
        ListOutput::Table => write_table(&mut out, &sessions, &how)?,
        ListOutput::Json => written::json(&mut out, &sessions)?,
        ListOutput::Csv => written::csv(&mut out, &sessions, is_terminal)?,
    }
    out.flush()
}

type ListRow<'r> = (usize, &'r QueriedPair, Session<'r>);

fn write_table(out: &mut impl Write, sessions: &Ordered<'_>, how: &How) -> io::Result<()> {
    let at_limit = AtLimit::new(sessions, how.limit);
    let width = table::terminal_width();
    if sessions.len() > 0 {
        table::write(out, &columns(&at_limit, how.wide), || sessions.iter(), width)?;
        if at_limit.len() > 0 {
            writeln!(out, "\n* at the limit: {} sessions or more, over all that was asked", how.limit)?;
        }
        writeln!(out)?;
    }
    let totals = totals(sessions);
    // Nobody has answered: that is told elsewhere.
    if totals.is_empty() {
        return Ok(());
    }
    write_totals(out, &totals, width)?;
    if !how.is_whole {
        writeln!(out, "\nnot everything could be asked: there may be more sessions")?;
    }
    Ok(())
}

fn write_totals(out: &mut impl Write, totals: &[Total<'_>], width: Option<usize>) -> io::Result<()> {
    let columns = [
        TextColumn::new("site", |total: &&Total<'_>| escaped(total.site)),
        TextColumn::new("virtual proxy", |total: &&Total<'_>| escaped(total.virtual_proxy.path())),
        TextColumn::new("sessions", |total: &&Total<'_>| total.sessions.to_string()),
        TextColumn::new("users", |total: &&Total<'_>| total.users().to_string()),
        TextColumn::new("anonymous", |total: &&Total<'_>| total.anonymous.to_string()),
    ];
    table::write(out, &columns, || totals.iter(), width)
}

fn columns<'c>(at_limit: &'c AtLimit<'_>, wide: bool) -> Vec<TextColumn<'c, ListRow<'c>>> {
    let facts = |pair: &QueriedPair, text: fn(&crate::site::topology::VirtualProxyPlan) -> &str| {
        escaped(pair.facts.as_ref().map_or("", text))
    };
    let user = |(_, pair, session): &ListRow<'_>| {
        let mark = if at_limit.contains(&pair.site, session.user) { " *" } else { "" };
        escaped(&session.user.to_string()) + mark
    };
    let mut columns = vec![
        TextColumn::new("site", |(_, pair, _): &ListRow<'_>| escaped(&pair.site)),
        TextColumn::new("proxy", |(_, pair, _): &ListRow<'_>| escaped(&pair.proxy.name)),
        TextColumn::new("virtual proxy", |(_, pair, _): &ListRow<'_>| escaped(pair.virtual_proxy.path())),
        TextColumn::new("user", user),
        TextColumn::new("session id", |(_, _, session): &ListRow<'_>| escaped(session.session_id)).kept(),
    ];
    if wide {
        columns.extend([
            TextColumn::new("user name", |(_, _, session): &ListRow<'_>| {
                escaped(session.user_name.unwrap_or_default())
            }),
            TextColumn::new("attributes", |(_, _, session): &ListRow<'_>| {
                escaped(&written::attributes_in_words(*session))
            }),
            TextColumn::new("proxy host", |(_, pair, _): &ListRow<'_>| escaped(&pair.proxy.host)),
            TextColumn::new("description", move |(_, pair, _): &ListRow<'_>| {
                facts(pair, |facts| &facts.description)
            }),
            TextColumn::new("session cookie header", move |(_, pair, _): &ListRow<'_>| {
                facts(pair, |facts| &facts.session_cookie_header)
            }),
            TextColumn::new("load-balancing nodes", |(_, pair, _): &ListRow<'_>| {
                escaped(&written::nodes_in_words(pair))
            }),
        ]);
    }
    columns
}
