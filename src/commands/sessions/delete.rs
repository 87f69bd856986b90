//! `sessions delete`: deletes the selected sessions, by the ids that were listed.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::confirm::{can_prompt, confirmed};
use super::deletion::SessionToDelete;
use super::deletion_log::LogNames;
use super::read_config::read_config;
use super::reporter::{Reporter, report_users_without_sessions};
use super::rounds::Rounds;
use super::selection::{DeleteSelection, SelectionArgs};
use super::shared_args::PlaceArgs;
use super::table::{self, TextColumn};
use crate::commands::counted;
use crate::commands::signals::Signals;
use crate::commands::site_args::SiteArgs;
use crate::config::Config;
use crate::error::{CommandError, success_if};
use crate::global::GlobalArgs;
use crate::sessions::{Detail, Lister, User, sites_named};
use crate::terminal::{escaped, report};
use qlik_sense::UserKey;

/// The text of `--help` below the flags.
pub const HELP: &str = "Shows the sessions and asks for confirmation before it deletes them. Qlik may need five \
                        minutes before the user can log in again.";

#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Show the sessions without deleting them
    #[arg(long)]
    pub dry_run: bool,
    /// Delete without confirmation
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub site: SiteArgs,
}

pub async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CommandError> {
    let config = read_config(global, &args.site, &args.place.sites).await?;
    check_args(&config, &args).map_err(CommandError::Usage)?;
    let DeleteArgs { place, selection, dry_run, yes, .. } = args;
    let virtual_proxy = place.virtual_proxies.first().cloned().unwrap_or_default();
    let mut lister = Lister::new(&config, place.filter(selection.users.clone()), Detail::Counted)
        .map_err(CommandError::usage)?;
    let selection = DeleteSelection::from(selection);
    let mut reporter = Reporter::default();
    let listing = lister.list(None).await;
    let mut is_complete = reporter.listing(&listing);
    if !matches!(selection, DeleteSelection::Users) && listing.pairs().count() > 1 {
        return Err(CommandError::usage("--proxy: matches several proxy services, expected one"));
    }
    let mut to_delete = selection.choose(&listing);
    selection.report_missing(&listing);
    // Not after the deletion, when these users have no sessions either.
    report_users_without_sessions(&listing);
    is_complete &= selection.spare_others(&mut to_delete, &listing, &lister, &mut reporter).await;
    drop(listing);
    if to_delete.is_empty() {
        report(match is_complete {
            true => "no matching sessions",
            false => "no sessions can be deleted safely: see the errors above",
        });
        return success_if(false);
    }
    let prompts = !(yes || dry_run);
    let table = SessionCounts::new(&to_delete);
    let shown = tokio::task::spawn_blocking(move || table.print(prompts)).await?;
    shown.context("cannot show the sessions to delete")?;
    if dry_run {
        return success_if(is_complete);
    }
    // Until the signals are handled, which is after this lookup, a signal ends the program at once.
    let log_names = LogNames::new(&config.users.label).await;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    if prompts && !confirmed(selection.question(to_delete.len(), &virtual_proxy), &mut signals).await? {
        report("no sessions deleted");
        return success_if(false);
    }
    let mut rounds = Rounds::new(lister, selection, reporter, log_names, is_complete);
    let stopped = run_until_signal(&mut rounds, to_delete, &mut signals).await;
    success_if(rounds.print_summary(stopped))
}

/// Runs to the end or until a second signal; the first one lets requests in flight complete. Returns whether there was
/// a signal.
async fn run_until_signal(
    rounds: &mut Rounds,
    to_delete: Vec<SessionToDelete>,
    signals: &mut Signals,
) -> bool {
    let stop = CancellationToken::new();
    let bars = rounds.bars.clone();
    let mut running = std::pin::pin!(rounds.run(to_delete, &stop));
    // Every signal stops it: there is nothing to reload.
    tokio::select! {
        () = &mut running => {}
        _ = signals.next() => {
            bars.suspend(|| report("stopping: waiting for requests in flight; press Ctrl-C again to end at once"));
            stop.cancel();
            tokio::select! {
                () = running => {}
                _ = signals.next() => {}
            }
        }
    }
    stop.is_cancelled()
}

