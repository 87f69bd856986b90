//! The steps about proxy services: every pair is asked once, all at the same time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::Semaphore;

use super::report::{Facts, Status, Step, counted};
use super::site::{Site, milliseconds};
use crate::collect::tally::{Counting, SessionIds, Tally};
use crate::collect::topology::{ProxyPlan, Topology};
use crate::qlik::diagnosis::Service;
use crate::qlik::endpoint::EndpointError;
use crate::qlik::{Endpoint, QueryError, Reason, UserKey, VirtualProxy, qps};

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
    /// All proxies at once, told in the order of their names.
    pub(super) async fn proxies(&mut self, topology: &Topology) -> io::Result<()> {
        if topology.asks_nothing() {
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
        let mut listed = Vec::new();
        for proxy in &proxies {
            listed.push((proxy.plan, self.proxy(proxy, &mut answers).await?));
        }
        self.listed_by_two(&listed)
    }

    /// The answers of one proxy service, which come next. The hashes of the sessions that it lists.
    async fn proxy<A: Future<Output = Answer>>(
        &mut self,
        proxy: &Proxy<'_>,
        answers: &mut FuturesOrdered<A>,
    ) -> io::Result<HashSet<u64>> {
        let Proxy { plan, endpoint, .. } = proxy;
        let target = format!("{} ({})", plan.name, plan.address());
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
        self.listed_twice(plan, &listed)?;
        Ok(listed.iter().flat_map(|(_, ids)| ids.hashes()).collect())
    }

    /// Sessions are a proxy service's own: two that list the same ones are one with two addresses.
    fn listed_by_two(&mut self, listed: &[(&ProxyPlan, HashSet<u64>)]) -> io::Result<()> {
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut both: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (index, (_, ids)) in listed.iter().enumerate() {
            for hash in ids {
                let before = *first.entry(*hash).or_insert(index);
                if before != index {
                    *both.entry((before, index)).or_default() += 1;
                }
            }
        }
        for ((one, other), sessions) in both {
            let (Some((one, _)), Some((other, _))) = (listed.get(one), listed.get(other)) else { continue };
            let message = format!(
                "{} listed by {} ({}) and by {} ({}) too: counted twice",
                counted(usize::try_from(sessions).unwrap_or(usize::MAX), "session"),
                one.name,
                one.address(),
                other.name,
                other.address(),
            );
            let facts =
                Facts { proxy: Some(other.name.clone()), sessions: Some(sessions), ..Facts::default() };
            let advice = "Are these one proxy service under two addresses? Its sessions count twice: leave one \
                          section out, or give it the proxy service's name in the repository.";
            self.add(
                Step::new("sessions", &*other.name, Status::Warning, message).advise(advice).with(facts),
            )?;
        }
        Ok(())
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
