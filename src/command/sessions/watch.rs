//! `sessions watch`: who is connected, live in the terminal.

mod asking;
mod content;
mod draw;
mod history;
mod keys;
mod lines;
mod look;
mod panel;
mod problems;
mod screen;
mod sites;
mod state;
#[cfg(test)]
mod testing;

pub use keys::KEYS;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt;

use crate::command::signals::Signals;
use crate::config::Config;
use crate::sessions::Asker;
use crate::terminal::stdout_has_colors;
use asking::{Asking, News};
use content::Refresh;
use look::Look;
use screen::Screen;
use state::{Settings, State, Wish};

/// Shows the view until somebody ends it, or the terminal goes.
pub async fn show(config: &Config, asker: Asker, interval: Duration) -> Result<ExitCode> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let look = Look::new(stdout_has_colors());
    let session_limit = usize::try_from(config.users.session_limit.get()).unwrap_or(usize::MAX);
    let mut state = State::new(Settings { session_limit, interval });
    let mut screen = Screen::take().context("cannot use the terminal")?;
    let mut events = EventStream::new();
    let mut asking = Asking::begin(asker, interval);
    loop {
        screen.draw(|frame| draw::draw(frame, &mut state, &look, SystemTime::now()))?;
        tokio::select! {
            _ = signals.next() => break,
            event = events.next() => match event {
                None => break,
                Some(event) => match react(&mut state, event.context("cannot read keys")?) {
                    Wish::Nothing => {}
                    Wish::End => break,
                    Wish::Pause => asking.pause(),
                    Wish::Refresh => asking.go_on(),
                },
            },
            news = asking.next() => match news.context("asking failed: this is a mistake of the program")? {
                News::Waiting => state.waiting = true,
                News::Answer(roster) => state.refresh(Refresh::new(roster, SystemTime::now())),
            },
        }
    }
    drop(screen);
    asking.end().await;
    Ok(ExitCode::SUCCESS)
}

/// A new size needs nothing but another picture.
fn react(state: &mut State, event: Event) -> Wish {
    match event {
        // Windows tells of a key that is let go, too.
        Event::Key(key) if key.kind != KeyEventKind::Release => state.key(key),
        _ => Wish::Nothing,
    }
}
