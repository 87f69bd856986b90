//! Asks a site's repository, again and again, which proxy services and virtual proxies there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info};

use super::plan::Plan;
use super::repository::Repository;
use super::site::Site;
use super::topology::Topology;
use qlik_sense::QueryError;
use qlik_sense::qrs::{self, Found};

/// How soon a repository that failed is asked again, doubling up to `repository_refresh`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// By how much of itself a pause may be shorter, so that many exporters do not ask all at once.
const JITTER: f64 = 0.1;

impl Site {
    /// The site's configuration is in force: begins to ask the repository, if there is one and it is not
    /// asked already.
    pub(super) fn begin(self: &Arc<Self>) {
        self.plan.load().enforce(&self.access);
        if self.repository.as_ref().is_some_and(Repository::begin) {
            self.tasks.spawn(self.clone().keep_discovering());
        }
    }

    /// Never ends by itself.
    async fn keep_discovering(self: Arc<Self>) {
        let Some(repository) = &self.repository else { return };
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match qrs::discover(repository.endpoint()).await.and_then(shown) {
                Ok(found) => {
                    self.take_over(repository, found);
                    retry = FIRST_RETRY;
                    repository.refresh
                }
                Err(error) => {
                    repository.note_failure(self.name(), error);
                    let pause = retry.min(repository.refresh);
                    retry = pause.saturating_mul(2);
                    pause
                }
            };
            repository.set_tried();
            sleep(pause.mul_f64(1.0 - JITTER * fastrand::f64())).await;
        }
    }

    /// A change takes effect at the next scrape; what stays goes on.
    fn take_over(&self, repository: &Repository, found: Found) {
        let topology = Topology::new(&self.access.settings, Some(&found));
        let notes = topology.notes.clone();
        let plan = self.plan.load();
        // Counters of pairs that a new configuration has not found again end now.
        if *plan.topology != topology || !plan.forgets {
            self.follow(topology);
        }
        // Last, so that who sees that the repository is up sees what it found.
        repository.note_success(self.name(), found, &notes);
    }

    /// Asks from now on what `topology` says.
    fn follow(&self, topology: Topology) {
        let site = self.name();
        let (proxies, virtual_proxies) = (topology.proxies.len(), topology.virtual_proxies.len());
        let pairs: usize = topology.proxies.iter().map(|proxy| proxy.virtual_proxies.len()).sum();
        match Plan::new(topology, &self.access, &self.plan.load_full(), &self.access, true) {
            Ok(plan) => {
                let what = "what the repository found is asked from now on";
                info!(site, proxies, virtual_proxies, pairs, "{what}");
                self.plan.store(Arc::new(plan));
            }
            Err(error) => error!(site, %error, "what the repository found cannot be asked"),
        }
    }
}

/// A repository that shows no proxy service has failed: what it said to a user with rights stays true.
fn shown(found: Found) -> Result<Found, QueryError> {
    if found.proxy_services.is_empty() { Err(QueryError::NoProxyServices) } else { Ok(found) }
}
