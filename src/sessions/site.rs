//! One site: who is asked there, and what has come back so far.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use url::Url;

use super::filter::{Detail, Filter};
use super::listed::Sessions;
use super::roster::{Failure, Pair, PairRoster, SiteRoster};
use super::service::{Answer, ProxyService};
use crate::collect::access::Access;
use crate::collect::topology::Topology;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::site::diagnosis::Service;
use qlik_sense::{Client, qrs};

/// How soon a repository that failed is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// Which sessions are wanted, and what of them.
#[derive(Clone)]
pub struct Wanted {
    pub filter: Arc<Filter>,
    pub detail: Detail,
}

pub struct Site {
    pub name: Arc<str>,
    access: Arc<Access>,
    pub repository: Option<Repository>,
    pub topology: Topology,
    /// By their addresses: those that were asked so far.
    services: HashMap<Url, Arc<ProxyService>>,
    /// The pairs that the filter leaves.
    asked: Vec<Asked>,
}

pub struct Repository {
    endpoint: Result<Arc<Client>, Failure>,
    refresh: Duration,
    /// When it is to be asked again; None: at once.
    next: Option<Instant>,
    /// Whether it has ever answered.
    answered: bool,
    /// Of the last time it was asked; or that nothing is known yet.
    pub failure: Option<Failure>,
    under_way: Option<Request>,
}

/// A pair that was asked.
struct Asked {
    pair: Arc<Pair>,
    answer: Result<PairAnswer, Request>,
}

/// What a pair has answered.
type PairAnswer = Result<Arc<Sessions>, Failure>;

/// A request that is under way.
struct Request {
    task: Id,
    begun: Instant,
}

/// What a request brought.
pub enum Brought {
    /// Which pairs there are.
    Topology(Result<Topology, Failure>),
    /// The sessions of one.
    Sessions(Answer<Sessions>),
}

impl Site {
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Self {
        let access = Arc::new(Access::new(settings, scrape));
        let repository = settings.repository.as_ref().map(|repository| Repository {
            endpoint: access.endpoint(&repository.url).map(Arc::new).map_err(Failure::not_asked),
            refresh: repository.refresh,
            next: None,
            answered: false,
            failure: None,
            under_way: None,
        });
        Self {
            name: settings.name.as_str().into(),
            topology: Topology::new(settings, None),
            access,
            repository,
            services: HashMap::new(),
            asked: Vec::new(),
        }
    }

    /// Asks the repository, where it is due, and all pairs, once it is known which there are.
    pub fn begin(&mut self, wanted: &Wanted, requests: &mut JoinSet<Brought>) {
        if let Some(repository) = &mut self.repository {
            repository.begin(&self.access, requests);
            if repository.under_way.is_some() && !repository.answered {
                self.asked.clear();
                return;
            }
        }
        self.ask_pairs(wanted, requests);
    }

    /// Asks each pair, but for those whose last answer has not come yet.
    fn ask_pairs(&mut self, wanted: &Wanted, requests: &mut JoinSet<Brought>) {
        let mut before = std::mem::take(&mut self.asked);
        before.retain(|asked| asked.answer.is_err());
        for pair in self.pairs(&wanted.filter) {
            let is_same = |asked: &Asked| {
                Arc::ptr_eq(&asked.pair.service, &pair.service)
                    && asked.pair.virtual_proxy == pair.virtual_proxy
            };
            let answer = match before.iter().position(is_same) {
                Some(place) => before.swap_remove(place).answer,
                None => {
                    let (pair, Wanted { filter, detail }) = (pair.clone(), wanted.clone());
                    let list = async move { pair.service.list(&pair.virtual_proxy, &filter, detail).await };
                    Err(Request::begin(requests, async { Brought::Sessions(list.await) }))
                }
            };
            self.asked.push(Asked { pair, answer });
        }
    }

    /// When the request was begun that is under way for the shortest time.
    pub fn last_begun(&self) -> Option<Instant> {
        let pairs = self.asked.iter().filter_map(|asked| asked.answer.as_ref().err());
        let repository = self.repository.iter().filter_map(|it| it.under_way.as_ref());
        pairs.chain(repository).map(|request| request.begun).max()
    }

    pub fn waits_for(&self, task: Id) -> bool {
        let is_it = |request: &Request| request.task == task;
        self.repository.as_ref().and_then(|it| it.under_way.as_ref()).is_some_and(is_it)
            || self.asked.iter().any(|asked| asked.answer.as_ref().is_err_and(is_it))
    }

