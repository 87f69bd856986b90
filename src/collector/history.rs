//! What is known of a pair over all its answers.

use std::time::{Duration, SystemTime};

use qlik_sense::Reason;

/// What a pair has counted since the exporter knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Queries begun, connected or not.
    pub queries: u64,
    /// By [`Reason`], in its order.
    pub failures: [u64; Reason::ALL.len()],
    /// Sessions seen to appear between two good answers.
    pub started: u64,
    /// Sessions seen to disappear between two good answers.
    pub ended: u64,
}

/// What is known of a pair over all its answers, whatever source they came from.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub counters: Counters,
    /// When the last good answer came.
    pub last_success: Option<SystemTime>,
    /// How long the last query took, failed ones included.
    pub last_duration: Option<Duration>,
    /// The reasons logged since the pair began to fail; none while it answers.
    pub(super) reported: Vec<Reason>,
}
