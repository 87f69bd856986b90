//! The queries of a pair, each waiting for its permit: sessions listed and deleted.

use qlik_sense::qps::Deletion;
use qlik_sense::session_list::{Counted, Named, Row, Whole};
use qlik_sense::{QueryError, SessionId, VirtualProxy};
use tracing::Instrument;

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::listing::{Failure, QueriedPair};
use crate::site::ProxyClient;

impl QueriedPair {
    /// Lists the sessions of the wanted users.
    pub async fn list(&self, filter: &Filter, detail: Detail) -> Result<Sessions, Failure> {
        let (service, virtual_proxy) = (&self.service, &self.virtual_proxy);
        let query = async {
            match detail {
                Detail::Counted => rows::<Counted>(service, virtual_proxy, filter).await,
                Detail::Named => rows::<Named>(service, virtual_proxy, filter).await,
                Detail::Whole => rows::<Whole>(service, virtual_proxy, filter).await,
            }
        };
        query.instrument(service.span(virtual_proxy)).await
    }

    /// Deletes one session.
    pub async fn delete(&self, id: SessionId<'_>) -> Result<Deletion, Failure> {
        let query = async {
            let permit = self.service.permits().acquire(None).await;
            self.service.delete(&permit, &self.virtual_proxy, id).await
        };
        let outcome = query.instrument(self.service.span(&self.virtual_proxy)).await;
        outcome.map_err(|error| failure(&self.service, &error))
    }
}

async fn rows<R: Row>(
    service: &ProxyClient,
    virtual_proxy: &VirtualProxy,
    filter: &Filter,
) -> Result<Sessions, Failure> {
    let permit = service.permits().acquire(None).await;
    let mut sessions = Sessions::default();
    let keep_wanted = |row: R::Of<'_>| {
        let session = R::facts(&row);
        if filter.wants_user(session.user) {
            sessions.push(&session);
        } else if filter.wants_but_for_case(session.user) {
            sessions.other_case.insert(session.user.into());
        }
    };
    match service.list::<R>(&permit, virtual_proxy, keep_wanted).await {
        Ok(()) => Ok(sessions),
        Err(error) => Err(failure(service, &error)),
    }
}

fn failure(service: &ProxyClient, error: &QueryError) -> Failure {
    Failure::new(error, service.diagnose(error))
}
