//! A site's repository: when a discovery is due, and what the last one returned.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use qlik_sense::client::ClientError;
use qlik_sense::credentials::CertificateFacts;
use qlik_sense::qrs::{self, Found};
use qlik_sense::{Client, QueryError};
use tokio::time::Instant;

use super::access::Access;
use super::diagnosis::{Diagnosis, Service};
use super::proxy_client::server_certificate;
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

impl Repository {
    /// A discovery is due at once. `earlier`: the repository in the state before, with its access. What the same
    /// repository found goes on.
    pub(super) fn new(
        settings: &RepositorySettings,
        access: &Access,
        earlier: Option<(&Self, &Access)>,
    ) -> Result<Self, ClientError> {
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

    /// Returns when the next discovery is due.
    pub(super) fn due(&self) -> Instant {
        self.due
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

    /// Queries the repository once and returns it as it is after that.
    pub(super) async fn discover(&self) -> Self {
        self.after(qrs::discover(&self.client).await.and_then(with_proxy_services))
    }

    /// Returns this repository after a discovery.
    pub(super) fn after(&self, outcome: Result<Found, QueryError>) -> Self {
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

/// Refuses an answer without any proxy service: it means missing rights, and what was returned to a user with rights
/// stays true.
fn with_proxy_services(found: Found) -> Result<Found, QueryError> {
    if found.proxy_services.is_empty() { Err(QueryError::NoProxyServices) } else { Ok(found) }
}
