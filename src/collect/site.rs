//! One Qlik site: asked for its proxy services now and then, and for its sessions at each scrape.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::access::Access;
use super::pair::{Answer, Pair, Wanted};
use super::plan::Plan;
use super::repository::Repository;
use super::snapshot::{Expiry, PairSnapshot, RepositorySnapshot, SiteSnapshot, Used};
use super::tally::Keep;
use super::tasks::Tasks;
use super::topology::{ProxyPlan, Topology};
use crate::config::{ScrapeSettings, SiteSettings};
use qlik_sense::client::ClientError;
use qlik_sense::credentials;

/// One site, from its configuration on. Held by the collector and by its own discovery.
pub struct Site {
    pub(super) access: Access,
    /// When the site is to be discovered.
    pub(super) repository: Option<Repository>,
    /// Replaced as a whole when a discovery finds something else.
    pub(super) plan: ArcSwap<Plan>,
    /// The discovery; ends with the site.
    pub(super) tasks: Tasks,
    /// This site in the next configuration, when that is another one.
    successor: OnceLock<Arc<Self>>,
}

/// How answers are had: what all scrapes of a site have in common.
pub(super) struct Asking<'a> {
    pub cache_ttl: Duration,
    pub keep: &'a Keep,
    /// Own the queries, which outlive scrapes and sites.
    pub tasks: &'a Tasks,
    /// Told for each answer wanted whether it was a kept one.
    pub count: &'a (dyn Fn(bool) + Sync),
}

