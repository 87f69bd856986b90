//! Asks all sites at the same time, as often as it is told to, on connections that stay.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::task::JoinSet;
use url::Url;

use super::filter::{Filter, fitting};
use super::roster::{Failure, Pair, PairRoster, Roster, SiteRoster};
use super::service::{Answer, ProxyService};
use crate::collect::access::Access;
use crate::collect::topology::Topology;
use crate::config::{Config, ScrapeSettings, SiteSettings};
use crate::qlik::diagnosis::Service;
use crate::qlik::{Endpoint, VirtualProxy, qrs};

/// How soon a repository that failed is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// Who is asked, with all connections. Lives as long as somebody wants to ask again.
pub struct Asker {
    sites: Vec<Site>,
    filter: Arc<Filter>,
}

/// A filter names a site that is not configured.
#[derive(Debug, thiserror::Error)]
#[error("--site {name}: there is no such site, expected one of {}", .known.join(", "))]
pub struct NoSuchSite {
    name: String,
    known: Vec<String>,
}

struct Site {
    name: Arc<str>,
    access: Arc<Access>,
    repository: Option<Repository>,
    topology: Topology,
    /// By their addresses: those that were asked so far.
    services: HashMap<Url, Arc<ProxyService>>,
}

struct Repository {
    endpoint: Result<Endpoint, Failure>,
    refresh: Duration,
    /// When it is to be asked again; None: at once.
    next: Option<Instant>,
    /// Whether it has ever answered.
    answered: bool,
    /// Of the last time it was asked.
    failure: Option<Failure>,
}

impl Asker {
    /// Asks nobody yet.
    pub fn new(config: &Config, filter: Filter) -> Result<Self, NoSuchSite> {
        let mut wanted: Vec<&SiteSettings> = config.sites.iter().collect();
        if !filter.sites.is_empty() {
            let mut places = Vec::new();
            for name in &filter.sites {
                let fitting = fitting(name, &config.sites, |site| vec![&site.name]);
                if fitting.is_empty() {
                    let known = config.sites.iter().map(|site| site.name.clone()).collect();
                    return Err(NoSuchSite { name: name.clone(), known });
                }
                places.extend(fitting);
            }
            wanted =
                (0..).zip(wanted).filter(|(place, _)| places.contains(place)).map(|(_, it)| it).collect();
        }
        let sites = wanted.into_iter().map(|settings| Site::new(settings, &config.scrape)).collect();
        Ok(Self { sites, filter: Arc::new(filter) })
    }

    /// The sites that are asked, in the order of their names.
    pub fn site_names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| &*site.name)
    }

    /// Asks every pair that the filter leaves, once. Repositories first, where it is not known yet which pairs
    /// there are. Dropping the future ends all requests.
    pub async fn ask(&mut self) -> Roster {
        let filter = &self.filter;
        let asked = join_all(self.sites.iter_mut().map(|site| site.ask(filter))).await;
        let unknown = self.unknown();
        Roster { sites: asked, unknown }
    }

    /// Lists everything that is known beside a pair on its proxy service, whatever the filters say: the sessions of
    /// the other virtual proxies there.
    pub async fn ask_beside(&self, pair: &Pair) -> Vec<PairRoster> {
        let site = self.sites.iter().filter(|site| site.name == pair.site);
        let plans = site.flat_map(|site| &site.topology.proxies).filter(|plan| plan.url == pair.proxy.url);
        let known: BTreeSet<&VirtualProxy> =
            plans.flat_map(|plan| plan.virtual_proxies.iter().chain(&plan.left_out)).collect();
        let others = known.into_iter().filter(|virtual_proxy| **virtual_proxy != pair.virtual_proxy);
        let others = others.map(|virtual_proxy| {
            Arc::new(Pair {
                site: pair.site.clone(),
                proxy: pair.proxy.clone(),
                virtual_proxy: virtual_proxy.clone(),
                facts: None,
                service: pair.service.clone(),
            })
        });
        ask_all(others.collect(), &Arc::default()).await
    }

    /// Parts of the filter that fit nothing on any site, and why. While a repository fails nobody knows.
    fn unknown(&self) -> Vec<String> {
        let is_known = |site: &Site| site.repository.as_ref().is_none_or(|it| it.failure.is_none());
        if !self.sites.iter().all(is_known) {
            return Vec::new();
        }
        let fits_somewhere = |name: &String| {
            let only = Filter { proxies: vec![name.clone()], ..Filter::default() };
            self.sites.iter().any(|site| only.proxies(&site.topology).1.is_empty())
        };
        let proxies = self.filter.proxies.iter().filter(|name| !fits_somewhere(name));
        let virtual_proxies = self.filter.virtual_proxies.iter();
        let virtual_proxies = virtual_proxies.filter_map(|it| Some((it, self.why_not_asked(it)?)));
        proxies
            .map(|name| format!("--proxy {name}: there is none of that name"))
            .chain(virtual_proxies.map(|(it, why)| format!("--virtual-proxy {it}: {why}")))
            .collect()
    }

    /// Why no proxy service is asked for a virtual proxy, whatever else is filtered; None where one is.
    fn why_not_asked(&self, virtual_proxy: &VirtualProxy) -> Option<&'static str> {
        let topologies = || self.sites.iter().map(|site| &site.topology);
        if topologies().any(|it| it.proxies.iter().any(|plan| plan.virtual_proxies.contains(virtual_proxy))) {
            return None;
        }
        let facts = topologies().flat_map(|it| &it.virtual_proxies);
        let mut linked =
            facts.filter(|facts| facts.virtual_proxy == *virtual_proxy).map(|facts| facts.linked);
        Some(match linked.next() {
            Some(0) => "no proxy service links it",
            Some(_) => "no proxy service that links it is asked for it, see check",
            None if topologies().any(|it| it.left_out.contains(virtual_proxy)) => {
                "the configuration leaves it out (virtual_proxies, exclude_virtual_proxies)"
            }
            None => "there is none of that name",
        })
    }
}

