//! The metrics of Qlik sites, from the snapshots of one scrape.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::catalogue as metric;
use super::encoder::Encoder;
use super::users::{Hashes, SiteUsers};
use crate::collector::pair::Counters;
use crate::collector::tally::Tally;
use crate::collector::{PairSnapshot, SiteSnapshot};
use crate::config::{UserLabel, UserSettings};
use crate::site::DiscoveryStatus;
use crate::site::topology::{ProxyPlan, VirtualProxyPlan};
use qlik_sense::Reason;

/// The labels of a user's series with `label = "hashed"`: the directory would reveal too much.
const HASHED_LABELS: &[&str] = &["site", "proxy", "virtual_proxy", "user_id"];

/// The snapshots of one scrape, as a collector of their metrics.
#[derive(Debug)]
pub struct SiteMetrics {
    pub snapshots: Vec<SiteSnapshot>,
    pub users: Arc<UserSettings>,
}

/// A site of which a pair answered.
struct AnsweredSite<'a> {
    snapshot: &'a SiteSnapshot,
    users: SiteUsers<'a>,
}

impl Collector for SiteMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = Encoder(encoder);
        self.encode_answers(&mut encoder)?;
        self.encode_users(&mut encoder)?;
        self.encode_queries(&mut encoder)?;
        self.encode_topology(&mut encoder)?;
        self.encode_repositories(&mut encoder)?;
        self.encode_certificates(&mut encoder)
    }
}

impl SiteMetrics {
    /// Writes the counts of the pairs that answered.
    fn encode_answers(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        encoder.gauge(&metric::PROXY_SESSIONS, self.tallies(Tally::sessions))?;
        encoder.gauge(&metric::PROXY_USERS, self.tallies(|tally| tally.user_count() as u64))?;
        encoder.gauge(&metric::PROXY_ANONYMOUS_SESSIONS, self.tallies(Tally::anonymous))
    }

    /// Writes the per-user series and the sums of each site, over the pairs that answered.
    fn encode_users(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let answered = self.snapshots.iter().filter_map(|snapshot| {
            Some(AnsweredSite { snapshot, users: SiteUsers::new(&snapshot.pairs, &self.users)? })
        });
        let sites: Vec<_> = answered.collect();
        self.encode_user_series(&sites, encoder)?;
        encoder.gauge(&metric::SITE_USERS, per_site(&sites, |users| users.distinct() as u64))?;
        let limit = self.users.session_limit.get();
        let numbers: Vec<_> = (1..=limit).map(|number| number.to_string()).collect();
        let at_least = sites.iter().flat_map(|site| {
            let counts = numbers.iter().zip(&site.users.at_least);
            counts.map(|(number, count)| ([&*site.snapshot.name, number], *count))
        });
        encoder.gauge(&metric::SITE_USERS_WITH_SESSIONS, at_least)?;
        encoder.gauge(&metric::SITE_USERS_AT_SESSION_LIMIT, per_site(&sites, SiteUsers::at_limit))?;
        encoder.gauge(&metric::SITE_USERS_UNLISTED, per_site(&sites, |users| users.unlisted))?;
        encoder.gauge(&metric::USER_SESSION_LIMIT, self.snapshots.iter().map(|site| ([&*site.name], limit)))
    }

