//! One Qlik site: its proxy services, and the pairs that are asked.

use std::sync::Arc;

use futures::FutureExt;
use url::Url;

use super::pair::{Answer, Ask, History, Pair};
use super::tally::Counting;
use super::turns::Turns;
use crate::config::{ProxySettings, ScrapeSettings, SiteSettings};
use crate::qlik::credentials::{self, Credentials};
use crate::qlik::endpoint::EndpointError;
use crate::qlik::{Endpoint, Limits, UserKey, VirtualProxy, qps};

/// A proxy service as its labels name it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProxyService {
    /// The `proxy` label.
    pub name: Arc<str>,
    pub host: String,
    /// Of the proxy service's own interface, 4243 unless changed.
    pub port: u16,
}

/// One site, from its configuration on.
pub struct Site {
    name: Arc<str>,
    credentials: Arc<Credentials>,
    proxies: Vec<Proxy>,
}

/// One proxy service with all that is asked of it.
struct Proxy {
    service: Arc<ProxyService>,
    endpoint: Arc<Endpoint>,
    pairs: Vec<(VirtualProxy, Arc<Pair>)>,
}

/// Where a pair's answer in a snapshot comes from.
#[derive(Debug, Clone)]
pub enum Used {
    /// From an earlier query, still fresh.
    Kept(Arc<Answer>),
    /// From a query that this scrape began or waited for.
    Awaited(Arc<Answer>),
    /// The scrape's time was over before the answer came.
    GaveUp,
}

/// One pair at one moment.
#[derive(Debug)]
pub struct PairSnapshot {
    pub proxy: Arc<ProxyService>,
    pub virtual_proxy: VirtualProxy,
    pub used: Used,
    pub history: History,
}

impl PairSnapshot {
    /// The answer used, good or failed.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.used {
            Used::Kept(answer) | Used::Awaited(answer) => Some(answer),
            Used::GaveUp => None,
        }
    }

    /// The counts, when the answer used was good.
    pub fn tally(&self) -> Option<&super::tally::Tally> {
        self.answer().and_then(Answer::tally)
    }
}

/// A certificate and when it expires, in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Expiry {
    /// `client`, `ca` or `proxy`.
    pub certificate: &'static str,
    /// The proxy service whose certificate it is.
    pub proxy: Option<Arc<str>>,
    pub not_after: i64,
}

/// One site at one moment: plain data.
#[derive(Debug)]
pub struct SiteSnapshot {
    pub name: Arc<str>,
    pub proxies: Vec<Arc<ProxyService>>,
    pub pairs: Vec<PairSnapshot>,
    pub expiries: Vec<Expiry>,
}

impl Site {
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Result<Self, EndpointError> {
        let name: Arc<str> = settings.name.as_str().into();
        let proxies = settings
            .proxies
            .iter()
            .filter_map(|proxy| Some((proxy, proxy.url.as_ref()?)))
            .map(|(proxy, url)| Proxy::new(&name, settings, proxy, url, scrape))
            .collect::<Result<_, _>>()?;
        Ok(Self { name, credentials: settings.credentials.clone(), proxies })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Arc<ProxyService>, &VirtualProxy, &Arc<Pair>)> {
        self.proxies
            .iter()
            .flat_map(|proxy| proxy.pairs.iter().map(move |(vp, pair)| (&proxy.service, vp, pair)))
    }

    pub(super) fn snapshot(&self, pairs: Vec<PairSnapshot>) -> SiteSnapshot {
        SiteSnapshot {
            name: self.name.clone(),
            proxies: self.proxies.iter().map(|proxy| proxy.service.clone()).collect(),
            pairs,
            expiries: self.expiries(),
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        let own = |certificate, not_after| Expiry { certificate, proxy: None, not_after };
        let mut expiries = vec![own("client", self.credentials.client_facts().not_after)];
        // The first that expires ends it for all.
        let ca = self.credentials.ca_facts().iter().map(|facts| facts.not_after).min();
        expiries.extend(ca.map(|not_after| own("ca", not_after)));
        expiries.extend(self.proxies.iter().filter_map(|proxy| {
            let seen = proxy.endpoint.server_certificate()?;
            let not_after = credentials::facts(&seen).ok()?.not_after;
            Some(Expiry { certificate: "proxy", proxy: Some(proxy.service.name.clone()), not_after })
        }));
        expiries
    }
}

impl Proxy {
    fn new(
        site: &Arc<str>,
        settings: &SiteSettings,
        proxy: &ProxySettings,
        url: &Url,
        scrape: &ScrapeSettings,
    ) -> Result<Self, EndpointError> {
        let limits = Limits {
            timeout: scrape.request_timeout,
            response_size: scrape.max_response_size,
            connections: scrape.max_requests_per_proxy.get(),
        };
        let endpoint = Arc::new(Endpoint::new(url, &settings.credentials, &settings.user, limits)?);
        let service = Arc::new(ProxyService {
            name: proxy.name.as_str().into(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
        });
        let turns = Turns::new(scrape.max_requests_per_proxy);
        let mut virtual_proxies =
            proxy.virtual_proxies.clone().unwrap_or_else(|| vec![VirtualProxy::default()]);
        virtual_proxies.retain(|virtual_proxy| settings.virtual_proxies.admits(virtual_proxy));
        virtual_proxies.sort();
        virtual_proxies.dedup();
        let pairs = virtual_proxies
            .into_iter()
            .map(|virtual_proxy| {
                let pair = Pair::new(
                    site.clone(),
                    service.name.clone(),
                    virtual_proxy.path().to_owned(),
                    turns.clone(),
                    ask(endpoint.clone(), virtual_proxy.clone()),
                );
                (virtual_proxy, pair)
            })
            .collect();
        Ok(Self { service, endpoint, pairs })
    }
}

/// One query: counts the sessions of a virtual proxy while they arrive.
fn ask(endpoint: Arc<Endpoint>, virtual_proxy: VirtualProxy) -> Ask {
    Box::new(move || {
        let (endpoint, virtual_proxy) = (endpoint.clone(), virtual_proxy.clone());
        async move {
            let mut counting = Counting::default();
            qps::list_sessions(&endpoint, &virtual_proxy, |session| {
                let user = UserKey { directory: &session.user_directory, id: &session.user_id };
                counting.add(user, &session.session_id);
            })
            .await?;
            Ok(counting.finish())
        }
        .boxed()
    })
}
