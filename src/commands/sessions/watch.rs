//! `sessions watch`: who is connected, live in the terminal, or again and again for another program.

mod draw;
mod history;
mod keys;
mod lines;
mod panel;
mod problems;
mod refresh;
mod refreshing;
mod screen;
mod sites;
mod state;
mod stream;
#[cfg(test)]
mod testing;
mod theme;

pub use keys::KEYS;

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt;

use super::order::SortBy;
use super::read_config::read_config;
use super::shared_args::{FilterArgs, ListOutput};
use crate::commands::signals::Signals;
use crate::commands::site_args::SiteArgs;
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::sessions::{Detail, Lister};
use crate::terminal::{has_rare_signs, stdout_has_colors};
use refresh::Refresh;
use refreshing::{News, Refreshing};
use screen::Screen;
use state::{KeyEffect, Settings, ViewState};
use theme::Theme;

/// How long a picture waits for answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// No picture can be shown there.
const NO_TERMINAL: &str = "sessions watch shows a live view, and standard output is no terminal: \
                           use sessions list, or sessions watch --output json";

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

/// What the keys of the live view do, for `--help`.
pub fn help() -> String {
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

pub async fn run(global: &GlobalArgs, args: WatchArgs) -> Result<(), CommandError> {
    if args.output == ListOutput::Table && !io::stdout().is_terminal() {
        return Err(CommandError::usage(NO_TERMINAL));
    }
    let config = read_config(global, &args.site, &args.filter.place.sites).await?;
    let is_picture = args.output == ListOutput::Table;
    let detail = if is_picture { Detail::Named } else { Detail::Whole };
    let lister = Lister::new(&config, args.filter.into(), detail).map_err(CommandError::usage)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    // A list for another program has everybody's sessions, however long they take.
    let patience = is_picture.then_some(PATIENCE);
    let mut refreshing = Refreshing::begin(lister, args.interval, patience);
    let ended = match args.output {
        ListOutput::Table => {
            let session_limit = usize::try_from(config.users.session_limit.get()).unwrap_or(usize::MAX);
            let settings = Settings { session_limit, interval: args.interval, sort_by: args.sort_by };
            show(settings, &mut refreshing, signals).await
        }
        ListOutput::Json => {
            stream::run(stream::StreamFormat::Json, args.sort_by, &mut refreshing, signals).await
        }
        ListOutput::Csv => {
            stream::run(stream::StreamFormat::Csv, args.sort_by, &mut refreshing, signals).await
        }
    };
    refreshing.end().await;
    Ok(ended?)
}

/// Shows the view until somebody ends it, or the terminal goes.
async fn show(settings: Settings, refreshing: &mut Refreshing, mut signals: Signals) -> Result<()> {
    let theme = Theme::new(stdout_has_colors(), has_rare_signs());
    let mut state = ViewState::new(settings);
    let mut screen = Screen::take().context("cannot use the terminal")?;
    let mut events = EventStream::new();
    loop {
        screen.draw(|frame| draw::draw(frame, &mut state, &theme, SystemTime::now()))?;
        tokio::select! {
            // Also SIGHUP: the terminal has gone.
            _ = signals.next() => break,
            event = events.next() => match event {
                None => break,
                Some(event) => match react(&mut state, event.context("cannot read keys")?) {
                    KeyEffect::Nothing => {}
                    KeyEffect::End => break,
                    KeyEffect::Pause => refreshing.pause(),
                    KeyEffect::Refresh => refreshing.go_on(),
                },
            },
            news = refreshing.next() => match news {
                News::Answer(listing) => state.refresh(Refresh::new(listing, SystemTime::now(), false)),
                News::Late(listing) => state.refresh(Refresh::new(listing, SystemTime::now(), true)),
                News::Failed(error) => return Err(error).context("refreshing has failed"),
            },
        }
    }
    Ok(())
}

/// A new size needs nothing but another picture.
fn react(state: &mut ViewState, event: Event) -> KeyEffect {
    match event {
        // Windows tells of a key that is let go, too.
        Event::Key(key) if key.kind != KeyEventKind::Release => state.key(key),
        _ => KeyEffect::Nothing,
    }
}
