//! What one query of a pair returned.

use std::time::Duration;

use qlik_sense::QueryError;
use tokio::time::Instant;

use super::tally::{Keep, Tally};

/// What one query returned, good or failed.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Result<Tally, QueryError>,
    /// When the last byte came, or the query failed.
    pub at: Instant,
    /// From the beginning of the query to then.
    pub took: Duration,
    /// That of the source which was queried.
    pub(super) generation: u64,
}

impl Answer {
    /// An answer of the first source of a pair.
    pub fn new(outcome: Result<Tally, QueryError>, at: Instant, took: Duration) -> Self {
        Self { outcome, at, took, generation: 0 }
    }

    /// Returns the counts of a good answer.
    pub fn tally(&self) -> Option<&Tally> {
        self.outcome.as_ref().ok()
    }

    /// Returns whether it is what a query that is to keep this would have returned: not so when its query began with
    /// other settings.
    pub fn keeps(&self, keep: &Keep) -> bool {
        self.tally().is_none_or(|tally| tally.keep() == keep)
    }
}
