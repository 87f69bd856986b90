//! The steps of one site: certificates, repository, then every pair.

use std::collections::HashMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::Semaphore;

use super::report::{Facts, Report, Status, Step, counted};
use crate::collect::tally::{Counting, SessionIds, Tally};
use crate::collect::topology::{ProxyPlan, Topology};
use crate::config::{ScrapeSettings, SiteSettings};
use crate::qlik::credentials::{self, CertificateFacts, day};
use crate::qlik::diagnosis::{Circumstances, Service};
use crate::qlik::endpoint::EndpointError;
use crate::qlik::qrs::{self, Found};
use crate::qlik::{Endpoint, Limits, QueryError, Reason, UserKey, VirtualProxy, qps};

/// From how many days on a certificate's end is worth a word.
const SOON: i64 = 30;

/// The repository's requests at once: its lists and its version.
const REPOSITORY_REQUESTS: usize = 3;

/// Looks at everything of a site.
pub async fn check(
    settings: &SiteSettings,
    scrape: &ScrapeSettings,
    report: &mut Report<'_, impl Write>,
) -> io::Result<()> {
    let mut site = Site { settings, scrape, report };
    site.certificates()?;
    let found = site.repository().await?;
    let topology = Topology::new(settings, found.as_ref());
    for note in &topology.notes {
        site.add(Step::new("discovery", "", Status::Warning, note.to_string()))?;
    }
    site.proxies(&topology).await?;
    site.unlinked(&topology)
}

struct Site<'a, 'w, W> {
    settings: &'a SiteSettings,
    scrape: &'a ScrapeSettings,
    report: &'a mut Report<'w, W>,
}

/// One proxy service while it is asked.
struct Proxy<'a> {
    plan: &'a ProxyPlan,
    endpoint: Result<Endpoint, EndpointError>,
    /// As many permits as requests may be in flight.
    gate: Semaphore,
}

/// What one pair answered.
struct Answer {
    took: Duration,
    outcome: Result<(Tally, SessionIds), Failure>,
}

enum Failure {
    Query(QueryError),
    /// Nothing was asked; the proxy's own step has said why.
    NoEndpoint,
}

impl<W: Write> Site<'_, '_, W> {
    fn add(&mut self, step: Step) -> io::Result<()> {
        self.report.add(step.of_site(&self.settings.name))
    }

    /// Our own ones. That the key fits is known: the configuration would not have been read otherwise.
    fn certificates(&mut self) -> io::Result<()> {
        let credentials = &self.settings.credentials;
        let client = credentials.client_facts();
        let mut step = certificate("client", client, ", its key fits");
        if step.status != Status::Failed && credentials.is_foreign() {
            step.status = Status::Failed;
            step.message += &format!("; its CA {:?} is not the one of this site's ca file", client.issuer);
            step = step.advise(
                "Export client.pem, client_key.pem and root.pem together from the management console of this \
                 site.",
            );
        }
        self.add(step)?;
        for ca in credentials.ca_facts() {
            self.add(certificate("ca", ca, ""))?;
        }
        Ok(())
    }

