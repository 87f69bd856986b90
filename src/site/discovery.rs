//! A site's repository: when a discovery is due, and what the last one returned.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use qlik_sense::client::ClientError;
use qlik_sense::credentials::CertificateFacts;
use qlik_sense::qrs::{self, Found};
use qlik_sense::{Client, QueryError};
use tokio::time::{Instant, sleep_until};
use tracing::error;

use super::access::Access;
use super::diagnosis::{Diagnosis, Service};
use super::proxy_client::server_certificate;
use super::topology::Topology;
use super::{Site, SiteState};
use crate::config::RepositorySettings;

/// How soon a repository that failed is queried again, doubling up to `repository_refresh`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// By how much of itself a pause may be shorter, so that many exporters do not query all at once.
const JITTER: f64 = 0.1;

/// The repository of a site, and what it returned last.
#[derive(Clone)]
pub struct Repository {
    client: Arc<Client>,
    refresh: Duration,
    /// What the last good discovery returned.
    found: Option<Arc<Found>>,
    status: DiscoveryStatus,
    /// Whether a discovery has been tried with these settings.
    tried: bool,
    /// When the next discovery is due.
    due: Instant,
    retry: Duration,
}

/// How discovery went.
#[derive(Debug, Clone, Default)]
pub struct DiscoveryStatus {
    /// The last discovery worked.
    pub up: bool,
    pub last_success: Option<SystemTime>,
    pub last_error: Option<QueryError>,
}

/// A discovery that took effect: the site before and after it.
pub struct Discovery {
    pub before: Arc<SiteState>,
    pub after: Arc<SiteState>,
}

impl Repository {
    /// A discovery is due at once. What an earlier state of the same repository found goes on.
    pub(super) fn new(
        settings: &RepositorySettings,
        access: &Access,
        old: Option<&SiteState>,
    ) -> Result<Self, ClientError> {
        let earlier = old.and_then(|old| Some((old.repository.as_ref()?, &*old.access)));
        let client =
            access.client(&settings.url, earlier.map(|(repository, access)| (&repository.client, access)))?;
        let mut repository = Self {
            client,
            refresh: settings.refresh,
            found: None,
            status: DiscoveryStatus::default(),
            tried: false,
            due: Instant::now(),
            retry: FIRST_RETRY,
        };
        if let Some((earlier, _)) = earlier {
            repository.adopt(earlier);
        }
        Ok(repository)
    }

    /// Takes over what another state of the same repository found; false when there was nothing new.
    pub(super) fn adopt(&mut self, other: &Self) -> bool {
        if self.client.url() != other.client.url() {
            return false;
        }
        self.status = other.status.clone();
        let is_new = other.found.as_ref().map(Arc::as_ptr) != self.found.as_ref().map(Arc::as_ptr);
        self.found = other.found.clone();
        is_new
    }

    pub(super) fn found(&self) -> Option<&Arc<Found>> {
        self.found.as_ref()
    }

    pub(super) fn was_tried(&self) -> bool {
        self.tried
    }

    pub fn status(&self) -> &DiscoveryStatus {
        &self.status
    }

    /// Returns whether a discovery is due now.
    pub fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    /// Returns the server certificate that was presented last; None before the first handshake.
    pub fn server_certificate(&self) -> Option<CertificateFacts> {
        server_certificate(&self.client)
    }

    /// Returns how many proxy services and virtual proxies the last good discovery returned.
    pub fn found_counts(&self) -> Option<FoundCounts> {
        let found = self.found.as_ref()?;
        Some(FoundCounts {
            proxy_services: found.proxy_services.len(),
            virtual_proxies: found.virtual_proxies.len(),
        })
    }

    /// Returns what a failed query to the repository means.
    pub fn diagnose(&self, access: &Access, error: &QueryError) -> Diagnosis {
        access.diagnose(&self.client, Service::Repository, error)
    }

    /// Returns this repository after a discovery.
    fn after(&self, outcome: Result<Found, QueryError>) -> Self {
        let mut after = Self { tried: true, ..self.clone() };
        let pause = match outcome {
            Ok(found) => {
                after.status =
                    DiscoveryStatus { up: true, last_success: Some(SystemTime::now()), last_error: None };
                after.found = Some(Arc::new(found));
                after.retry = FIRST_RETRY;
                self.refresh
            }
            Err(error) => {
                after.status.up = false;
                after.status.last_error = Some(error);
                after.retry = self.retry.saturating_mul(2);
                self.retry.min(self.refresh)
            }
        };
        let pause = pause.mul_f64(1.0 - JITTER * fastrand::f64());
        after.due = Instant::now().checked_add(pause).unwrap_or(after.due);
        after
    }
}

/// How much a discovery returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoundCounts {
    pub proxy_services: usize,
    pub virtual_proxies: usize,
}

impl Site {
    /// Resolves when a discovery is due; never while there is no repository.
    pub async fn discovery_due(&self) {
        let mut states = self.state.subscribe();
        loop {
            let due = states.borrow_and_update().repository.as_ref().map(|repository| repository.due);
            // An error is impossible: the sender is this site's.
            match due {
                Some(due) => tokio::select! {
                    () = sleep_until(due) => return,
                    _ = states.changed() => {}
                },
                None => _ = states.changed().await,
            }
        }
    }

    /// Resolves when the first discovery with the settings in force has been tried, with or without success.
    pub async fn first_discovery(&self) {
        // An error is impossible: the sender is this site's.
        let _ = self.state.subscribe().wait_for(|state| state.is_ready()).await;
    }

    /// Queries the repository once and applies what it returned. Returns None when there is no repository, or when
    /// other settings came in force meanwhile: their discovery is due then.
    pub async fn discover(&self) -> Option<Discovery> {
        let before = self.state();
        let repository = before.repository.as_ref()?;
        let outcome = tokio::select! {
            outcome = qrs::discover(&repository.client) => outcome.and_then(with_proxy_services),
            () = self.reconfigured(&before.access) => return None,
        };
        let mut after = Some(before.after(repository.after(outcome)));
        self.state.send_if_modified(|current| {
            // A reload in this very moment goes first.
            let is_current = Arc::ptr_eq(current, &before);
            if let Some(after) = after.as_ref().filter(|_| is_current) {
                *current = after.clone();
            } else {
                after = None;
            }
            is_current
        });
        Some(Discovery { before, after: after? })
    }

    /// Resolves when other settings than these are in force.
    async fn reconfigured(&self, access: &Arc<Access>) {
        // An error is impossible: the sender is this site's.
        let _ = self.state.subscribe().wait_for(|state| !Arc::ptr_eq(&state.access, access)).await;
    }
}

impl SiteState {
    /// Returns the site after a discovery. A topology that cannot be queried leaves the one in force.
    fn after(&self, repository: Repository) -> Arc<Self> {
        let topology = Topology::new(&self.access.settings, repository.found.as_deref());
        let followed =
            if topology == *self.topology { Ok(self.clone()) } else { self.with_topology(topology) };
        let state = followed.unwrap_or_else(|error| {
            error!(site = %self.access.settings.name, %error, "discovery cannot be applied");
            self.clone()
        });
        Arc::new(Self { repository: Some(repository), ..state })
    }
}

/// Refuses an answer without any proxy service: it means missing rights, and what was returned to a user with rights
/// stays true.
fn with_proxy_services(found: Found) -> Result<Found, QueryError> {
    if found.proxy_services.is_empty() { Err(QueryError::NoProxyServices) } else { Ok(found) }
}
