//! Lists the sessions of all sites at the same time, again and again over the same connections. Slow services do not
//! delay the others where the caller sets a limit to its patience.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout_at;

use super::filter::{Detail, Filter, best_matches};
use super::listing::{Listing, PairListing, QueriedPair};
use super::site_lister::{ListRequest, Returned, SiteLister};
use super::unmatched::{self, AbsentUsers};
use crate::config::{Config, SiteSettings};
use crate::site::{Site, UnusableSite};
use qlik_sense::VirtualProxy;

/// The sites that are listed, with their connections.
pub struct Lister {
    sites: Vec<SiteLister>,
    request: ListRequest,
    /// Requests in flight, each in a task of its own: decoding takes more than one core. They end with the lister.
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

/// Returns the sites that a name matches best: several where it is the name of none and theirs differ by case alone.
pub fn sites_named<'c>(name: &str, config: &'c Config) -> Vec<&'c str> {
    let matching = best_matches(name, &config.sites, |site| vec![&site.name]);
    matching.into_iter().filter_map(|index| Some(&*config.sites.get(index)?.name)).collect()
}

impl Lister {
    /// Queries nothing yet.
    pub fn new(config: &Config, filter: Filter, detail: Detail) -> Result<Self, ListerError> {
        let mut wanted: Vec<&SiteSettings> = config.sites.iter().collect();
        if !filter.sites.is_empty() {
            let mut named = BTreeSet::new();
            for name in &filter.sites {
                let matching = sites_named(name, config);
                if matching.is_empty() {
                    let known = config.sites.iter().map(|site| site.name.clone()).collect();
                    return Err(ListerError::NoSuchSite { name: name.clone(), known });
                }
                named.extend(matching);
            }
            wanted.retain(|site| named.contains(&*site.name));
        }
        let mut sites = Vec::new();
        for settings in wanted {
            sites.push(SiteLister::new(Site::new(settings, &config.scrape)?));
        }
        Ok(Self {
            sites,
            request: ListRequest { filter: Arc::new(filter), detail },
            requests: JoinSet::new(),
        })
    }

    /// Returns a lister without sites.
    #[cfg(test)]
    pub fn of_no_site() -> Self {
        let request = ListRequest { filter: Arc::default(), detail: Detail::Counted };
        Self { sites: Vec::new(), request, requests: JoinSet::new() }
    }

    /// Queries every pair that the filter leaves, once, and the repositories first where it is not known yet which
    /// pairs there are.
    ///
    /// A pair that has not answered after `patience` is listed as late, and not queried again before it has answered.
    /// Without `patience`, all answers are waited for.
    pub async fn list(&mut self, patience: Option<Duration>) -> Listing {
        for site in &mut self.sites {
            site.begin(&self.request, &mut self.requests);
        }
        self.wait(patience).await;
        self.listing()
    }

    /// Waits for a late answer and returns the last listing with it. Never resolves when no request is in flight.
    pub async fn late(&mut self, patience: Option<Duration>) -> Listing {
        while let Some(ended) = self.requests.join_next_with_id().await {
            if self.take(ended) {
                // More may have come, and the repository may have returned more pairs to query.
                self.wait(patience).await;
                return self.listing();
            }
        }
        std::future::pending().await
    }

    /// Waits until all requests that were sent less than `patience` ago have been answered. Safe to drop.
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

    /// Hands what a request returned to its site; false when no site waits for it any more.
    fn take(&mut self, ended: Result<(Id, Returned), JoinError>) -> bool {
        let (task, returned) = match ended {
            Ok((task, returned)) => (task, Some(returned)),
            // The task panicked.
            Err(error) => (error.id(), None),
        };
        let Some(site) = self.sites.iter_mut().find(|site| site.waits_for(task)) else { return false };
        site.take(task, returned, &self.request, &mut self.requests);
        true
    }

    /// Returns what is known now.
    fn listing(&self) -> Listing {
        let Self { sites, request: ListRequest { filter, .. }, .. } = self;
        let listings: Vec<_> = sites.iter().map(SiteLister::listing).collect();
        let pairs = listings.iter().flat_map(|site| &site.pairs);
        let AbsentUsers { other_case, absent } = unmatched::users(filter, pairs);
        Listing {
            unknown: unmatched::proxies_and_prefixes(filter, sites),
            other_case,
            absent,
            sites: listings,
        }
    }

    /// Lists the wanted users' sessions of those virtual proxies on a pair's proxy service that filters or the
    /// configuration leave out of the listing. The default one is not among them: it may list the sessions of all.
    pub async fn list_beside(&self, pair: &QueriedPair, listing: &Listing) -> Vec<PairListing> {
        let sites = self.sites.iter().filter(|site| *site.name() == pair.site);
        let services = sites.flat_map(|site| &site.state().proxies);
        let plans = services.map(|service| service.plan()).filter(|plan| plan.url == pair.proxy.url);
        let mut others: BTreeSet<&VirtualProxy> =
            plans.flat_map(|plan| plan.virtual_proxies.iter().chain(&plan.left_out)).collect();
        for listed in listing.pairs() {
            if listed.pair.site == pair.site && listed.pair.proxy.url == pair.proxy.url {
                others.remove(&listed.pair.virtual_proxy);
            }
        }
        others.remove(&VirtualProxy::default());
        let filter = Filter { users: self.request.filter.users.clone(), ..Filter::default() };
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
