//! The metrics of Qlik sites: one snapshot per scrape, forgotten after it.

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
use qlik_sense::Reason;

/// The labels of a user's series with `label = "hashed"`: the directory would tell too much.
const HASHED_LABELS: &[&str] = &["site", "proxy", "virtual_proxy", "user_id"];

/// What one scrape found, on its way to text.
#[derive(Debug)]
pub struct Sites {
    pub snapshots: Vec<SiteSnapshot>,
    pub users: Arc<UserSettings>,
}

impl Collector for Sites {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = Encoder(encoder);
        self.encode_answers(&mut encoder)?;
        self.encode_users(&mut encoder)?;
        self.encode_queries(&mut encoder)?;
        self.encode_facts(&mut encoder)
    }
}

impl Sites {
    /// What the proxy services that answered say.
    fn encode_answers(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let answers = || self.pairs().filter_map(|(labels, pair)| Some((labels, pair.tally()?)));
        let count = |what: fn(&Tally) -> u64| answers().map(move |(labels, tally)| (labels, what(tally)));
        encoder.gauge(&metric::PROXY_SESSIONS, count(Tally::sessions))?;
        encoder.gauge(&metric::PROXY_USERS, count(|tally| tally.user_count() as u64))?;
        encoder.gauge(&metric::PROXY_ANONYMOUS_SESSIONS, count(Tally::anonymous))
    }

    /// Users by name and in sums, over the pairs that answered.
    fn encode_users(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let sites: Vec<_> = self
            .snapshots
            .iter()
            .filter_map(|site| Some((site, SiteUsers::new(&site.pairs, &self.users)?)))
            .collect();
        match &self.users.label {
            UserLabel::Plain => {
                let series = sites.iter().flat_map(|(site, users)| {
                    users.series().map(|series| {
                        let [site, proxy, virtual_proxy] = labels(site, series.pair);
                        ([site, proxy, virtual_proxy, series.user.directory, series.user.id], series.sessions)
                    })
                });
                encoder.gauge(&metric::USER_SESSIONS, series)?;
            }
            UserLabel::Hashed(key) => {
                let hashes: Vec<_> = sites.iter().map(|(_, users)| Hashes::new(users, key)).collect();
                let series = sites.iter().zip(&hashes).flat_map(|((site, users), hashes)| {
                    users.series().map(|series| {
                        let [site, proxy, virtual_proxy] = labels(site, series.pair);
                        ([site, proxy, virtual_proxy, hashes.get(series.place)], series.sessions)
                    })
                });
                encoder.gauge_with(&metric::USER_SESSIONS, HASHED_LABELS, series)?;
            }
            UserLabel::Off => {}
        }
        let sums = |what: fn(&SiteUsers<'_>) -> u64| {
            sites.iter().map(move |(site, users)| ([&*site.name], what(users)))
        };
        encoder.gauge(&metric::SITE_USERS, sums(|users| users.distinct() as u64))?;
        let numbers: Vec<_> = (1..=self.users.session_limit.get()).map(|n| n.to_string()).collect();
        let at_least = sites.iter().flat_map(|(site, users)| {
            let counts = numbers.iter().zip(&users.at_least);
            counts.map(|(number, count)| ([&*site.name, number], *count))
        });
        encoder.gauge(&metric::SITE_USERS_WITH_SESSIONS, at_least)?;
        encoder.gauge(&metric::SITE_USERS_AT_SESSION_LIMIT, sums(|users| users.at_limit()))?;
        encoder.gauge(&metric::SITE_USERS_UNLISTED, sums(|users| users.unlisted))?;
        let limit = self.users.session_limit.get();
        encoder.gauge(&metric::USER_SESSION_LIMIT, self.snapshots.iter().map(|site| ([&*site.name], limit)))
    }