impl Site {
    /// The site as configured now. What is the same as in `old` goes on; all of it, discovery included,
    /// when nothing is different.
    pub(super) fn new(
        settings: &SiteSettings,
        scrape: &ScrapeSettings,
        old: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, ClientError> {
        let access = Access::new(settings, scrape);
        if let Some(same) = old.filter(|old| old.access == access) {
            return Ok(same.clone());
        }
        let repository = match &settings.repository {
            Some(repository) => {
                let before = old.and_then(|old| old.repository.as_ref());
                Some(Repository::new(access.endpoint(&repository.url)?, repository.refresh, before))
            }
            None => None,
        };
        let found = repository.as_ref().and_then(Repository::found);
        let topology = Topology::new(settings, found.as_deref());
        let forget = repository.is_none();
        let plan = match old {
            Some(old) => Plan::new(topology, &access, &old.plan.load(), &old.access, forget),
            None => Plan::new(topology, &access, &Plan::empty(), &access, forget),
        };
        let site = Arc::new(Self {
            plan: ArcSwap::from_pointee(plan?),
            access,
            repository,
            tasks: Tasks::default(),
            successor: OnceLock::new(),
        });
        Ok(site)
    }

    /// Ends the discovery.
    pub(super) async fn end(&self) {
        self.tasks.end().await;
    }

    /// Ends the discovery; what it has found until now goes on in `successor`, which has not begun yet.
    pub(super) async fn give_way_to(&self, successor: &Arc<Self>) {
        // Set once: it is in force until another one is.
        let _ = self.successor.set(successor.clone());
        self.end().await;
        successor.plan.store(Arc::new(successor.plan.load().remembering(&self.plan.load())));
    }

    pub fn name(&self) -> &str {
        &self.access.settings.name
    }

    /// Whether the first discovery has been tried, with or without success.
    pub fn is_ready(&self) -> bool {
        self.repository.as_ref().is_none_or(Repository::was_tried)
    }

    /// The site as its proxies say now, until `deadline`.
    pub(super) async fn scrape(&self, asking: &Asking<'_>, deadline: Instant) -> SiteSnapshot {
        // All are wanted before anything is waited for: the queries run side by side, and beside the first
        // discovery, so that one that hangs takes nothing from proxies that are configured.
        let known = asking.want_all(&self.plan.load(), Wishes::new());
        self.wait_for_first_discovery(deadline).await;
        if let Some(successor) = self.successor.get().filter(|_| !self.is_discovered()) {
            return Box::pin(successor.scrape(asking, deadline)).await;
        }
        let (repository, plan) = self.state();
        let mut wanted = asking.want_all(&plan, known);
        let mut snapshots = Vec::new();
        for (proxy, pair) in pairs(&plan) {
            let used = match wanted.remove(&address(pair)) {
                Some((_, wanted)) => asking.used(pair, wanted, deadline).await,
                None => Used::GaveUp,
            };
            snapshots.push(snapshot(proxy, pair, used));
        }
        self.snapshot(&plan, repository, snapshots)
    }

    /// Whether there is nothing to discover, or a discovery has worked.
    fn is_discovered(&self) -> bool {
        self.repository.as_ref().is_none_or(|repository| repository.found().is_some())
    }

    /// How discovery went, and what is asked: at least what that discovery found.
    fn state(&self) -> (Option<RepositorySnapshot>, Arc<Plan>) {
        // In this order: a discovery changes the plan first.
        let repository = self.repository.as_ref().map(Repository::snapshot);
        (repository, self.plan.load_full())
    }

    /// Returns when the repository has been asked for the first time, in vain or not; at once when something
    /// is known from before a reload.
    async fn wait_for_first_discovery(&self, deadline: Instant) {
        let Some(repository) = self.repository.as_ref().filter(|_| !self.is_discovered()) else { return };
        tokio::select! {
            // In vain: what is configured besides is asked.
            _ = timeout_at(deadline, repository.tried()) => {}
            // Another configuration has taken this one's place, and with it the discovery.
            () = self.tasks.ending() => {}
        }
    }

    /// The site with its last answers, however old, as far as they keep what is to be kept now. Asks nobody.
    pub(super) fn last_known(&self, keep: &Keep) -> SiteSnapshot {
        let (repository, plan) = self.state();
        let last = |pair: &Pair| {
            let last = pair.last_answer().filter(|answer| answer.keeps(keep));
            last.map_or(Used::GaveUp, Used::Kept)
        };
        let snapshots = pairs(&plan).map(|(proxy, pair)| snapshot(proxy, pair, last(pair))).collect();
        self.snapshot(&plan, repository, snapshots)
    }

    fn snapshot(
        &self,
        plan: &Plan,
        repository: Option<RepositorySnapshot>,
        pairs: Vec<PairSnapshot>,
    ) -> SiteSnapshot {
        SiteSnapshot {
            name: self.name().to_owned(),
            topology: plan.topology.clone(),
            pairs,
            expiries: self.expiries(plan),
            repository,
        }
    }

    fn expiries(&self, plan: &Plan) -> Vec<Expiry> {
        let credentials = &self.access.settings.credentials;
        let own = |certificate, not_after| Expiry { certificate, proxy: None, not_after };
        let mut expiries = vec![own("client", credentials.client_facts().not_after)];
        // The first that expires ends it for all.
        let ca = credentials.ca_facts().iter().map(|facts| facts.not_after).min();
        expiries.extend(ca.map(|not_after| own("ca", not_after)));
        let seen = |endpoint: &qlik_sense::Client| {
            credentials::facts(&endpoint.server_certificate()?).ok().map(|facts| facts.not_after)
        };
        let repository = self.repository.as_ref().and_then(|repository| seen(repository.endpoint()));
        expiries.extend(repository.map(|not_after| own("repository", not_after)));
        expiries.extend(plan.proxies.iter().filter_map(|proxy| {
            let name = Some(proxy.plan.name.clone());
            Some(Expiry { certificate: "proxy", proxy: name, not_after: seen(&proxy.endpoint)? })
        }));
        expiries
    }
}

/// What a scrape wants, by the pair's address. The pair is held, so that no other comes to that address.
type Wishes = HashMap<usize, (Arc<Pair>, Wanted)>;

fn address(pair: &Arc<Pair>) -> usize {
    Arc::as_ptr(pair).addr()
}

fn pairs(plan: &Plan) -> impl Iterator<Item = (&Arc<ProxyPlan>, &Arc<Pair>)> {
    plan.proxies.iter().flat_map(|proxy| proxy.pairs.iter().map(move |pair| (&proxy.plan, pair)))
}

fn snapshot(proxy: &Arc<ProxyPlan>, pair: &Pair, used: Used) -> PairSnapshot {
    let virtual_proxy = pair.virtual_proxy().clone();
    PairSnapshot { proxy: proxy.clone(), virtual_proxy, used, history: pair.history() }
}

impl Asking<'_> {
    /// Wants the answer of every pair that is not wanted already. The oldest answers come first: where not
    /// all can be asked in time, they are.
    fn want_all(&self, plan: &Plan, mut wanted: Wishes) -> Wishes {
        let mut all: Vec<_> =
            pairs(plan).map(|(_, pair)| (pair.last_answer().map(|it| it.at), pair)).collect();
        all.sort_by_key(|(at, _)| *at);
        for (_, pair) in all {
            wanted.entry(address(pair)).or_insert_with(|| (pair.clone(), self.want(pair)));
        }
        wanted
    }

    fn want(&self, pair: &Arc<Pair>) -> Wanted {
        let wanted = pair.want(self.cache_ttl, self.keep, self.tasks);
        (self.count)(matches!(wanted, Wanted::Kept(_)));
        wanted
    }

    /// The answer, when it comes in time. One of a query that another configuration began may keep something else:
    /// then it is wanted again, so that all answers of a scrape keep the same.
    async fn used(&self, pair: &Arc<Pair>, mut wanted: Wanted, deadline: Instant) -> Used {
        loop {
            let coming = match wanted {
                Wanted::Kept(answer) => return Used::Kept(answer),
                Wanted::Coming(coming) => coming,
            };
            match self.wait(coming, deadline).await {
                Used::Awaited(answer) if !answer.keeps(self.keep) => wanted = self.want(pair),
                used => return used,
            }
        }
    }

    async fn wait(&self, mut coming: watch::Receiver<Option<Arc<Answer>>>, deadline: Instant) -> Used {
        let answer = async {
            let answer = coming.wait_for(Option::is_some).await.ok()?;
            answer.as_ref().map(|answer| Used::Awaited(answer.clone()))
        };
        tokio::select! {
            biased;
            used = timeout_at(deadline, answer) => used.ok().flatten().unwrap_or(Used::GaveUp),
            () = self.tasks.ending() => Used::GaveUp,
        }
    }
}