    async fn repository(&mut self) -> io::Result<Option<Found>> {
        let Some(repository) = &self.settings.repository else { return Ok(None) };
        let target = shown(&repository.url);
        let endpoint = match self.endpoint(&repository.url, REPOSITORY_REQUESTS) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.add(Step::new("repository", target, Status::Failed, error.to_string()))?;
                return Ok(None);
            }
        };
        let begun = Instant::now();
        let outcome = qrs::discover(&endpoint).await;
        let took = milliseconds(begun.elapsed());
        let milliseconds = Some(took);
        let found = match outcome {
            Ok(found) => found,
            Err(error) => {
                let step = Step::new("repository", target, Status::Failed, "");
                let facts = Facts { milliseconds, ..Facts::default() };
                self.failed(step.with(facts), &endpoint, Service::Repository, &error)?;
                return Ok(None);
            }
        };
        let (proxies, virtual_proxies) = (found.proxy_services.len(), found.virtual_proxies.len());
        let message = format!(
            "version {}, {}, {}, {} ms",
            found.version.as_deref().unwrap_or("not told"),
            counted(proxies, "proxy service"),
            counted(virtual_proxies, "virtual proxy"),
            took,
        );
        let facts = Facts {
            milliseconds,
            version: found.version.clone(),
            proxy_services: Some(proxies),
            virtual_proxies: Some(virtual_proxies),
            ..Facts::default()
        };
        let step = Step::new("repository", target, Status::Ok, message).with(facts);
        self.add(match (proxies, virtual_proxies) {
            (1.., 1..) => step,
            _ => {
                let user = &self.settings.user;
                let advice = format!(
                    "Every site has both. The repository leaves out, without an error, what the user {}\\{} may \
                     not read: give that user a role such as RootAdmin.",
                    user.directory, user.id
                );
                Step { status: Status::Warning, ..step }.advise(advice)
            }
        })?;
        self.server_certificate("repository", &endpoint, None)?;
        Ok(Some(found))
    }

    /// All proxies at once, told in the order of their names.
    async fn proxies(&mut self, topology: &Topology) -> io::Result<()> {
        if topology.proxies.iter().all(|plan| plan.virtual_proxies.is_empty()) {
            let step = Step::new("proxy", "", Status::Failed, "there is nothing to ask on this site");
            return self.add(step.advise(match &self.settings.repository {
                Some(_) => {
                    "Do the proxy services link virtual proxies, and do virtual_proxies and \
                     exclude_virtual_proxies leave any? Sections [site.NAME.proxy.NAME] with a url need no \
                     repository."
                }
                None => "Add a section [site.NAME.proxy.NAME] with a url.",
            }));
        }
        let at_once = self.scrape.max_requests_per_proxy;
        let proxies: Vec<Proxy<'_>> = topology
            .proxies
            .iter()
            .map(|plan| Proxy {
                plan,
                endpoint: self.endpoint(&plan.url, at_once.get()),
                gate: gate(at_once),
            })
            .collect();
        let mut answers: FuturesOrdered<_> = proxies
            .iter()
            .flat_map(|proxy| {
                proxy.plan.virtual_proxies.iter().map(move |virtual_proxy| proxy.ask(virtual_proxy))
            })
            .collect();
        for proxy in &proxies {
            self.proxy(proxy, &mut answers).await?;
        }
        Ok(())
    }

    /// The answers of one proxy service, which come next.
    async fn proxy<A: Future<Output = Answer>>(
        &mut self,
        proxy: &Proxy<'_>,
        answers: &mut FuturesOrdered<A>,
    ) -> io::Result<()> {
        let Proxy { plan, endpoint, .. } = proxy;
        let target = format!("{} ({}:{})", plan.name, plan.host, plan.port);
        let facts = Facts { proxy: Some(plan.name.clone()), ..Facts::default() };
        if let Err(error) = endpoint {
            let step = Step::new("proxy", target.clone(), Status::Failed, error.to_string());
            self.add(step.with(facts.clone()))?;
        }
        if plan.virtual_proxies.is_empty() {
            let message = "nothing to ask: it links no virtual proxy that the filters admit";
            self.add(Step::new("proxy", target.clone(), Status::Ok, message).with(facts))?;
        }
        let mut listed = Vec::new();
        let mut trusted = false;
        for virtual_proxy in &plan.virtual_proxies {
            let (Some(answer), Ok(endpoint)) = (answers.next().await, endpoint) else { continue };
            let step = Step::new("proxy", format!("{target} {virtual_proxy}"), Status::Ok, "");
            let facts = Facts {
                proxy: Some(plan.name.clone()),
                virtual_proxy: Some(virtual_proxy.to_string()),
                milliseconds: Some(milliseconds(answer.took)),
                ..Facts::default()
            };
            match answer.outcome {
                Ok((tally, ids)) => {
                    trusted = true;
                    self.add(counts(step, facts, &tally, answer.took))?;
                    listed.push((virtual_proxy, ids));
                }
                Err(Failure::Query(error)) => {
                    trusted |= !matches!(error.reason(), Reason::Tls | Reason::Connect | Reason::Timeout);
                    self.failed(step.with(facts), endpoint, Service::Proxy, &error)?;
                }
                Err(Failure::NoEndpoint) => {}
            }
        }
        if let (true, Ok(endpoint)) = (trusted, endpoint) {
            self.server_certificate("proxy", endpoint, Some(plan))?;
        }
        self.listed_twice(plan, &listed)
    }

    fn failed(
        &mut self,
        step: Step,
        endpoint: &Endpoint,
        service: Service,
        error: &QueryError,
    ) -> io::Result<()> {
        let circumstances =
            Circumstances::of(endpoint, service, &self.settings.user, &self.settings.credentials);
        let diagnosis = circumstances.diagnose(error);
        let facts = Facts { reason: Some(error.reason().as_str()), ..step.facts.clone() };
        let step = Step { status: Status::Failed, message: diagnosis.message, ..step };
        self.add(step.advise(diagnosis.advice).with(facts))
    }

    /// The certificate of a server that was accepted. Of one that was not, the failure says everything.
    fn server_certificate(
        &mut self,
        whose: &'static str,
        endpoint: &Endpoint,
        plan: Option<&ProxyPlan>,
    ) -> io::Result<()> {
        let Some(der) = endpoint.server_certificate() else { return Ok(()) };
        let Ok(facts) = credentials::facts(&der) else { return Ok(()) };
        let mut step = certificate(whose, &facts, "");
        // It was accepted all the same: nothing fails yet.
        if step.status == Status::Failed {
            step.status = Status::Warning;
        }
        if let Some(plan) = plan {
            step.target = format!("{whose} {}", plan.name);
            step.facts.proxy = Some(plan.name.clone());
        }
        self.add(step)
    }

    /// Sessions listed under several prefixes would count several times.
    fn listed_twice(&mut self, plan: &ProxyPlan, listed: &[(&VirtualProxy, SessionIds)]) -> io::Result<()> {
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut twice: HashMap<(usize, usize), u64> = HashMap::new();
        for (index, (_, ids)) in listed.iter().enumerate() {
            for hash in ids.hashes() {
                let before = *first.entry(hash).or_insert(index);
                if before != index {
                    *twice.entry((before, index)).or_default() += 1;
                }
            }
        }
        let mut twice: Vec<_> = twice.into_iter().collect();
        twice.sort_unstable();
        for ((one, other), sessions) in twice {
            let (Some((one, _)), Some((other, _))) = (listed.get(one), listed.get(other)) else { continue };
            let message = format!(
                "{} listed under {one} and under {other} too: counted twice",
                counted(usize::try_from(sessions).unwrap_or(usize::MAX), "session")
            );
            let facts = Facts {
                proxy: Some(plan.name.clone()),
                virtual_proxy: Some(other.to_string()),
                sessions: Some(sessions),
                ..Facts::default()
            };
            let advice = format!(
                "This version of Qlik Sense may list the sessions of all virtual proxies under {one}: leave it \
                 out with exclude_virtual_proxies = [\"{one}\"], and tell the exporter's authors."
            );
            self.add(
                Step::new("sessions", &*plan.name, Status::Warning, message).advise(advice).with(facts),
            )?;
        }
        Ok(())
    }

    fn unlinked(&mut self, topology: &Topology) -> io::Result<()> {
        for plan in topology.virtual_proxies.iter().filter(|plan| plan.linked == 0) {
            let path = plan.virtual_proxy.to_string();
            let facts = Facts { virtual_proxy: Some(path.clone()), ..Facts::default() };
            let step = Step::new("virtual-proxy", path, Status::Warning, "no proxy service links it");
            let advice = "Nobody can log in there: link it to a proxy in the management console, or leave it \
                          out with exclude_virtual_proxies.";
            self.add(step.advise(advice).with(facts))?;
        }
        Ok(())
    }

    fn endpoint(&self, url: &url::Url, connections: usize) -> Result<Endpoint, EndpointError> {
        let limits = Limits {
            timeout: self.scrape.request_timeout,
            response_size: self.scrape.max_response_size,
            connections,
        };
        Endpoint::new(url, &self.settings.credentials, &self.settings.user, limits)
    }
}

