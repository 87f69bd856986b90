//! One site: what is queried there, and what has come back so far.

use std::sync::Arc;

use qlik_sense::VirtualProxy;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::listing::{Failure, PairListing, QueriedPair, SiteListing};
use crate::site::topology::{Topology, VirtualProxyPlan};
use crate::site::{Site, SiteState};

/// Which sessions are wanted, and what of them.
#[derive(Clone)]
pub struct ListRequest {
    pub filter: Arc<Filter>,
    pub detail: Detail,
}

/// The queries of one site.
pub struct SiteLister {
    site: Arc<Site>,
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
    answer: Result<PairAnswer, Request>,
}

/// What a pair has answered.
type PairAnswer = Result<Arc<Sessions>, Failure>;

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
        Self { site, discovery: None, pairs_wait: false, pairs: Vec::new() }
    }

    pub fn name(&self) -> &Arc<str> {
        self.site.name()
    }

    pub fn state(&self) -> Arc<SiteState> {
        self.site.state()
    }

    /// Queries the repository, where that is due, and all pairs, once it is known which there are.
    pub fn begin(&mut self, wanted: &ListRequest, requests: &mut JoinSet<Returned>) {
        let state = self.site.state();
        let is_due = state.repository.as_ref().is_some_and(|repository| repository.is_due());
        if is_due && self.discovery.is_none() {
            let site = self.site.clone();
            self.discovery = Some(Request::begin(requests, async move {
                site.discover().await;
                Returned::Discovery
            }));
        }
        self.pairs_wait = self.discovery.is_some() && !state.is_discovered();
        if self.pairs_wait {
            self.pairs.clear();
        } else {
            self.query_pairs(wanted, requests);
        }
    }

    /// Queries each pair, but for those selection last answer has not come yet.
    fn query_pairs(&mut self, wanted: &ListRequest, requests: &mut JoinSet<Returned>) {
        let mut before = std::mem::take(&mut self.pairs);
        before.retain(|query| query.answer.is_err());
        for pair in self.matching_pairs(&wanted.filter) {
            let in_flight = before.iter().position(|query| query.pair.is_same(&pair));
            let answer = match in_flight {
                Some(position) => before.swap_remove(position).answer,
                None => {
                    let (pair, ListRequest { filter, detail }) = (pair.clone(), wanted.clone());
                    Err(Request::begin(requests, async move {
                        Returned::Sessions(pair.list(&filter, detail).await)
                    }))
                }
            };
            self.pairs.push(PairQuery { pair, answer });
        }
    }

    /// Returns when the latest of the requests in flight was begun.
    pub fn last_begun(&self) -> Option<Instant> {
        let pairs = self.pairs.iter().filter_map(|query| query.answer.as_ref().err());
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
            query.answer = Ok(match returned {
                Some(Returned::Sessions(outcome)) => outcome.map(Arc::new),
                _ => Err(Failure::not_sent("the query was given up")),
            });
        } else if self.discovery.take_if(|request| request.task == task).is_some() && self.pairs_wait {
            self.pairs_wait = false;
            self.query_pairs(wanted, requests);
        }
    }

    /// Returns what is known now.
    pub fn listing(&self) -> SiteListing {
        let state = self.site.state();
        let pairs = self.pairs.iter().map(|PairQuery { pair, answer }| {
            let sessions = match answer {
                Ok(answer) => answer.clone(),
                Err(_) => Err(Failure::late()),
            };
            PairListing { pair: pair.clone(), sessions }
        });
        SiteListing {
            name: self.name().clone(),
            discovery: self.discovery_failure(&state),
            notes: state.topology.notes.clone(),
            pairs: pairs.collect(),
        }
    }

    /// Returns why it is not known for certain which pairs there are.
    fn discovery_failure(&self, state: &SiteState) -> Option<Failure> {
        let repository = state.repository.as_ref()?;
        match &state.discovery()?.last_error {
            Some(error) => Some(Failure::new(error, repository.diagnose(&state.access, error))),
            None if state.is_discovered() => None,
            None => Some(Failure::late()),
        }
    }

    /// Returns whether the repository has answered the last time, or there is none.
    pub fn is_known(&self) -> bool {
        self.discovery_failure(&self.site.state()).is_none()
    }

    /// Returns the pairs that the filter leaves.
    fn matching_pairs(&self, filter: &Filter) -> Vec<Arc<QueriedPair>> {
        let state = self.site.state();
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
    fn is_answered_by(&self, task: Id) -> bool {
        self.answer.as_ref().is_err_and(|request| request.task == task)
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
