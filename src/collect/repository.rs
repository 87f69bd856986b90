//! A site's repository, and what it said last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};

use super::snapshot::RepositorySnapshot;
use super::topology::Note;
use qlik_sense::qrs::Found;
use qlik_sense::{Client, QueryError};

/// A site's repository and what it said last. Held by its site.
pub(super) struct Repository {
    endpoint: Client,
    /// How often it is asked.
    pub refresh: Duration,
    state: Mutex<State>,
    begun: AtomicBool,
    /// Whether the first discovery has been tried.
    tried: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    snapshot: RepositorySnapshot,
    found: Option<Arc<Found>>,
    /// Told already.
    notes: Vec<Note>,
}

impl Repository {
    /// `before`: what the site's configuration named until now. What the same repository said stays.
    pub fn new(endpoint: Client, refresh: Duration, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.endpoint.url() == endpoint.url());
        let state = same.map_or_else(State::default, |before| {
            let before = before.state.lock();
            State {
                snapshot: before.snapshot.clone(),
                found: before.found.clone(),
                notes: before.notes.clone(),
            }
        });
        Self {
            endpoint,
            refresh,
            state: Mutex::new(state),
            begun: AtomicBool::new(false),
            tried: watch::Sender::new(false),
        }
    }

    /// True the first time.
    pub fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::AcqRel)
    }

    pub fn endpoint(&self) -> &Client {
        &self.endpoint
    }

    pub fn snapshot(&self) -> RepositorySnapshot {
        self.state.lock().snapshot.clone()
    }

    pub fn found(&self) -> Option<Arc<Found>> {
        self.state.lock().found.clone()
    }

    pub fn was_tried(&self) -> bool {
        *self.tried.borrow()
    }

    /// To be called after each discovery.
    pub fn set_tried(&self) {
        self.tried.send_replace(true);
    }

    /// Resolves when the first discovery has been tried.
    pub async fn tried(&self) {
        // Fails when the sender is gone, and it is ours.
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }

    /// Keeps what was found, and tells what an administrator should look at once.
    pub fn note_success(&self, site: &str, found: Found, notes: &[Note]) {
        let mut state = self.state.lock();
        for note in notes.iter().filter(|note| !state.notes.contains(note)) {
            warn!(site, "{note}");
        }
        if state.snapshot.last_error.is_some() {
            info!(site, "asking the repository works again");
        }
        let last_success = Some(SystemTime::now());
        state.snapshot = RepositorySnapshot { up: true, last_success, last_error: None };
        state.notes = notes.to_vec();
        state.found = Some(Arc::new(found));
    }

    /// What was found before stays.
    pub fn note_failure(&self, site: &str, error: QueryError) {
        let mut state = self.state.lock();
        if state.snapshot.last_error.is_none() {
            warn!(site, reason = error.reason().as_str(), %error, "asking the repository failed");
        }
        state.snapshot.up = false;
        state.snapshot.last_error = Some(error);
    }
}
