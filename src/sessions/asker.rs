//! Asks all sites at the same time, as often as it is told to, on connections that stay. Who is slow holds up
//! nobody else, where whoever asks does not wait for everybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout_at;

use super::filter::{Detail, Filter, fitting};
use super::roster::{Pair, PairRoster, Roster};
use super::site::{Brought, Site, Wanted};
use crate::config::{Config, SiteSettings};
use crate::qlik::VirtualProxy;

/// Who is asked, with all connections. Lives as long as somebody wants to ask again.
pub struct Asker {
    sites: Vec<Site>,
    wanted: Wanted,
    /// What is under way, each in a task of its own: decoding takes more than one core. It ends with this.
    requests: JoinSet<Brought>,
}

/// A filter names a site that is not configured.
#[derive(Debug, thiserror::Error)]
#[error("--site {name}: there is no such site, expected one of {}", .known.join(", "))]
pub struct NoSuchSite {
    name: String,
    known: Vec<String>,
}

impl Asker {
    /// Asks nobody yet.
    pub fn new(config: &Config, filter: Filter, detail: Detail) -> Result<Self, NoSuchSite> {
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
        Ok(Self { sites, wanted: Wanted { filter: Arc::new(filter), detail }, requests: JoinSet::new() })
    }

    /// One that has nobody to ask.
    #[cfg(test)]
    pub fn of_nobody() -> Self {
        let wanted = Wanted { filter: Arc::default(), detail: Detail::Counted };
        Self { sites: Vec::new(), wanted, requests: JoinSet::new() }
    }

    /// Asks every pair that the filter leaves, once. Repositories first, where it is not known yet which pairs
    /// there are. Requests end with the asker.
    ///
    /// Who has not answered after `patience` is told as late, and not asked again before it has answered; without
    /// one, everybody is waited for.
    pub async fn ask(&mut self, patience: Option<Duration>) -> Roster {
        for site in &mut self.sites {
            site.begin(&self.wanted, &mut self.requests);
        }
        self.wait(patience).await;
        self.roster()
    }

    /// When another answer has come that was late: the last roster with it. Never, when nothing is under way.
    pub async fn late(&mut self, patience: Option<Duration>) -> Roster {
        while let Some(ended) = self.requests.join_next_with_id().await {
            if self.take(ended) {
                // More may have come; and it may have been the repository, so that there is more to ask.
                self.wait(patience).await;
                return self.roster();
            }
        }
        std::future::pending().await
    }

    /// Until everybody has answered who was asked less than `patience` ago. Safe to drop.
    async fn wait(&mut self, patience: Option<Duration>) {
        while let Some(begun) = self.sites.iter().filter_map(Site::last_begun).max() {
            let next = self.requests.join_next_with_id();
            let ended = match patience.and_then(|patience| begun.checked_add(patience)) {
                Some(late) => timeout_at(late, next).await,
                None => Ok(next.await),
            };
            let Ok(Some(ended)) = ended else { return };
            self.take(ended);
        }
    }

    /// False: nobody wants to know it any more.
    fn take(&mut self, ended: Result<(Id, Brought), JoinError>) -> bool {
        let (task, brought) = match ended {
            Ok((task, brought)) => (task, Some(brought)),
            // It panicked.
            Err(error) => (error.id(), None),
        };
        let Some(site) = self.sites.iter_mut().find(|site| site.waits_for(task)) else { return false };
        site.take(task, brought, &self.wanted, &mut self.requests);
        true
    }

    /// What is known now.
    fn roster(&self) -> Roster {
        Roster { sites: self.sites.iter().map(Site::roster).collect(), unknown: self.unknown() }
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
        let filter = Filter::default();
        let ask = async |pair: Arc<Pair>| {
            let answer = pair.service.list(&pair.virtual_proxy, &filter, Detail::Counted).await;
            PairRoster { pair, took: answer.took, sessions: answer.outcome.map(Arc::new) }
        };
        join_all(others.map(ask)).await
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
        let proxies = self.wanted.filter.proxies.iter().filter(|name| !fits_somewhere(name));
        let virtual_proxies = self.wanted.filter.virtual_proxies.iter();
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
