//! The steps of the proxy services: every pair is queried once, all at the same time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesOrdered;

use super::report::{Facts, Status, Step};
use super::site::{SiteCheck, milliseconds};
use crate::collector::pair::count_sessions;
use crate::collector::tally::{Counting, SessionIds, Tally};
use crate::commands::counted;
use crate::sessions::Failure;
use crate::site::topology::ProxyPlan;
use crate::site::{ProxyClient, SiteState};
use qlik_sense::{Reason, VirtualProxy};
use tracing::Instrument;

/// The answer of one pair.
struct Counted {
    /// The time from the permit to the last byte.
    took: Duration,
    outcome: Result<(Tally, SessionIds), Failure>,
}

/// Counts the sessions of one pair.
async fn count(service: &ProxyClient, virtual_proxy: &VirtualProxy) -> Counted {
    let permit = service.permits().acquire(None).await;
    let begun = Instant::now();
    let counting = count_sessions(service, &permit, virtual_proxy, Counting::default());
    let outcome = counting.instrument(service.span(virtual_proxy)).await;
    let took = begun.elapsed();
    let outcome = outcome.map_err(|error| Failure::new(&error, service.diagnose(&error)));
    Counted { took, outcome }
}

impl<W: Write> SiteCheck<'_, '_, W> {
    /// Queries all pairs at once and adds their steps in the order of the proxy services.
    pub(super) async fn proxies(&mut self, state: &SiteState) -> io::Result<()> {
        if state.topology.has_no_pairs() {
            let step = Step::new("proxy", "", Status::Failed, "nothing to query on this site");
            return self.add(step.advise(match &self.settings.repository {
                Some(_) => {
                    "Check that the proxy services link virtual proxies, and that virtual_proxies and \
                     exclude_virtual_proxies do not exclude them all. Sections [site.NAME.proxy.NAME] with a url \
                     need no repository."
                }
                None => "Add a section [site.NAME.proxy.NAME] with a url.",
            }));
        }
        let pairs = state.proxies.iter().flat_map(|proxy| {
            proxy.plan().virtual_proxies.iter().map(|virtual_proxy| count(proxy, virtual_proxy))
        });
        let mut answers: FuturesOrdered<_> = pairs.collect();
        let mut listed = Vec::new();
        for proxy in &state.proxies {
            listed.push((&**proxy.plan(), self.proxy(proxy, &mut answers).await?));
        }
        self.listed_by_two(&listed)
    }

    /// Adds the steps of one proxy service, whose answers come next, and returns the hashes of its session ids.
    async fn proxy<A: Future<Output = Counted>>(
        &mut self,
        service: &ProxyClient,
        answers: &mut FuturesOrdered<A>,
    ) -> io::Result<HashSet<u64>> {
        let plan = service.plan();
        let target = format!("{} ({})", plan.name, plan.address());
        if plan.virtual_proxies.is_empty() {
            let message = "nothing to query: it links no virtual proxy that the filters select";
            let facts = Facts { proxy: Some(plan.name.clone()), ..Facts::default() };
            self.add(Step::new("proxy", target.clone(), Status::Ok, message).with(facts))?;
        }
        let mut listed = Vec::new();
        let mut trusted = false;
        for virtual_proxy in &plan.virtual_proxies {
            let Some(answer) = answers.next().await else { continue };
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
                Err(failure) => {
                    let untrusted = [Reason::Tls, Reason::Connect, Reason::Timeout];
                    trusted |= failure.reason().is_some_and(|reason| !untrusted.contains(&reason));
                    self.failed(step.with(facts), failure)?;
                }
            }
        }
        if trusted {
            self.server_certificate("proxy", service.server_certificate(), Some(plan))?;
        }
        self.listed_twice(plan, &listed)?;
        Ok(listed.iter().flat_map(|(_, ids)| ids.hashes()).collect())
    }

    /// Adds a warning for each two proxy services that list the same sessions: sessions belong to one proxy service, so
    /// both are probably the same one under two addresses.
    fn listed_by_two(&mut self, listed: &[(&ProxyPlan, HashSet<u64>)]) -> io::Result<()> {
        for Overlap { first, second, sessions } in overlaps(listed.iter().map(|(_, ids)| ids.iter().copied()))
        {
            let (Some((one, _)), Some((other, _))) = (listed.get(first), listed.get(second)) else {
                continue;
            };
            let message = format!(
                "{} listed by both {} ({}) and {} ({}): counted twice",
                counted(usize::try_from(sessions).unwrap_or(usize::MAX), "session"),
                one.name,
                one.address(),
                other.name,
                other.address(),
            );
            let facts =
                Facts { proxy: Some(other.name.clone()), sessions: Some(sessions), ..Facts::default() };
            let advice = "If both are the same proxy service under two addresses, remove one section, or name it \
                          as the repository does.";
            self.add(
                Step::new("sessions", &*other.name, Status::Warning, message).advise(advice).with(facts),
            )?;
        }
        Ok(())
    }

    /// Adds a warning for each two virtual proxies of a proxy service that list the same sessions.
    fn listed_twice(&mut self, plan: &ProxyPlan, listed: &[(&VirtualProxy, SessionIds)]) -> io::Result<()> {
        for Overlap { first, second, sessions } in overlaps(listed.iter().map(|(_, ids)| ids.hashes())) {
            let (Some((one, _)), Some((other, _))) = (listed.get(first), listed.get(second)) else {
                continue;
            };
            let message = format!(
                "{} listed under both {one} and {other}: counted twice",
                counted(usize::try_from(sessions).unwrap_or(usize::MAX), "session")
            );
            let facts = Facts {
                proxy: Some(plan.name.clone()),
                virtual_proxy: Some(other.to_string()),
                sessions: Some(sessions),
                ..Facts::default()
            };
            let advice = format!(
                "This version of Qlik Sense may list the sessions of all virtual proxies under {one}: exclude it with \
                 exclude_virtual_proxies = [\"{one}\"], and report it to the exporter's authors."
            );
            self.add(
                Step::new("sessions", &*plan.name, Status::Warning, message).advise(advice).with(facts),
            )?;
        }
        Ok(())
    }
}

/// Sessions that two lists have in common. `first` and `second` are the indices of the lists.
struct Overlap {
    first: usize,
    second: usize,
    sessions: u64,
}

/// Returns which of these lists of session hashes have sessions in common, in order.
fn overlaps(lists: impl Iterator<Item = impl IntoIterator<Item = u64>>) -> Vec<Overlap> {
    let mut first_list: HashMap<u64, usize> = HashMap::new();
    let mut sessions: BTreeMap<[usize; 2], u64> = BTreeMap::new();
    for (second, hashes) in lists.enumerate() {
        for hash in hashes {
            let first = *first_list.entry(hash).or_insert(second);
            if first != second {
                *sessions.entry([first, second]).or_default() += 1;
            }
        }
    }
    sessions.into_iter().map(|([first, second], sessions)| Overlap { first, second, sessions }).collect()
}

/// Completes the step of a pair that answered.
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