    /// Takes what a request brought; None: it was given up.
    pub fn take(
        &mut self,
        task: Id,
        brought: Option<Brought>,
        wanted: &Wanted,
        requests: &mut JoinSet<Brought>,
    ) {
        let is_it = |request: &Request| request.task == task;
        let given_up = || Failure::not_asked("the query was given up");
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.answer.as_ref().is_err_and(is_it)) {
            asked.answer = Ok(match brought {
                Some(Brought::Sessions(Answer { outcome, .. })) => outcome.map(Arc::new),
                _ => Err(given_up()),
            });
        } else if let Some(repository) = &mut self.repository {
            let pairs_wait = !repository.answered;
            let found = match brought {
                Some(Brought::Topology(found)) => found,
                _ => Err(given_up()),
            };
            self.topology = repository.end(found).unwrap_or(std::mem::take(&mut self.topology));
            if pairs_wait {
                self.ask_pairs(wanted, requests);
            }
        }
    }

    /// What is known now.
    pub fn roster(&self) -> SiteRoster {
        let pairs = self.asked.iter().map(|Asked { pair, answer }| {
            let sessions = match answer {
                Ok(answer) => answer.clone(),
                Err(_) => Err(Failure::late()),
            };
            PairRoster { pair: pair.clone(), sessions }
        });
        SiteRoster {
            name: self.name.clone(),
            discovery: self.repository.as_ref().and_then(|it| it.failure.clone()),
            notes: self.topology.notes.clone(),
            pairs: pairs.collect(),
        }
    }

    /// The pairs that the filter leaves.
    fn pairs(&mut self, filter: &Filter) -> Vec<Arc<Pair>> {
        let Self { name, access, topology, services, .. } = self;
        let mut pairs = Vec::new();
        let (proxies, _) = filter.proxies(topology);
        for plan in proxies {
            let proxy = Arc::new(plan.clone());
            for virtual_proxy in plan.virtual_proxies.iter().filter(|it| filter.wants_virtual_proxy(it)) {
                let service = services
                    .entry(plan.url.clone())
                    .or_insert_with(|| Arc::new(ProxyService::new(&plan.url, access)));
                let facts =
                    topology.virtual_proxies.iter().find(|facts| facts.virtual_proxy == *virtual_proxy);
                pairs.push(Arc::new(Pair {
                    site: name.clone(),
                    proxy: proxy.clone(),
                    virtual_proxy: virtual_proxy.clone(),
                    facts: facts.cloned(),
                    service: service.clone(),
                }));
            }
        }
        pairs
    }
}

impl Repository {
    /// Asks which pairs there are, where it is time to.
    fn begin(&mut self, access: &Arc<Access>, requests: &mut JoinSet<Brought>) {
        if self.under_way.is_some() || self.next.is_some_and(|next| next > Instant::now()) {
            return;
        }
        match &self.endpoint {
            Ok(endpoint) => {
                let (endpoint, access) = (endpoint.clone(), access.clone());
                let discover = async move { Brought::Topology(discover(&endpoint, &access).await) };
                self.under_way = Some(Request::begin(requests, discover));
                if !self.answered {
                    self.failure.get_or_insert_with(Failure::late);
                }
            }
            Err(failure) => drop(self.end(Err(failure.clone()))),
        }
    }

    /// What it answered, unless it failed.
    fn end(&mut self, found: Result<Topology, Failure>) -> Option<Topology> {
        self.under_way = None;
        let pause = if found.is_ok() { self.refresh } else { RETRY.min(self.refresh) };
        self.next = Instant::now().checked_add(pause);
        self.answered |= found.is_ok();
        self.failure = found.as_ref().err().cloned();
        found.ok()
    }
}

async fn discover(endpoint: &Client, access: &Access) -> Result<Topology, Failure> {
    match qrs::discover(endpoint).await {
        Ok(found) => Ok(Topology::new(&access.settings, Some(&found))),
        Err(error) => {
            let diagnosis = access.diagnose(endpoint, Service::Repository, &error);
            Err(Failure::new(&error, diagnosis))
        }
    }
}

impl Request {
    fn begin(
        requests: &mut JoinSet<Brought>,
        request: impl Future<Output = Brought> + Send + 'static,
    ) -> Self {
        Self { begun: Instant::now(), task: requests.spawn(request).id() }
    }
}
