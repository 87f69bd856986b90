//! Waiting for conditions, never for time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long a condition may take to come true on a busy machine. Reached only when a test fails.
pub const DEADLINE: Duration = Duration::from_secs(45);

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Looks until there is something; panics after [`DEADLINE`], naming what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?}: {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Looks until it is this; panics after [`DEADLINE`] with what it was last.
pub async fn becomes<T: PartialEq + Debug>(expected: T, what: &str, mut look: impl AsyncFnMut() -> T) {
    let end = Instant::now() + DEADLINE;
    loop {
        let found = look().await;
        if found == expected {
            return;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?}: {what} is {found:?}, not {expected:?}");
        tokio::time::sleep(STEP).await;
    }
}