/// Checks that the flags name the sessions unambiguously, and that a question can be answered. Returns what is missing.
fn check_args(config: &Config, args: &DeleteArgs) -> Result<(), String> {
    let PlaceArgs { sites, proxies, virtual_proxies } = &args.place;
    if sites.is_empty() && config.sites.len() > 1 {
        let names: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
        return Err(format!(
            "several sites are configured, expected --site with one of {}",
            names.join(", ")
        ));
    }
    for name in sites {
        if let matching @ [_, _, ..] = &*sites_named(name, config) {
            let matching = matching.join(", ");
            return Err(format!("--site {name}: matches several sites, expected one of {matching}"));
        }
    }
    if args.selection.users.is_empty() {
        let virtual_proxies: Vec<_> = virtual_proxies.iter().map(ToString::to_string).collect();
        if !sites.is_empty() {
            expect_once("--site", sites)?;
        }
        expect_once("--proxy", proxies)?;
        expect_once("--virtual-proxy", &virtual_proxies)?;
    }
    if !(args.yes || args.dry_run || can_prompt()) {
        return Err("cannot ask for confirmation without a terminal: use --yes to delete without it, or \
                    --dry-run to show the sessions"
            .to_owned());
    }
    Ok(())
}

fn expect_once(flag: &str, values: &[String]) -> Result<(), String> {
    let found = match values {
        [_] => return Ok(()),
        [] => "none".to_owned(),
        several => several.join(", "),
    };
    Err(format!(
        "--session-id and --all delete sessions of one virtual proxy on one proxy service, expected {flag} once, \
         found {found}"
    ))
}

/// The number of sessions to delete of each user in each place, to be shown as a table.
struct SessionCounts {
    rows: Vec<UserRow>,
    sessions: usize,
    users: usize,
}

struct UserRow {
    site: String,
    proxy: String,
    virtual_proxy: String,
    user: String,
    sessions: usize,
}

/// The order of the table.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UserRowKey<'d> {
    pair: [&'d str; 3],
    user: UserKey<'d>,
}

impl SessionCounts {
    fn new(to_delete: &[SessionToDelete]) -> Self {
        let mut counts: BTreeMap<UserRowKey<'_>, usize> = BTreeMap::new();
        for SessionToDelete { pair, user, .. } in to_delete {
            *counts.entry(UserRowKey { pair: pair.names(), user: user.key() }).or_default() += 1;
        }
        let mut rows = Vec::new();
        for (UserRowKey { pair, user }, sessions) in counts {
            let [site, proxy, virtual_proxy] = pair.map(escaped);
            rows.push(UserRow { site, proxy, virtual_proxy, user: escaped(&user.to_string()), sessions });
        }
        let users: HashSet<&User> = to_delete.iter().map(|session| &session.user).collect();
        Self { rows, sessions: to_delete.len(), users: users.len() }
    }

    /// Prints on standard output, or on standard error when a question follows and standard output is no terminal.
    fn print(&self, prompts: bool) -> io::Result<()> {
        match prompts && !io::stdout().is_terminal() {
            true => self.write(&mut io::stderr().lock(), table::width_of_terminal(true)),
            false => self.write(&mut io::stdout().lock(), table::terminal_width()),
        }
    }

    fn write(&self, out: &mut impl Write, width: Option<usize>) -> io::Result<()> {
        let columns = [
            TextColumn::new("site", |row: &&UserRow| row.site.clone()),
            TextColumn::new("proxy", |row: &&UserRow| row.proxy.clone()),
            TextColumn::new("virtual proxy", |row: &&UserRow| row.virtual_proxy.clone()),
            TextColumn::new("user", |row: &&UserRow| row.user.clone()),
            TextColumn::new("sessions", |row: &&UserRow| row.sessions.to_string()),
        ];
        let mut out = io::BufWriter::new(out);
        table::write(&mut out, &columns, || self.rows.iter(), width)?;
        writeln!(out, "\n{} of {}", counted(self.sessions, "session"), counted(self.users, "user"))?;
        out.flush()
    }
}
