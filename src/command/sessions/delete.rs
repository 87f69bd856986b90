//! `sessions delete`: ends sessions, and only those that were listed for whom it was asked.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::confirm::{Question, confirmed, somebody_is_there};
use super::ending::{Doomed, Ended, end, shown};
use super::table::{self, Column};
use crate::cli::{DeleteArgs, GlobalArgs, PlaceArgs, WhoseArgs};
use crate::command::{FAILED, signals, wrong_usage};
use crate::config::Config;
use crate::qlik::VirtualProxy;
use crate::sessions::{Asker, Roster, User};
use crate::terminal::escaped;

/// How often a user's sessions are ended and listed again: while they end, new ones may begin.
const ROUNDS: usize = 3;

const REMINDER: &str = "Qlik may need five minutes before the user can log in again.";

pub async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<ExitCode> {
    let config = match super::config(global, &args.site, &args.place.sites).await? {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    if let Err(wrong) = is_clear(&config, &args) {
        return Ok(wrong_usage(escaped(&wrong)));
    }
    let DeleteArgs { place, whose, dry_run, yes, .. } = args;
    let virtual_proxy = place.virtual_proxies.first().cloned().unwrap_or_default();
    let mut asker = match Asker::new(&config, place.filter(whose.users.clone())) {
        Ok(asker) => asker,
        Err(error) => return Ok(wrong_usage(escaped(&error.to_string()))),
    };
    let whose = Whose::from(whose);
    let roster = asker.ask().await;
    let is_whole = super::tell_failures(&roster);
    if !matches!(whose, Whose::Users) && roster.pairs().count() > 1 {
        return Ok(wrong_usage("the name given with --proxy fits several proxy services, expected one"));
    }
    let doomed = whose.choose(&roster);
    whose.tell_missing(&roster);
    if doomed.is_empty() {
        eprintln!("there is nothing to end");
        return Ok(ExitCode::from(FAILED));
    }
    let (shown, doomed) = tokio::task::spawn_blocking(move || (show(&doomed), doomed)).await?;
    shown.context("cannot write to standard output")?;
    if dry_run {
        return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
    }
    if !yes && !confirmed(whose.question(doomed.len(), &virtual_proxy)).await? {
        eprintln!("nothing was ended");
        return Ok(ExitCode::from(FAILED));
    }
    // Until now a signal ended the program at once.
    let signal = std::pin::pin!(signals::end()?);
    let stop = CancellationToken::new();
    let mut work = Work { asker, whose, is_whole, left: 0, sum: Ended::default() };
    {
        let rounds = std::pin::pin!(work.rounds(doomed, &stop));
        if let Either::Right(((), rounds)) = select(rounds, signal).await {
            eprintln!("stopping: what is under way is waited for");
            stop.cancel();
            rounds.await;
        }
    }
    work.tell(stop.is_cancelled()).context("cannot write to standard output")
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
    if args.whose.users.is_empty() && (sites.len() > 1 || proxies.len() != 1 || virtual_proxies.len() != 1) {
        let told = "--session-id and --all end sessions of one virtual proxy on one proxy service, expected one \
                    --proxy and one --virtual-proxy";
        return Err(told.to_owned());
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

/// Which of the sessions that were listed are to end.
enum Whose {
    /// Those of these ids.
    Ids(HashSet<String>),
    /// Those of the users that the roster was filtered by.
    Users,
    /// All of one virtual proxy on one proxy service.
    All,
}

impl From<WhoseArgs> for Whose {
    fn from(args: WhoseArgs) -> Self {
        match (args.all, args.users.is_empty()) {
            (true, _) => Self::All,
            (false, false) => Self::Users,
            (false, true) => Self::Ids(args.session_ids.into_iter().collect()),
        }
    }
}

impl Whose {
    fn choose(&self, roster: &Roster) -> Vec<Doomed> {
        let mut doomed = Vec::new();
        for answer in roster.pairs() {
            for session in answer.sessions.iter().flat_map(|sessions| sessions.iter()) {
                if !matches!(self, Self::Ids(ids) if !ids.contains(session.session_id)) {
                    doomed.push(Doomed::new(&answer.pair, session));
                }
            }
        }
        doomed
    }

    /// Tells ids that no list holds. Where a list lacks, nothing is known of them.
    fn tell_missing(&self, roster: &Roster) {
        let Self::Ids(ids) = self else { return };
        let lists: Vec<_> = roster.pairs().filter_map(|answer| answer.sessions.as_ref().ok()).collect();
        let listed: HashSet<&str> =
            lists.iter().flat_map(|sessions| sessions.iter()).map(|session| session.session_id).collect();
        let mut missing: Vec<_> = ids.iter().filter(|id| !listed.contains(id.as_str())).collect();
        missing.sort();
        for id in missing.into_iter().filter(|_| !lists.is_empty()) {
            eprintln!("{}", escaped(&format!("{id}: there is no such session, it may be gone already")));
        }
    }

    fn question(&self, number: usize, virtual_proxy: &VirtualProxy) -> Question {
        let sessions = sessions(number);
        match self {
            Self::All => Question::Name {
                question: format!(
                    "To end {sessions}, everybody's, type the virtual proxy's name {virtual_proxy}:"
                ),
                name: virtual_proxy.path().to_owned(),
            },
            _ => Question::Yes(format!("End {sessions}?")),
        }
    }
}

fn sessions(number: usize) -> String {
    if number == 1 { "1 session".to_owned() } else { format!("{number} sessions") }
}

/// What will go, with the number of sessions of each user.
fn show(doomed: &[Doomed]) -> io::Result<()> {
    let mut counts: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for Doomed { pair, user, .. } in doomed {
        let key = [&pair.site, &*pair.proxy.name, pair.virtual_proxy.path(), &shown(user)].map(escaped);
        *counts.entry(key).or_default() += 1;
    }
    type Row<'r> = (&'r [String; 4], &'r usize);
    let columns = [
        Column::new("site", |([site, ..], _): &Row<'_>| site.clone()),
        Column::new("proxy", |([_, proxy, ..], _): &Row<'_>| proxy.clone()),
        Column::new("virtual proxy", |([.., virtual_proxy, _], _): &Row<'_>| virtual_proxy.clone()),
        Column::new("user", |([.., user], _): &Row<'_>| user.clone()),
        Column::new("sessions", |(_, count): &Row<'_>| count.to_string()),
    ];
    let mut out = io::BufWriter::new(io::stdout().lock());
    table::write(&mut out, &columns, || counts.iter(), table::terminal_width())?;
    let users: HashSet<&User> = doomed.iter().map(|one| &one.user).collect();
    let of_users = if users.len() == 1 { "1 user".to_owned() } else { format!("{} users", users.len()) };
    writeln!(out, "\n{} of {of_users}", sessions(doomed.len()))?;
    out.flush()
}

/// Ends sessions until none is left, or nothing more can be done.
struct Work {
    asker: Asker,
    whose: Whose,
    /// Whether everything could be listed that was to be.
    is_whole: bool,
    /// How many are still listed in the end.
    left: usize,
    sum: Ended,
}

impl Work {
    async fn rounds(&mut self, mut doomed: Vec<Doomed>, stop: &CancellationToken) {
        for _ in 0..ROUNDS {
            let Ended { ended, already_gone, failed } = end(&doomed, stop).await;
            self.sum.ended += ended;
            self.sum.already_gone += already_gone;
            self.sum.failed = failed;
            self.left = doomed.len() - ended - already_gone - failed;
            if stop.is_cancelled() || !matches!(self.whose, Whose::Users) {
                return;
            }
            let Some(roster) = stop.run_until_cancelled(self.asker.ask()).await else { return };
            let is_whole = roster.is_whole();
            // What fails again has been told.
            self.is_whole = self.is_whole && super::tell_failures(&roster);
            doomed = self.whose.choose(&roster);
            self.left = doomed.len();
            // One that seemed to fail may be gone all the same, as the list says.
            if is_whole {
                self.sum.failed = 0;
            }
            if doomed.is_empty() {
                return;
            }
        }
    }

    fn tell(&self, stopped: bool) -> io::Result<ExitCode> {
        let Self { sum, left, is_whole, .. } = self;
        let mut out = io::stdout().lock();
        let mut told = format!("{} ended", sessions(sum.ended));
        if sum.already_gone > 0 {
            told += &format!(", {} already gone", sum.already_gone);
        }
        if sum.failed > 0 {
            told += &format!(", {} failed", sum.failed);
        }
        if *left > 0 {
            told += &format!(", {left} left");
        }
        writeln!(out, "{}{told}", if stopped { "stopped: " } else { "" })?;
        if sum.ended > 0 {
            writeln!(out, "{REMINDER}")?;
        }
        if !is_whole {
            eprintln!("not everything could be listed: there may be more sessions");
        }
        let all_done = *is_whole && !stopped && sum.failed == 0 && *left == 0;
        Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}
