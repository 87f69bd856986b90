//! `sessions delete`: ends sessions, and only those that were listed for whom it was asked.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::confirm::{confirmed, somebody_is_there};
use super::deletion::{LogAs, SessionToDelete};
use super::read_config::read_config;
use super::reporter::{Reporter, users_without};
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
use crate::terminal::{escaped, tell};

/// What `--help` says under the flags.
pub const HELP: &str = "It shows what will go and asks first. Qlik may need five minutes before the user can \
                           log in again.";

#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Show what would go, and end nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub site: SiteArgs,
}

pub async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CommandError> {
    let config = read_config(global, &args.site, &args.place.sites).await?;
    is_clear(&config, &args).map_err(CommandError::Usage)?;
    let DeleteArgs { place, selection, dry_run, yes, .. } = args;
    let virtual_proxy = place.virtual_proxies.first().cloned().unwrap_or_default();
    let mut lister = Lister::new(&config, place.filter(selection.users.clone()), Detail::Counted)
        .map_err(CommandError::usage)?;
    let selection = DeleteSelection::from(selection);
    let mut told = Reporter::default();
    let listing = lister.list(None).await;
    let mut is_whole = told.listing(&listing);
    if !matches!(selection, DeleteSelection::Users) && listing.pairs().count() > 1 {
        return Err(CommandError::usage(
            "the name given with --proxy fits several proxy services, expected one",
        ));
    }
    let mut to_delete = selection.choose(&listing);
    selection.tell_missing(&listing);
    // Only now: when they have ended, a user has none, too.
    users_without(&listing);
    is_whole &= selection.spare_others(&mut to_delete, &listing, &lister, &mut told).await;
    drop(listing);
    if to_delete.is_empty() {
        tell(if is_whole { "there is nothing to end" } else { "nothing is known that is to end" });
        return success_if(false);
    }
    let asks = !(yes || dry_run);
    let (shown, to_delete) = tokio::task::spawn_blocking(move || (show(&to_delete, asks), to_delete)).await?;
    shown.context("cannot show what would go")?;
    if dry_run {
        return success_if(is_whole);
    }
    // It may take its time. Until then a signal ends the program at once.
    let log = LogAs::new(&config.users.label).await;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    if asks && !confirmed(selection.question(to_delete.len(), &virtual_proxy), &mut signals).await? {
        tell("nothing was ended");
        return success_if(false);
    }
    let stop = CancellationToken::new();
    let mut rounds = Rounds::new(lister, selection, told, log, is_whole);
    let bars = rounds.bars.clone();
    {
        let mut running = std::pin::pin!(rounds.run(to_delete, &stop));
        // Any of them: nothing is read again.
        tokio::select! {
            () = &mut running => {}
            _ = signals.next() => {
                bars.suspend(|| tell("stopping: what is under way is waited for; Ctrl-C again ends it at once"));
                stop.cancel();
                tokio::select! {
                    () = running => {}
                    _ = signals.next() => {}
                }
            }
        }
    }
    let all_done = rounds.tell(stop.is_cancelled());
    success_if(all_done)
}

/// Whether it is said clearly enough what is to end; else what lacks.
fn is_clear(config: &Config, args: &DeleteArgs) -> Result<(), String> {
    let PlaceArgs { sites, proxies, virtual_proxies } = &args.place;
    if sites.is_empty() && config.sites.len() > 1 {
        let names: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
        return Err(format!(
            "several sites are configured, expected --site with one of {}",
            names.join(", ")
        ));
    }
    for name in sites {
        if let fitting @ [_, _, ..] = &*sites_named(name, config) {
            let fitting = fitting.join(", ");
            return Err(format!("--site {name}: fits several sites, expected one of {fitting}"));
        }
    }
    let virtual_proxies = virtual_proxies.iter().map(ToString::to_string).collect();
    let places = [("--site", sites, 0), ("--proxy", proxies, 1), ("--virtual-proxy", &virtual_proxies, 1)];
    for (flag, names, least) in places {
        if args.selection.users.is_empty() && !(least..=1).contains(&names.len()) {
            return Err(format!(
                "--session-id and --all end sessions of one virtual proxy on one proxy service, expected {flag} once, \
                 found {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ));
        }
    }
    if !(args.yes || args.dry_run || somebody_is_there()) {
        return Err(
            "nobody can be asked without a terminal: --yes ends sessions without a question, --dry-run \
                    shows which"
                .to_owned(),
        );
    }
    Ok(())
}

/// Shows what will go, with the number of sessions of each user: on standard output, but to who is asked then.
fn show(to_delete: &[SessionToDelete], asks: bool) -> io::Result<()> {
    match asks && !io::stdout().is_terminal() {
        true => write(to_delete, &mut io::stderr().lock(), table::width_of_terminal(true)),
        false => write(to_delete, &mut io::stdout().lock(), table::terminal_width()),
    }
}

fn write(to_delete: &[SessionToDelete], out: &mut impl Write, width: Option<usize>) -> io::Result<()> {
    let mut counts: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for SessionToDelete { pair, user, .. } in to_delete {
        let key =
            [&pair.site, &*pair.proxy.name, pair.virtual_proxy.path(), &user.key().to_string()].map(escaped);
        *counts.entry(key).or_default() += 1;
    }
    type UserRow<'r> = (&'r [String; 4], &'r usize);
    let columns = [
        TextColumn::new("site", |([site, ..], _): &UserRow<'_>| site.clone()),
        TextColumn::new("proxy", |([_, proxy, ..], _): &UserRow<'_>| proxy.clone()),
        TextColumn::new("virtual proxy", |([.., virtual_proxy, _], _): &UserRow<'_>| virtual_proxy.clone()),
        TextColumn::new("user", |([.., user], _): &UserRow<'_>| user.clone()),
        TextColumn::new("sessions", |(_, count): &UserRow<'_>| count.to_string()),
    ];
    let mut out = io::BufWriter::new(out);
    table::write(&mut out, &columns, || counts.iter(), width)?;
    let users: HashSet<&User> = to_delete.iter().map(|one| &one.user).collect();
    writeln!(out, "\n{} of {}", counted(to_delete.len(), "session"), counted(users.len(), "user"))?;
    out.flush()
}