    /// How asking went.
    fn encode_queries(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let up = |pair: &PairSnapshot| u32::from(pair.tally().is_some());
        encoder.gauge(&metric::PROXY_UP, self.pairs().map(|(labels, pair)| (labels, up(pair))))?;
        let last_success = |(labels, pair): ([_; 3], &PairSnapshot)| {
            Some((labels, unix_seconds(pair.history.last_success?)))
        };
        encoder.gauge(&metric::PROXY_LAST_SUCCESS, self.pairs().filter_map(last_success))?;
        let duration = |(labels, pair): ([_; 3], &PairSnapshot)| {
            Some((labels, pair.history.last_duration?.as_secs_f64()))
        };
        encoder.gauge(&metric::PROXY_QUERY_DURATION, self.pairs().filter_map(duration))?;
        let count = |what: fn(&Counters) -> u64| {
            self.pairs().map(move |(labels, pair)| (labels, what(&pair.history.counters)))
        };
        encoder.counter(&metric::PROXY_QUERIES, count(|counters| counters.queries))?;
        let failures = self.pairs().flat_map(|([site, proxy, virtual_proxy], pair)| {
            let counts = Reason::ALL.iter().zip(pair.history.counters.failures);
            counts.map(move |(reason, count)| ([site, proxy, virtual_proxy, reason.as_str()], count))
        });
        encoder.counter(&metric::PROXY_QUERY_FAILURES, failures)?;
        encoder.counter(&metric::PROXY_SESSIONS_STARTED, count(|counters| counters.started))?;
        encoder.counter(&metric::PROXY_SESSIONS_ENDED, count(|counters| counters.ended))
    }

    /// What is known of a site besides its sessions.
    fn encode_facts(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let sites = || self.snapshots.iter();
        let proxies: Vec<_> = sites()
            .flat_map(|site| site.topology.proxies.iter().map(|p| (&*site.name, p, p.port.to_string())))
            .collect();
        let addresses = proxies.iter().map(|(site, proxy, port)| [*site, &proxy.name, &proxy.host, port]);
        encoder.info(&metric::PROXY_INFO, addresses)?;
        let versions = sites().filter_map(|site| Some([&*site.name, site.topology.version.as_deref()?]));
        encoder.info(&metric::REPOSITORY_INFO, versions)?;
        self.encode_virtual_proxies(encoder)?;
        let repositories = || sites().filter_map(|site| Some(([&*site.name], site.discovery.as_ref()?)));
        let up = repositories().map(|(site, repository)| (site, u32::from(repository.up)));
        encoder.gauge(&metric::REPOSITORY_UP, up)?;
        let success =
            repositories().filter_map(|(site, repo)| Some((site, unix_seconds(repo.last_success?))));
        encoder.gauge(&metric::REPOSITORY_LAST_SUCCESS, success)?;
        let expiries = sites().flat_map(|site| {
            site.expiries.iter().map(|expiry| {
                let labels = [Some(&*site.name), Some(expiry.certificate), expiry.proxy.as_deref()];
                (labels.into_iter().flatten().collect::<Vec<_>>(), expiry.not_after)
            })
        });
        encoder.gauge(&metric::CERTIFICATE_EXPIRY, expiries)
    }

    fn encode_virtual_proxies(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let all = || {
            let sites = self.snapshots.iter();
            sites.flat_map(|site| site.topology.virtual_proxies.iter().map(|vp| (&*site.name, vp)))
        };
        let info = all()
            .map(|(site, vp)| [site, vp.virtual_proxy.path(), &*vp.description, &*vp.session_cookie_header]);
        encoder.info(&metric::VIRTUAL_PROXY_INFO, info)?;
        let linked = all().map(|(site, vp)| ([site, vp.virtual_proxy.path()], vp.linked as u64));
        encoder.gauge(&metric::VIRTUAL_PROXY_LINKED_PROXIES, linked)?;
        let timeouts = all().filter_map(|(site, vp)| {
            Some(([site, vp.virtual_proxy.path()], vp.inactivity_timeout?.as_secs()))
        });
        encoder.gauge(&metric::VIRTUAL_PROXY_INACTIVITY_TIMEOUT, timeouts)
    }

    fn pairs(&self) -> impl Iterator<Item = ([&str; 3], &PairSnapshot)> {
        self.snapshots.iter().flat_map(|site| site.pairs.iter().map(|pair| (labels(site, pair), pair)))
    }
}

fn labels<'a>(site: &'a SiteSnapshot, pair: &'a PairSnapshot) -> [&'a str; 3] {
    [&site.name, &pair.proxy.name, pair.virtual_proxy.path()]
}

/// With the milliseconds that a clock gives.
pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1000.0)
}
