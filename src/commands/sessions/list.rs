//! `sessions list`: lists open sessions.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroU32;

use anyhow::Context;
use clap::Args;

use super::order::{OrderedSession, OrderedSessions, SortBy};
use super::read_config::read_config;
use super::reporter::{Reporter, report_users_without_sessions};
use super::session_text::{attributes_text, nodes_text};
use super::shared_args::{FilterArgs, ListOutput};
use super::table::{self, TextColumn};
use super::totals::{AtLimit, Total, totals};
use super::{csv, json};
use crate::commands::site_args::SiteArgs;
use crate::error::{CommandError, success_if};
use crate::global::GlobalArgs;
use crate::sessions::{Detail, Lister, Listing};
use crate::terminal::escaped;

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Output format: a table to read, JSON or CSV for other programs
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    pub output: ListOutput,
    /// First column to sort by, ignoring case; the other columns break ties
    #[arg(long, value_name = "COLUMN", value_enum, default_value = "prefix")]
    pub sort_by: SortBy,
    /// Show all details of a session in the table
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
    let is_complete = Reporter::default().listing(&listing);
    report_users_without_sessions(&listing);
    let options = ListOptions {
        output: args.output,
        sort_by: args.sort_by,
        wide: args.wide,
        limit: config.users.session_limit,
        is_complete,
    };
    let written = tokio::task::spawn_blocking(move || write(&listing, options)).await?;
    match written {
        // A closed pipe is no failure: the reader has seen enough, as `head` has.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")?
        }
        _ => success_if(is_complete),
    }
}

struct ListOptions {
    output: ListOutput,
    sort_by: SortBy,
    wide: bool,
    /// The session limit of a user on a site.
    limit: NonZeroU32,
    /// Whether everything could be listed.
    is_complete: bool,
}

/// Writes the list. Blocks until the reader has taken it.
fn write(listing: &Listing, options: ListOptions) -> io::Result<()> {
    let sessions = OrderedSessions::new(listing, options.sort_by);
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    let mut out = BufWriter::with_capacity(64 * 1024, stdout);
    match options.output {
        ListOutput::Table => write_table(&mut out, &sessions, &options)?,
        ListOutput::Json => json::write(&mut out, &sessions)?,
        ListOutput::Csv => csv::write(&mut out, &sessions, is_terminal)?,
    }
    out.flush()
}

fn write_table(
    out: &mut impl Write,
    sessions: &OrderedSessions<'_>,
    options: &ListOptions,
) -> io::Result<()> {
    let at_limit = AtLimit::new(sessions, options.limit);
    let width = table::terminal_width();
    if sessions.len() > 0 {
        table::write(out, &columns(&at_limit, options.wide), || sessions.iter(), width)?;
        if at_limit.len() > 0 {
            writeln!(out, "\n* at the limit: {} sessions or more in this list", options.limit)?;
        }
        writeln!(out)?;
    }
    let totals = totals(sessions);
    // Without any answer the failures are all there is to report.
    if totals.is_empty() {
        return Ok(());
    }
    write_totals(out, &totals, width)?;
    if !options.is_complete {
        writeln!(out, "\nnot everything could be listed: there may be more sessions")?;
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

type SessionColumn<'c> = TextColumn<'c, OrderedSession<'c>>;

fn columns<'c>(at_limit: &'c AtLimit<'_>, wide: bool) -> Vec<SessionColumn<'c>> {
    let mut columns = vec![
        SessionColumn::new("site", |row| escaped(&row.pair.site)),
        SessionColumn::new("proxy", |row| escaped(&row.pair.proxy.name)),
        SessionColumn::new("virtual proxy", |row| escaped(row.pair.virtual_proxy.path())),
        SessionColumn::new("user", |row| user_cell(row, at_limit)),
        SessionColumn::new("session id", |row| escaped(row.session.session_id)).kept(),
    ];
    if wide {
        columns.extend([
            SessionColumn::new("user name", |row| escaped(row.session.user_name.unwrap_or_default())),
            SessionColumn::new("attributes", |row| escaped(&attributes_text(row.session))),
            SessionColumn::new("proxy host", |row| escaped(&row.pair.proxy.host)),
            SessionColumn::new("description", |row| {
                escaped(row.pair.facts.as_ref().map_or("", |facts| &facts.description))
            }),
            SessionColumn::new("session cookie header", |row| {
                escaped(row.pair.facts.as_ref().map_or("", |facts| &facts.session_cookie_header))
            }),
            SessionColumn::new("load-balancing nodes", |row| escaped(&nodes_text(row.pair))),
        ]);
    }
    columns
}

fn user_cell(row: &OrderedSession<'_>, at_limit: &AtLimit<'_>) -> String {
    let mark = if at_limit.contains(&row.pair.site, row.session.user) { " *" } else { "" };
    escaped(&row.session.user.to_string()) + mark
}