impl Proxy<'_> {
    /// Waits for its turn and asks once.
    async fn ask(&self, virtual_proxy: &VirtualProxy) -> Answer {
        // Fails only when the gate is closed, which nobody does.
        let _turn = self.gate.acquire().await.ok();
        let begun = Instant::now();
        let outcome = match &self.endpoint {
            Ok(endpoint) => count(endpoint, virtual_proxy).await.map_err(Failure::Query),
            Err(_) => Err(Failure::NoEndpoint),
        };
        Answer { took: begun.elapsed(), outcome }
    }
}

async fn count(endpoint: &Endpoint, virtual_proxy: &VirtualProxy) -> Result<(Tally, SessionIds), QueryError> {
    let mut counting = Counting::default();
    qps::list_sessions(endpoint, virtual_proxy, |session| {
        let user = UserKey { directory: &session.user_directory, id: &session.user_id };
        counting.add(user, &session.session_id);
    })
    .await?;
    Ok(counting.finish())
}

fn gate(at_once: NonZeroUsize) -> Semaphore {
    Semaphore::new(at_once.get().min(Semaphore::MAX_PERMITS))
}

fn counts(step: Step, facts: Facts, tally: &Tally, took: Duration) -> Step {
    let sessions = usize::try_from(tally.sessions()).unwrap_or(usize::MAX);
    let anonymous = match tally.anonymous() {
        0 => String::new(),
        some => format!(" and {some} anonymous"),
    };
    let message = format!(
        "{} of {}{anonymous}, {} ms",
        counted(sessions, "session"),
        counted(tally.user_count(), "user"),
        milliseconds(took)
    );
    let facts = Facts { sessions: Some(tally.sessions()), users: Some(tally.user_count()), ..facts };
    Step { message, ..step }.with(facts)
}

fn certificate(whose: &str, facts: &CertificateFacts, more: &str) -> Step {
    let CertificateFacts { subject, not_before, not_after, .. } = facts;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let days = (not_after - now).div_euclid(86_400);
    let until = day(*not_after);
    let (status, message) = if *not_before > now {
        (Status::Failed, format!("{subject:?} is not valid before {}", day(*not_before)))
    } else if *not_after < now {
        (Status::Failed, format!("{subject:?} expired on {until}"))
    } else {
        let status = if days < SOON { Status::Warning } else { Status::Ok };
        let left = counted(usize::try_from(days).unwrap_or_default(), "day");
        (status, format!("{subject:?}, valid until {until} ({left} left){more}"))
    };
    let facts = Facts { expires: Some(*not_after), ..Facts::default() };
    let step = Step::new("certificate", whose, status, message).with(facts);
    match status {
        Status::Ok => step,
        _ => step.advise(
            "Have Qlik's management console make new ones in time (Certificates), and export them again.",
        ),
    }
}

fn shown(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
