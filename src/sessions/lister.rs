//! Asks all sites at the same time, as often as it is told to, on connections that stay. Who is slow holds up
//! nobody else, where whoever asks does not wait for everybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout_at;

use super::filter::{Detail, Filter, fitting};
use super::listing::{Listing, PairListing, QueriedPair};
use super::site_lister::{ListRequest, Returned, SiteLister};
use super::unmatched;
use crate::config::{Config, SiteSettings};
use crate::site::{Site, UnusableSite};
use qlik_sense::VirtualProxy;

/// Who is asked, with all connections. Lives as long as somebody wants to ask again.
pub struct Lister {
    sites: Vec<SiteLister>,
    wanted: ListRequest,
    /// What is under way, each in a task of its own: decoding takes more than one core. It ends with this.
    requests: JoinSet<Returned>,
}

/// Why sites cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListerError {
    /// A filter names a site that is not configured.
    #[error("--site {name}: there is no such site, expected one of {}", unmatched::some_of(known))]
    NoSuchSite { name: String, known: Vec<String> },
    #[error(transparent)]
    Unusable(#[from] UnusableSite),
}

/// The sites that a name fits best: several, where it is none of theirs and they differ by case alone.
pub fn sites_named<'c>(name: &str, config: &'c Config) -> Vec<&'c str> {
    let places = fitting(name, &config.sites, |site| vec![&site.name]);
    places.into_iter().filter_map(|place| Some(&*config.sites.get(place)?.name)).collect()
}

impl Lister {
    /// Asks nobody yet.
    pub fn new(config: &Config, filter: Filter, detail: Detail) -> Result<Self, ListerError> {
        let mut wanted: Vec<&SiteSettings> = config.sites.iter().collect();
        if !filter.sites.is_empty() {
            let mut named = BTreeSet::new();
            for name in &filter.sites {
                let fitting = sites_named(name, config);
                if fitting.is_empty() {
                    let known = config.sites.iter().map(|site| site.name.clone()).collect();
                    return Err(ListerError::NoSuchSite { name: name.clone(), known });
                }
                named.extend(fitting);
            }
            wanted.retain(|site| named.contains(&*site.name));
        }
        let mut sites = Vec::new();
        for settings in wanted {
            sites.push(SiteLister::new(Site::new(settings, &config.scrape)?));
        }
        Ok(Self { sites, wanted: ListRequest { filter: Arc::new(filter), detail }, requests: JoinSet::new() })
    }

    /// One that has nobody to ask.
    #[cfg(test)]
    pub fn of_no_site() -> Self {
        let wanted = ListRequest { filter: Arc::default(), detail: Detail::Counted };
        Self { sites: Vec::new(), wanted, requests: JoinSet::new() }
    }

    /// Asks every pair that the filter leaves, once. Repositories first, where it is not known yet which pairs
    /// there are. Requests end with the lister.
    ///
    /// Who has not answered after `patience` is told as late, and not asked again before it has answered; without
    /// one, everybody is waited for.
    pub async fn ask(&mut self, patience: Option<Duration>) -> Listing {
        for site in &mut self.sites {
            site.begin(&self.wanted, &mut self.requests);
        }
        self.wait(patience).await;
        self.listing()
    }

    /// When another answer has come that was late: the last listing with it. Never, when nothing is under way.
    pub async fn late(&mut self, patience: Option<Duration>) -> Listing {
        while let Some(ended) = self.requests.join_next_with_id().await {
            if self.take(ended) {
                // More may have come; and it may have been the repository, so that there is more to ask.
                self.wait(patience).await;
                return self.listing();
            }
        }
        std::future::pending().await
    }

    /// Until everybody has answered who was asked less than `patience` ago. Safe to drop.
    async fn wait(&mut self, patience: Option<Duration>) {
        while let Some(begun) = self.sites.iter().filter_map(SiteLister::last_begun).max() {
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
    fn take(&mut self, ended: Result<(Id, Returned), JoinError>) -> bool {
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
    fn listing(&self) -> Listing {
        let Self { sites, wanted: ListRequest { filter, .. }, .. } = self;
        let listings: Vec<_> = sites.iter().map(SiteLister::listing).collect();
        let pairs = listings.iter().flat_map(|site| &site.pairs);
        let (other_case, absent) = unmatched::users(filter, pairs);
        Listing { unknown: unmatched::places(filter, sites), other_case, absent, sites: listings }
    }

    /// Lists what is known on a pair's proxy service and is not in the listing, for the filters or the configuration
    /// leave it out: the wanted users' sessions of the other virtual proxies there. Not those of the default one, which
    /// may list all.
    pub async fn list_beside(&self, pair: &QueriedPair, listing: &Listing) -> Vec<PairListing> {
        let sites = self.sites.iter().filter(|site| *site.name() == pair.site);
        let states: Vec<_> = sites.map(SiteLister::state).collect();
        let services = states.iter().flat_map(|state| &state.proxies);
        let plans = services.map(|service| service.plan()).filter(|plan| plan.url == pair.proxy.url);
        let mut others: BTreeSet<&VirtualProxy> =
            plans.flat_map(|plan| plan.virtual_proxies.iter().chain(&plan.left_out)).collect();
        for listed in listing.pairs() {
            if listed.pair.site == pair.site && listed.pair.proxy.url == pair.proxy.url {
                others.remove(&listed.pair.virtual_proxy);
            }
        }
        others.remove(&VirtualProxy::default());
        let filter = Filter { users: self.wanted.filter.users.clone(), ..Filter::default() };
        let others = others.into_iter().map(async |virtual_proxy| {
            let pair = Arc::new(QueriedPair {
                site: pair.site.clone(),
                proxy: pair.proxy.clone(),
                virtual_proxy: virtual_proxy.clone(),
                facts: None,
                service: pair.service.clone(),
            });
            let answer = pair.list(&filter, Detail::Counted).await;
            PairListing { pair, sessions: answer.map(Arc::new) }
        });
        join_all(others).await
    }
}