impl Site {
    fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Self {
        let access = Arc::new(Access::new(settings, scrape));
        let repository = settings.repository.as_ref().map(|repository| Repository {
            endpoint: access.endpoint(&repository.url).map_err(Failure::not_asked),
            refresh: repository.refresh,
            next: None,
            answered: false,
            failure: None,
        });
        Self {
            name: settings.name.as_str().into(),
            topology: Topology::new(settings, None),
            access,
            repository,
            services: HashMap::new(),
        }
    }

    async fn ask(&mut self, filter: &Arc<Filter>) -> SiteRoster {
        let Self { access, repository, .. } = self;
        let due = repository.as_mut().filter(|it| it.next.is_none_or(|next| next <= Instant::now()));
        let pairs = match due {
            // What it found before is asked meanwhile.
            Some(repository) if repository.answered => {
                let access = access.clone();
                let pairs = Self::pairs(&self.name, &self.topology, &access, &mut self.services, filter);
                let (found, pairs) = tokio::join!(repository.discover(&access), ask_all(pairs, filter));
                self.topology = found.unwrap_or(std::mem::take(&mut self.topology));
                pairs
            }
            due => {
                if let Some(repository) = due
                    && let Some(found) = repository.discover(access).await
                {
                    self.topology = found;
                }
                let pairs = Self::pairs(&self.name, &self.topology, access, &mut self.services, filter);
                ask_all(pairs, filter).await
            }
        };
        let discovery = self.repository.as_ref().and_then(|it| it.failure.clone());
        SiteRoster { name: self.name.clone(), discovery, notes: self.topology.notes.clone(), pairs }
    }

    /// The pairs that the filter leaves.
    fn pairs(
        site: &Arc<str>,
        topology: &Topology,
        access: &Arc<Access>,
        services: &mut HashMap<Url, Arc<ProxyService>>,
        filter: &Filter,
    ) -> Vec<Arc<Pair>> {
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
                    site: site.clone(),
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
    /// What there is to ask, or None and the failure noted.
    async fn discover(&mut self, access: &Access) -> Option<Topology> {
        let found = match &self.endpoint {
            Ok(endpoint) => qrs::discover(endpoint).await.map_err(|error| {
                let diagnosis = access.diagnose(endpoint, Service::Repository, &error);
                Failure::new(error.reason(), diagnosis)
            }),
            Err(failure) => Err(failure.clone()),
        };
        let pause = if found.is_ok() { self.refresh } else { RETRY.min(self.refresh) };
        self.next = Instant::now().checked_add(pause);
        let (found, failure) = match found {
            Ok(found) => (Some(Topology::new(&access.settings, Some(&found))), None),
            Err(failure) => (None, Some(failure)),
        };
        self.answered |= found.is_some();
        self.failure = failure;
        found
    }
}

/// Asks all pairs at the same time, each in a task of its own: decoding takes more than one core. The tasks
/// end with the future.
async fn ask_all(pairs: Vec<Arc<Pair>>, filter: &Arc<Filter>) -> Vec<PairRoster> {
    let mut tasks = JoinSet::new();
    for (place, pair) in pairs.iter().cloned().enumerate() {
        let filter = filter.clone();
        tasks.spawn(async move { (place, pair.service.list(&pair.virtual_proxy, &filter).await) });
    }
    let mut answers: HashMap<usize, Answer<_>> = HashMap::new();
    while let Some(ended) = tasks.join_next().await {
        // Only a task that panicked has none, and it is told as not asked.
        answers.extend(ended);
    }
    let roster = |(place, pair)| {
        let answer = answers.remove(&place);
        let (took, sessions) = answer.map_or_else(
            || (Duration::ZERO, Err(Failure::not_asked("the query was given up"))),
            |answer| (answer.took, answer.outcome),
        );
        PairRoster { pair, sessions, took }
    };
    (0..).zip(pairs).map(roster).collect()
}
