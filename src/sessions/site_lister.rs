//! One site: what is queried there, and what has come back so far.

use std::sync::Arc;
use std::time::Duration;

use qlik_sense::VirtualProxy;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tracing::{Instrument, error_span};

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::listing::{Failure, PairListing, QueriedPair, SiteListing};
use crate::site::topology::{Topology, VirtualProxyPlan};
use crate::site::{Site, SiteState};

/// How soon a repository that failed is queried again: a person waits for it.
const RETRY: Duration = Duration::from_secs(10);

/// Which sessions are wanted, and what of them.
#[derive(Clone)]
pub struct ListRequest {
    pub filter: Arc<Filter>,
    pub detail: Detail,
}

/// The queries of one site.
pub struct SiteLister {
    site: Arc<Site>,
    /// The site as of the last discovery whose end was noticed here, so that a listing is of one state.
    state: Arc<SiteState>,
    /// The discovery in flight.
    discovery: Option<Request>,
    /// Whether the pairs are queried as soon as that has ended.
    pairs_wait: bool,
    /// The pairs that the filter leaves.
    pairs: Vec<PairQuery>,
}

/// A pair that was queried.
struct PairQuery {
    pair: Arc<QueriedPair>,
    state: QueryState,
}

enum QueryState {
    InFlight(Request),
    Answered(Result<Arc<Sessions>, Failure>),
}

/// A request in flight.
struct Request {
    task: Id,
    begun: Instant,
}

/// What a request returned.
pub enum Returned {
    /// The site's state has it.
    Discovery,
    Sessions(Result<Sessions, Failure>),
}

impl SiteLister {
    pub fn new(site: Arc<Site>) -> Self {
        Self { state: site.state(), site, discovery: None, pairs_wait: false, pairs: Vec::new() }
    }

    pub fn name(&self) -> &Arc<str> {
        self.site.name()
    }

    pub fn state(&self) -> &SiteState {
        &self.state
    }

    /// Queries the repository, where that is due, and all pairs, once it is known which there are.
    pub fn begin(&mut self, wanted: &ListRequest, requests: &mut JoinSet<Returned>) {
        let is_due = self.state.repository.as_ref().is_some_and(|repository| repository.is_due(RETRY));
        if is_due && self.discovery.is_none() {
            let site = self.site.clone();
            let span = error_span!("site", site = %site.name());
            let discover = async move {
                site.discover().await;
                Returned::Discovery
            };
            self.discovery = Some(Request::begin(requests, discover.instrument(span)));
        }
        self.pairs_wait = self.discovery.is_some() && !self.state.is_discovered();
        if self.pairs_wait {
            self.pairs.clear();
        } else {
            self.query_pairs(wanted, requests);
        }
    }

    /// Queries each pair, but for those whose last answer has not come yet.
    fn query_pairs(&mut self, wanted: &ListRequest, requests: &mut JoinSet<Returned>) {
        let mut before = std::mem::take(&mut self.pairs);
        before.retain(|query| matches!(query.state, QueryState::InFlight(_)));
        for pair in self.matching_pairs(&wanted.filter) {
            let in_flight = before.iter().position(|query| query.pair.is_same(&pair));
            let state = match in_flight {
                Some(position) => before.swap_remove(position).state,
                None => {
                    let (pair, ListRequest { filter, detail }) = (pair.clone(), wanted.clone());
                    QueryState::InFlight(Request::begin(requests, async move {
                        Returned::Sessions(pair.list(&filter, detail).await)
                    }))
                }
            };
            self.pairs.push(PairQuery { pair, state });
        }
    }

    /// Returns when the latest of the requests in flight was begun.
    pub fn last_begun(&self) -> Option<Instant> {
        let pairs = self.pairs.iter().filter_map(PairQuery::in_flight);
        pairs.chain(&self.discovery).map(|request| request.begun).max()
    }

    pub fn waits_for(&self, task: Id) -> bool {
        self.discovery.as_ref().is_some_and(|request| request.task == task)
            || self.pairs.iter().any(|query| query.is_answered_by(task))
    }

    /// Takes what a request returned; None: it was given up.
    pub fn take(
        &mut self,
        task: Id,
        returned: Option<Returned>,
        wanted: &ListRequest,
        requests: &mut JoinSet<Returned>,
    ) {
        if let Some(query) = self.pairs.iter_mut().find(|query| query.is_answered_by(task)) {
            query.state = QueryState::Answered(match returned {
                Some(Returned::Sessions(outcome)) => outcome.map(Arc::new),
                _ => Err(Failure::not_sent("the query was given up")),
            });
        } else if self.discovery.take_if(|request| request.task == task).is_some() {
            self.state = self.site.state();
            if self.pairs_wait {
                self.pairs_wait = false;
                self.query_pairs(wanted, requests);
            }
        }
    }

    /// Returns what is known now.
    pub fn listing(&self) -> SiteListing {
        let pairs = self.pairs.iter().map(|PairQuery { pair, state }| {
            let sessions = match state {
                QueryState::Answered(answer) => answer.clone(),
                QueryState::InFlight(_) => Err(Failure::late()),
            };
            PairListing { pair: pair.clone(), sessions }
        });
        SiteListing {
            name: self.name().clone(),
            discovery: self.discovery_failure(),
            notes: self.state.topology.notes.clone(),
            pairs: pairs.collect(),
        }
    }

    /// Returns why it is not known for certain which pairs there are.
    fn discovery_failure(&self) -> Option<Failure> {
        let state = &self.state;
        let repository = state.repository.as_ref()?;
        match &state.discovery()?.last_error {
            Some(error) => Some(Failure::new(error, repository.diagnose(&state.access, error))),
            None if state.is_discovered() => None,
            None => Some(Failure::late()),
        }
    }

    /// Returns whether the repository has answered the last time, or there is none.
    pub fn is_known(&self) -> bool {
        self.discovery_failure().is_none()
    }

    /// Returns the pairs that the filter leaves.
    fn matching_pairs(&self, filter: &Filter) -> Vec<Arc<QueriedPair>> {
        let state = &self.state;
        let mut pairs = Vec::new();
        let (plans, _) = filter.proxies(&state.topology);
        for service in state.proxies.iter().filter(|service| plans.contains(&&**service.plan())) {
            for virtual_proxy in &service.plan().virtual_proxies {
                if filter.wants_virtual_proxy(virtual_proxy) {
                    pairs.push(Arc::new(QueriedPair {
                        site: self.name().clone(),
                        proxy: service.plan().clone(),
                        virtual_proxy: virtual_proxy.clone(),
                        facts: facts(&state.topology, virtual_proxy),
                        service: service.clone(),
                    }));
                }
            }
        }
        pairs
    }
}

fn facts(topology: &Topology, virtual_proxy: &VirtualProxy) -> Option<VirtualProxyPlan> {
    topology.virtual_proxies.iter().find(|facts| facts.virtual_proxy == *virtual_proxy).cloned()
}

impl PairQuery {
    fn in_flight(&self) -> Option<&Request> {
        match &self.state {
            QueryState::InFlight(request) => Some(request),
            QueryState::Answered(_) => None,
        }
    }

    fn is_answered_by(&self, task: Id) -> bool {
        self.in_flight().is_some_and(|request| request.task == task)
    }
}

impl Request {
    fn begin(
        requests: &mut JoinSet<Returned>,
        request: impl Future<Output = Returned> + Send + 'static,
    ) -> Self {
        Self { begun: Instant::now(), task: requests.spawn(request).id() }
    }
}
