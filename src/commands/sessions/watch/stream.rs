//! Writes every refresh as a list for another program, until a signal or the end of the reader.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::time::timeout;

use super::refreshing::{RefreshEvent, Refreshing};
use crate::commands::sessions::order::{OrderedSessions, SortBy};
use crate::commands::sessions::reporter::{FailedQuery, Reporter, failed_queries};
use crate::commands::sessions::{csv, json};
use crate::commands::signals::Signals;
use crate::sessions::Listing;
use crate::terminal::report;

/// How long writing a list may take after a signal.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFormat {
    /// One array in a line for each refresh.
    Json,
    /// The header once; each row begins with the time of its refresh.
    Csv,
}

/// Writes lists until a signal comes or the reader closes the pipe.
pub async fn run(
    format: StreamFormat,
    sort_by: SortBy,
    refreshing: &mut Refreshing,
    mut signals: Signals,
) -> Result<()> {
    let mut reported = Reported::default();
    let mut is_first = true;
    loop {
        let event = tokio::select! {
            _ = signals.next() => return Ok(()),
            event = refreshing.next() => event,
        };
        let listing = match event {
            RefreshEvent::Complete(listing) | RefreshEvent::LateAnswer(listing) => listing,
            RefreshEvent::Failed(error) => return Err(error).context("refreshing failed"),
        };
        reported.report_changes(&listing);
        if !has_answer(&listing) {
            continue;
        }
        let mut writing = tokio::task::spawn_blocking(move || write(&listing, format, sort_by, is_first));
        let written = tokio::select! {
            written = &mut writing => written?,
            _ = signals.next() => {
                // The reader gets whole lines, unless it does not take them.
                let _ = timeout(GRACE, writing).await;
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

/// Returns whether any query succeeded. Otherwise an empty list would be wrong, and nothing is written.
fn has_answer(listing: &Listing) -> bool {
    listing.is_whole() || listing.pairs().any(|answer| answer.sessions.is_ok())
}

/// Writes one list. Blocks until the reader has taken it.
fn write(listing: &Listing, format: StreamFormat, sort_by: SortBy, is_first: bool) -> io::Result<()> {
    let sessions = OrderedSessions::new(listing, sort_by);
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    let mut out = BufWriter::with_capacity(64 * 1024, stdout);
    match format {
        StreamFormat::Json => json::write_line(&mut out, &sessions)?,
        StreamFormat::Csv => {
            let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            csv::write_at(&mut out, &sessions, &time, is_first, is_terminal)?;
        }
    }
    out.flush()
}

/// What has been reported so far.
#[derive(Default)]
struct Reported {
    /// The messages of queries that fail now, by target.
    failing: BTreeMap<String, String>,
    /// Reports everything else once.
    reporter: Reporter,
}

impl Reported {
    /// Reports what has changed since the listing before.
    fn report_changes(&mut self, listing: &Listing) {
        let mut before = std::mem::take(&mut self.failing);
        for FailedQuery { target, failure } in failed_queries(listing) {
            if before.remove(&target).as_ref() != Some(&failure.message) {
                self.reporter.failure(&target, failure);
            }
            self.failing.insert(target, failure.message.clone());
        }
        for target in before.keys() {
            report(format_args!("{target}: query recovered"));
        }
        self.reporter.all_but_failures(listing);
        for unmatched in &listing.other_case {
            self.reporter.once(unmatched.to_string());
        }
    }
}