    fn encode_user_series(&self, sites: &[AnsweredSite<'_>], encoder: &mut Encoder<'_>) -> fmt::Result {
        match &self.users.label {
            UserLabel::Plain => {
                let series = sites.iter().flat_map(|site| {
                    site.users.series().map(|series| {
                        let [site, proxy, virtual_proxy] = labels(site.snapshot, series.pair);
                        ([site, proxy, virtual_proxy, series.user.directory, series.user.id], series.sessions)
                    })
                });
                encoder.gauge(&metric::USER_SESSIONS, series)
            }
            UserLabel::Hashed(key) => {
                let hashes: Vec<_> = sites.iter().map(|site| Hashes::new(&site.users, key)).collect();
                let series = sites.iter().zip(&hashes).flat_map(|(site, hashes)| {
                    site.users.series().map(|series| {
                        let [site, proxy, virtual_proxy] = labels(site.snapshot, series.pair);
                        ([site, proxy, virtual_proxy, hashes.get(series.index)], series.sessions)
                    })
                });
                encoder.gauge_with(&metric::USER_SESSIONS, HASHED_LABELS, series)
            }
            UserLabel::Off => Ok(()),
        }
    }

    /// Writes the results of the queries of each pair.
    fn encode_queries(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let up = self.pairs().map(|(labels, pair)| (labels, u32::from(pair.tally().is_some())));
        encoder.gauge(&metric::PROXY_UP, up)?;
        let last_successes = self
            .pairs()
            .filter_map(|(labels, pair)| Some((labels, unix_seconds(pair.history.last_success?))));
        encoder.gauge(&metric::PROXY_LAST_SUCCESS, last_successes)?;
        let durations = self
            .pairs()
            .filter_map(|(labels, pair)| Some((labels, pair.history.last_duration?.as_secs_f64())));
        encoder.gauge(&metric::PROXY_QUERY_DURATION, durations)?;
        encoder.counter(&metric::PROXY_QUERIES, self.counters(|counters| counters.queries))?;
        let failures = self.pairs().flat_map(|([site, proxy, virtual_proxy], pair)| {
            let counts = Reason::ALL.iter().zip(pair.history.counters.failures);
            counts.map(move |(reason, count)| ([site, proxy, virtual_proxy, reason.as_str()], count))
        });
        encoder.counter(&metric::PROXY_QUERY_FAILURES, failures)?;
        encoder.counter(&metric::PROXY_SESSIONS_STARTED, self.counters(|counters| counters.started))?;
        encoder.counter(&metric::PROXY_SESSIONS_ENDED, self.counters(|counters| counters.ended))
    }

    /// Writes the proxy services and virtual proxies of each site.
    fn encode_topology(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let ports: Vec<_> = self.proxies().map(|(_, proxy)| proxy.port.to_string()).collect();
        let addresses = self.proxies().zip(&ports);
        let addresses = addresses.map(|((site, proxy), port)| [site, &proxy.name, &proxy.host, port]);
        encoder.info(&metric::PROXY_INFO, addresses)?;
        let info = self
            .virtual_proxies()
            .map(|(site, vp)| [site, vp.virtual_proxy.path(), &*vp.description, &*vp.session_cookie_header]);
        encoder.info(&metric::VIRTUAL_PROXY_INFO, info)?;
        let linked =
            self.virtual_proxies().map(|(site, vp)| ([site, vp.virtual_proxy.path()], vp.linked as u64));
        encoder.gauge(&metric::VIRTUAL_PROXY_LINKED_PROXIES, linked)?;
        let timeouts = self.virtual_proxies().filter_map(|(site, vp)| {
            Some(([site, vp.virtual_proxy.path()], vp.inactivity_timeout?.as_secs()))
        });
        encoder.gauge(&metric::VIRTUAL_PROXY_INACTIVITY_TIMEOUT, timeouts)
    }

    /// Writes the results of each repository's discovery.
    fn encode_repositories(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let versions =
            self.snapshots.iter().filter_map(|site| Some([&*site.name, site.topology.version.as_deref()?]));
        encoder.info(&metric::REPOSITORY_INFO, versions)?;
        let up = self.discoveries().map(|(site, discovery)| ([site], u32::from(discovery.up)));
        encoder.gauge(&metric::REPOSITORY_UP, up)?;
        let last_successes = self
            .discoveries()
            .filter_map(|(site, discovery)| Some(([site], unix_seconds(discovery.last_success?))));
        encoder.gauge(&metric::REPOSITORY_LAST_SUCCESS, last_successes)
    }

    fn encode_certificates(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let expiries = self.snapshots.iter().flat_map(|site| {
            site.expiries.iter().map(|expiry| {
                let labels = [Some(&*site.name), Some(expiry.certificate), expiry.proxy.as_deref()];
                (labels.into_iter().flatten().collect::<Vec<_>>(), expiry.not_after)
            })
        });
        encoder.gauge(&metric::CERTIFICATE_EXPIRY, expiries)
    }

    /// Returns every pair with its labels.
    fn pairs(&self) -> impl Iterator<Item = ([&str; 3], &PairSnapshot)> {
        self.snapshots.iter().flat_map(|site| site.pairs.iter().map(|pair| (labels(site, pair), pair)))
    }

    /// Returns a count of each pair that answered.
    fn tallies(&self, count: impl Fn(&Tally) -> u64) -> impl Iterator<Item = ([&str; 3], u64)> {
        self.pairs().filter_map(move |(labels, pair)| Some((labels, count(pair.tally()?))))
    }

    /// Returns one of the counters of each pair.
    fn counters(&self, count: impl Fn(&Counters) -> u64) -> impl Iterator<Item = ([&str; 3], u64)> {
        self.pairs().map(move |(labels, pair)| (labels, count(&pair.history.counters)))
    }

    /// Returns every proxy service with the name of its site.
    fn proxies(&self) -> impl Iterator<Item = (&str, &ProxyPlan)> {
        self.snapshots.iter().flat_map(|site| site.topology.proxies.iter().map(|proxy| (&*site.name, proxy)))
    }

    /// Returns every virtual proxy with the name of its site.
    fn virtual_proxies(&self) -> impl Iterator<Item = (&str, &VirtualProxyPlan)> {
        self.snapshots
            .iter()
            .flat_map(|site| site.topology.virtual_proxies.iter().map(|vp| (&*site.name, vp)))
    }

    /// Returns the state of the discovery of each site with a repository, with the name of the site.
    fn discoveries(&self) -> impl Iterator<Item = (&str, &DiscoveryStatus)> {
        self.snapshots.iter().filter_map(|site| Some((&*site.name, site.discovery.as_ref()?)))
    }
}

/// Returns a count of each site.
fn per_site<'a>(
    sites: &'a [AnsweredSite<'a>],
    count: impl Fn(&SiteUsers<'a>) -> u64,
) -> impl Iterator<Item = ([&'a str; 1], u64)> {
    sites.iter().map(move |site| ([&*site.snapshot.name], count(&site.users)))
}

fn labels<'a>(site: &'a SiteSnapshot, pair: &'a PairSnapshot) -> [&'a str; 3] {
    [&site.name, &pair.proxy.name, pair.virtual_proxy.path()]
}

/// Returns a Unix time in seconds, to the millisecond.
pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1000.0)
}
