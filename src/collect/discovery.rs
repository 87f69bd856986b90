//! Asks a site's repository, again and again, which proxy services and virtual proxies there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::plan::Plan;
use super::site::Site;
use super::snapshot::RepositorySnapshot;
use super::topology::{Note, Topology};
use crate::qlik::endpoint::EndpointError;
use crate::qlik::qrs::{self, Found};
use crate::qlik::{Endpoint, QueryError};

/// How soon a repository that failed is asked again, doubling up to `repository_refresh`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// By how much of itself a pause may be shorter, so that many exporters do not ask all at once.
const JITTER: f64 = 0.1;

/// A site's repository and what it said last. Held by its site.
pub(super) struct Repository {
    endpoint: Endpoint,
    refresh: Duration,
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
    pub fn new(endpoint: Endpoint, refresh: Duration, before: Option<&Self>) -> Result<Self, EndpointError> {
        let same = before.filter(|before| before.endpoint.url() == endpoint.url());
        let state = same.map_or_else(State::default, |before| {
            let before = before.state.lock();
            State {
                snapshot: before.snapshot.clone(),
                found: before.found.clone(),
                notes: before.notes.clone(),
            }
        });
        Ok(Self {
            endpoint,
            refresh,
            state: Mutex::new(state),
            begun: AtomicBool::new(false),
            tried: watch::Sender::new(false),
        })
    }

    /// True the first time.
    pub fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::AcqRel)
    }

    pub fn endpoint(&self) -> &Endpoint {
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

    /// Resolves when the first discovery has been tried.
    pub async fn tried(&self) {
        // Fails when the sender is gone, and it is ours.
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }
}

impl Site {
    /// Never ends by itself.
    pub(super) async fn keep_discovering(self: Arc<Self>) {
        let Some(repository) = &self.repository else { return };
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match qrs::discover(&repository.endpoint).await {
                Ok(found) => {
                    self.take_over(repository, found);
                    retry = FIRST_RETRY;
                    repository.refresh
                }
                Err(error) => {
                    self.note_failure(repository, error);
                    let pause = retry.min(repository.refresh);
                    retry = pause.saturating_mul(2);
                    pause
                }
            };
            repository.tried.send_replace(true);
            sleep(pause.mul_f64(1.0 - JITTER * fastrand::f64())).await;
        }
    }

    /// A change takes effect at the next scrape; what stays goes on.
    fn take_over(&self, repository: &Repository, found: Found) {
        let site = self.name();
        let topology = Topology::new(&self.access.settings, Some(&found));
        let mut state = repository.state.lock();
        for note in topology.notes.iter().filter(|note| !state.notes.contains(note)) {
            warn!(site, "{note}");
        }
        state.notes.clone_from(&topology.notes);
        drop(state);
        self.follow(repository, topology);
        // Last, so that who sees that the repository is up sees what it found.
        let mut state = repository.state.lock();
        if !state.snapshot.up && state.snapshot.last_error.is_some() {
            info!(site, "the repository answers again");
        }
        state.snapshot =
            RepositorySnapshot { up: true, last_success: Some(SystemTime::now()), last_error: None };
        state.found = Some(Arc::new(found));
    }

    /// Asks from now on what `topology` says.
    fn follow(&self, repository: &Repository, topology: Topology) {
        let site = self.name();
        let old = self.plan.load_full();
        // The first time, counters of pairs that a new configuration has not found again end.
        if *old.topology == topology && repository.was_tried() {
            return;
        }
        let (proxies, virtual_proxies) = (topology.proxies.len(), topology.virtual_proxies.len());
        let pairs: usize = topology.proxies.iter().map(|proxy| proxy.virtual_proxies.len()).sum();
        match Plan::new(topology, &self.access, &old, &self.access, true) {
            Ok(plan) => {
                info!(
                    site,
                    proxies, virtual_proxies, pairs, "what the repository found is asked from now on"
                );
                self.plan.store(Arc::new(plan));
            }
            Err(error) => error!(site, %error, "what the repository found cannot be asked"),
        }
    }

    /// What the repository said last stays.
    fn note_failure(&self, repository: &Repository, error: QueryError) {
        let mut state = repository.state.lock();
        if state.snapshot.up || state.snapshot.last_error.is_none() {
            let (site, reason) = (self.name(), error.reason().as_str());
            warn!(site, reason, %error, "the repository does not answer");
        }
        state.snapshot.up = false;
        state.snapshot.last_error = Some(error);
    }
}
