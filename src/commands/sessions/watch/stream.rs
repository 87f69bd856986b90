//! Every refresh as a list, for another program, until somebody ends it.

use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::time::timeout;

use super::refreshing::{News, Refreshing};
use crate::commands::sessions::order::{Ordered, SortBy};
use crate::commands::sessions::reporter::{FailedQuery, Reporter, failed_queries};
use crate::commands::sessions::written;
use crate::commands::signals::Signals;
use crate::sessions::Listing;
use crate::terminal;

/// How long a list that is being written may take when the end has come.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFormat {
    /// An array in a line for each refresh.
    Json,
    /// The header once; each row begins with the time of its refresh.
    Csv,
}

/// Writes until the operating system asks to end, or nobody reads any more.
pub async fn run(
    format: StreamFormat,
    sort_by: SortBy,
    refreshing: &mut Refreshing,
    mut signals: Signals,
) -> Result<()> {
    let mut reported = Reported::default();
    let mut is_first = true;
    loop {
        let news = tokio::select! {
            _ = signals.next() => return Ok(()),
            news = refreshing.next() => news,
        };
        let listing = match news {
            News::Answer(listing) | News::Late(listing) => listing,
            News::Failed(error) => return Err(error).context("refreshing has failed"),
        };
        reported.tell_changes(&listing);
        if !somebody_answered(&listing) {
            continue;
        }
        let mut writing = tokio::task::spawn_blocking(move || write(&listing, format, sort_by, is_first));
        let written = tokio::select! {
            written = &mut writing => written?,
            _ = signals.next() => {
                // Whoever reads gets whole lines, unless nobody takes them.
                let _ = timeout(REST, writing).await;
                return Ok(());
            }
        };
        match written {
            Ok(()) => is_first = false,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error).context("cannot write to standard output"),
        }
    }
}

/// Where nobody did, it is not known that there are no sessions: nothing is written then.
fn somebody_answered(listing: &Listing) -> bool {
    listing.is_whole() || listing.pairs().any(|answer| answer.sessions.is_ok())
}

/// Waits for whoever reads.
fn write(listing: &Listing, format: StreamFormat, sort_by: SortBy, is_first: bool) -> io::Result<()> {
    let sessions = Ordered::new(listing, sort_by);
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    let mut out = BufWriter::with_capacity(64 * 1024, stdout);
    match format {
        StreamFormat::Json => written::json_line(&mut out, &sessions)?,
        StreamFormat::Csv => {
            if is_first {
                written::csv_head(&mut out, Some("time"))?;
            }
            let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            written::csv_rows(&mut out, &sessions, Some(&time), is_terminal)?;
        }
    }
    out.flush()
}

/// What whoever reads has been told.
#[derive(Default)]
struct Reported {
    /// What fails now: by whom, with its message.
    failing: HashMap<String, String>,
    /// The rest: once each.
    told: Reporter,
}

impl Reported {
    /// Tells what has changed: all that is wrong, the first time.
    fn tell_changes(&mut self, listing: &Listing) {
        let mut before = std::mem::take(&mut self.failing);
        for FailedQuery { target: who, failure } in failed_queries(listing) {
            if before.remove(&who).as_ref() != Some(&failure.message) {
                self.told.failure(&who, failure);
            }
            self.failing.insert(who, failure.message.clone());
        }
        let mut well: Vec<_> = before.into_keys().collect();
        well.sort_unstable();
        for who in well {
            terminal::report(format_args!("{who}: answers again"));
        }
        self.told.all_but_failures(listing);
        listing.other_case.iter().for_each(|unmatched| self.told.once(unmatched.to_string()));
    }
}
