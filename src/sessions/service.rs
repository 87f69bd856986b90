//! Queries of the sessions commands, each waiting for its permit: sessions listed and deleted.

use std::time::Duration;

use qlik_sense::qps::Deletion;
use qlik_sense::session_list::{Counted, Named, Row, Whole};
use qlik_sense::{QueryError, SessionId, VirtualProxy};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, error_span};

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::roster::{Failure, Pair};
use crate::site::ProxyClient;

/// What one query returned.
pub struct Answer<T> {
    /// From its permit to the last byte.
    pub took: Duration,
    pub outcome: Result<T, Failure>,
}

impl Pair {
    /// Lists the sessions of the wanted users.
    pub async fn list(&self, filter: &Filter, detail: Detail) -> Answer<Sessions> {
        let (service, virtual_proxy) = (&self.service, &self.virtual_proxy);
        let query = async {
            match detail {
                Detail::Counted => rows::<Counted>(service, virtual_proxy, filter).await,
                Detail::Named => rows::<Named>(service, virtual_proxy, filter).await,
                Detail::Whole => rows::<Whole>(service, virtual_proxy, filter).await,
            }
        };
        query.instrument(self.span()).await
    }

    /// Deletes one session.
    pub async fn delete(&self, id: SessionId<'_>) -> Result<Deletion, Failure> {
        let query = async {
            let permit = self.service.permits().acquire(None).await;
            let begun = Instant::now();
            let outcome = self.service.delete(&permit, &self.virtual_proxy, id).await;
            let duration = begun.elapsed();
            match &outcome {
                Ok(deletion) => {
                    debug!(deleted = *deletion == Deletion::Deleted, ?duration, "delete complete");
                }
                Err(error) => debug!(%error, ?duration, "delete failed"),
            }
            outcome.map_err(|error| failure(&self.service, &error))
        };
        query.instrument(self.span()).await
    }

    /// Carries site, proxy and virtual proxy into the log.
    fn span(&self) -> Span {
        let [site, proxy, virtual_proxy] = self.names();
        error_span!("pair", site, proxy, virtual_proxy)
    }
}

async fn rows<R: Row>(
    service: &ProxyClient,
    virtual_proxy: &VirtualProxy,
    filter: &Filter,
) -> Answer<Sessions> {
    let permit = service.permits().acquire(None).await;
    let begun = Instant::now();
    let mut sessions = Sessions::default();
    let listed = service.list::<R>(&permit, virtual_proxy, |row| {
        let session = R::facts(&row);
        if filter.wants_user(session.user) {
            sessions.push(&session);
        } else if filter.wants_but_for_case(session.user) {
            sessions.other_case.insert(session.user.into());
        }
    });
    let outcome = listed.await;
    let took = begun.elapsed();
    match &outcome {
        Ok(()) => debug!(sessions = sessions.len(), duration = ?took, "query complete"),
        Err(error) => debug!(reason = error.reason().as_str(), %error, duration = ?took, "query failed"),
    }
    let outcome = match outcome {
        Ok(()) => Ok(sessions),
        Err(error) => Err(failure(service, &error)),
    };
    Answer { took, outcome }
}

fn failure(service: &ProxyClient, error: &QueryError) -> Failure {
    Failure::new(error, service.diagnose(error))
}
