//! One proxy service of a site: its sessions listed and deleted, a few requests at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;

use qlik_sense::client::ClientError;
use qlik_sense::credentials::CertificateFacts;
use qlik_sense::qps::{self, Deletion};
use qlik_sense::session_list::Row;
use qlik_sense::{Client, QueryError, SessionId, VirtualProxy};
use tokio::time::Instant;
use tracing::{Span, debug, error_span};

use super::access::{Access, server_certificate};
use super::diagnosis::{Diagnosis, Service};
use super::topology::ProxyPlan;
use crate::permits::{Permit, PrioritySemaphore};

/// The time of a caller's last answer. The oldest goes first, and a caller without one before all others.
pub type LastAnswer = Option<Instant>;

/// A proxy service with its connections. Shared by all that query it, so that together they stay within its permits.
pub struct ProxyClient {
    plan: Arc<ProxyPlan>,
    access: Arc<Access>,
    client: Arc<Client>,
    /// As many as requests may be in flight. Outlives changes of the address and of the settings.
    permits: PrioritySemaphore<LastAnswer>,
}

impl ProxyClient {
    /// Queries nothing yet. `earlier`: the client of the same name in the state before.
    pub(super) fn new(
        plan: &ProxyPlan,
        access: &Arc<Access>,
        earlier: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, ClientError> {
        let client = access.client(&plan.url, earlier.map(|proxy| (&proxy.client, &*proxy.access)))?;
        let permits = match earlier {
            Some(proxy) => proxy.permits.clone(),
            None => PrioritySemaphore::new(access.max_requests),
        };
        Ok(Arc::new(Self { plan: Arc::new(plan.clone()), access: access.clone(), client, permits }))
    }

    pub fn plan(&self) -> &Arc<ProxyPlan> {
        &self.plan
    }

    /// Requests that may be in flight.
    pub fn max_requests(&self) -> usize {
        self.access.max_requests.get()
    }

    pub(super) fn resize_permits(&self, max_requests: NonZeroUsize) {
        self.permits.resize(max_requests);
    }

    /// Returns whether both query the same address over the same connections.
    pub fn is_same_service(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.client, &other.client)
    }

    /// Returns the permits for requests. The key of a waiter is the time of its last answer.
    pub fn permits(&self) -> &PrioritySemaphore<LastAnswer> {
        &self.permits
    }

    /// Returns the span of queries for one virtual proxy: it carries site, proxy and virtual proxy into the log.
    pub fn span(&self, virtual_proxy: &VirtualProxy) -> Span {
        // Enabled whatever the level of the log is: the fields belong to every line.
        error_span!(
            parent: None,
            "pair",
            site = %self.access.settings.name,
            proxy = %self.plan.name,
            %virtual_proxy
        )
    }

    /// Queries the sessions of one virtual proxy and hands each row to `each` as it arrives.
    ///
    /// Ends within `request_timeout`. After an error the rows that were handed over count for nothing.
    pub async fn list<R: Row>(
        &self,
        _permit: &Permit<LastAnswer>,
        virtual_proxy: &VirtualProxy,
        mut each: impl FnMut(R::Of<'_>),
    ) -> Result<(), QueryError> {
        let begun = Instant::now();
        let mut sessions: u64 = 0;
        let count_and_hand_over = |row: R::Of<'_>| {
            sessions += 1;
            each(row);
        };
        let outcome = qps::list_sessions::<R>(&self.client, virtual_proxy, count_and_hand_over).await;
        let duration = begun.elapsed();
        match &outcome {
            Ok(()) => debug!(sessions, ?duration, "query complete"),
            Err(error) => debug!(reason = error.reason().as_str(), %error, ?duration, "query failed"),
        }
        outcome
    }

    /// Deletes one session of a virtual proxy. Ends within `request_timeout` and a second.
    pub async fn delete(
        &self,
        _permit: &Permit<LastAnswer>,
        virtual_proxy: &VirtualProxy,
        id: SessionId<'_>,
    ) -> Result<Deletion, QueryError> {
        let begun = Instant::now();
        let outcome = qps::delete_session(&self.client, virtual_proxy, id).await;
        let duration = begun.elapsed();
        match &outcome {
            Ok(deletion) => debug!(was_there = *deletion == Deletion::Deleted, ?duration, "delete complete"),
            Err(error) => debug!(reason = error.reason().as_str(), %error, ?duration, "delete failed"),
        }
        outcome
    }

    /// Returns what a failed query means.
    pub fn diagnose(&self, error: &QueryError) -> Diagnosis {
        self.access.diagnose(&self.client, Service::Proxy, error)
    }

    /// Returns the server certificate that was presented last, accepted or not; None before the first handshake.
    pub fn server_certificate(&self) -> Option<CertificateFacts> {
        server_certificate(&self.client)
    }
}
