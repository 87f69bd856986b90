//! A proxy service, asked once and now: a few requests at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tracing::debug;

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::roster::Failure;
use crate::collect::access::{self, Access};
use crate::collect::tally::{Counting, SessionIds, Tally};
use crate::site::diagnosis::Service;
use qlik_sense::client::ClientError;
use qlik_sense::qps::{self, Deletion};
use qlik_sense::session_list::{Counted, Named, Row, Whole};
use qlik_sense::{Client, QueryError, SessionId, VirtualProxy};

/// A proxy service with its connections. Shared by all that ask it, so that together they ask no more than
/// they may.
pub struct ProxyService {
    access: Arc<Access>,
    endpoint: Result<Client, ClientError>,
    /// As many permits as requests may be in flight.
    gate: Semaphore,
}

/// What one request brought.
pub struct Answer<T> {
    /// From its turn to the last byte.
    pub took: Duration,
    pub outcome: Result<T, Failure>,
}

impl ProxyService {
    /// Asks nobody yet. Where no client can be built, each request fails.
    pub fn new(url: &url::Url, access: &Arc<Access>) -> Self {
        Self {
            access: access.clone(),
            endpoint: access.endpoint(url),
            gate: Semaphore::new(access.at_once.get().min(Semaphore::MAX_PERMITS)),
        }
    }

    /// None where no client could be built.
    pub fn endpoint(&self) -> Option<&Client> {
        self.endpoint.as_ref().ok()
    }

    /// How many requests may be in flight.
    pub fn at_once(&self) -> usize {
        self.access.at_once.get()
    }

    /// How many sessions there are on a virtual proxy, and whose.
    pub async fn count(&self, virtual_proxy: &VirtualProxy) -> Answer<(Tally, SessionIds)> {
        let answer = self.ask(|endpoint| access::count(endpoint, virtual_proxy, Counting::default())).await;
        self.log(virtual_proxy, "asked", &answer, |(tally, _)| tally.sessions());
        answer
    }

    /// The sessions on a virtual proxy, as far as their users are wanted.
    pub async fn list(
        &self,
        virtual_proxy: &VirtualProxy,
        filter: &Filter,
        detail: Detail,
    ) -> Answer<Sessions> {
        match detail {
            Detail::Counted => self.rows::<Counted>(virtual_proxy, filter).await,
            Detail::Named => self.rows::<Named>(virtual_proxy, filter).await,
            Detail::Whole => self.rows::<Whole>(virtual_proxy, filter).await,
        }
    }

    async fn rows<R: Row>(&self, virtual_proxy: &VirtualProxy, filter: &Filter) -> Answer<Sessions> {
        let asked = self.ask(async |endpoint| {
            let mut sessions = Sessions::default();
            let keep = |row: R::Of<'_>| {
                let session = R::facts(&row);
                if filter.wants_user(session.user) {
                    sessions.push(&session);
                } else if filter.wants_but_for_case(session.user) {
                    sessions.other_case.insert(session.user.into());
                }
            };
            qps::list_sessions::<R>(endpoint, virtual_proxy, keep).await?;
            Ok(sessions)
        });
        let answer = asked.await;
        self.log(virtual_proxy, "asked", &answer, |sessions| sessions.len() as u64);
        answer
    }

    /// Ends one session.
    pub async fn delete(&self, virtual_proxy: &VirtualProxy, id: SessionId<'_>) -> Answer<Deletion> {
        let answer = self.ask(|endpoint| qps::delete_session(endpoint, virtual_proxy, id)).await;
        self.log(virtual_proxy, "asked to end a session", &answer, |ended| {
            u64::from(*ended == Deletion::Deleted)
        });
        answer
    }

    /// Tells a query, at debug level.
    fn log<T>(&self, virtual_proxy: &VirtualProxy, what: &str, answer: &Answer<T>, sessions: fn(&T) -> u64) {
        let site = &*self.access.settings.name;
        let proxy = self.endpoint().map(|endpoint| endpoint.url().authority());
        let Answer { took: duration, outcome } = answer;
        match outcome {
            Ok(found) => {
                debug!(site, proxy, %virtual_proxy, sessions = sessions(found), ?duration, "{what}");
            }
            Err(Failure { message: error, .. }) => {
                debug!(site, proxy, %virtual_proxy, error, ?duration, "{what} in vain");
            }
        }
    }

    /// Waits for its turn and asks.
    async fn ask<'a, T, F>(&'a self, request: impl FnOnce(&'a Client) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T, QueryError>>,
    {
        // Fails only when the gate is closed, which nobody does.
        let _turn = self.gate.acquire().await.ok();
        let begun = Instant::now();
        let outcome = match &self.endpoint {
            Ok(endpoint) => request(endpoint).await.map_err(|error| {
                let diagnosis = self.access.diagnose(endpoint, Service::Proxy, &error);
                Failure::new(&error, diagnosis)
            }),
            Err(error) => Err(Failure::not_asked(error)),
        };
        Answer { took: begun.elapsed(), outcome }
    }
}
