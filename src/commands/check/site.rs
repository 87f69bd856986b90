//! The steps of one site: certificates, the repository service, then every pair.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use qlik_sense::{QueryError, Reason};

use super::report::{Facts, Report, Status, Step};
use crate::commands::counted;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::sessions::Failure;
use crate::site::topology::Topology;
use crate::site::{FoundCounts, Site};

/// Checks a site.
pub async fn check(
    settings: &SiteSettings,
    scrape: &ScrapeSettings,
    report: &mut Report<'_, impl Write>,
) -> io::Result<()> {
    let mut check = SiteCheck { settings, report };
    check.certificates()?;
    let site = match Site::new(settings, scrape) {
        Ok(site) => site,
        Err(error) => return check.add(Step::new("configuration", "", Status::Failed, error.to_string())),
    };
    let discovered = check.repository(&site).await?;
    let state = site.state();
    for note in &state.topology.notes {
        check.add(Step::new("discovery", "", Status::Warning, note.to_string()))?;
    }
    // After a failed discovery it is not known which proxy services there are.
    if discovered || settings.repository.is_none() || !state.topology.has_no_pairs() {
        check.proxies(&state).await?;
    }
    check.unlinked(&state.topology)
}

/// The steps of one site.
pub(super) struct SiteCheck<'a, 'w, W> {
    pub(super) settings: &'a SiteSettings,
    report: &'a mut Report<'w, W>,
}

impl<W: Write> SiteCheck<'_, '_, W> {
    pub(super) fn add(&mut self, step: Step) -> io::Result<()> {
        self.report.add(step.of_site(&self.settings.name))
    }

    /// Queries the repository and returns whether it answered.
    async fn repository(&mut self, site: &Site) -> io::Result<bool> {
        let Some(repository) = &self.settings.repository else { return Ok(false) };
        let begun = Instant::now();
        site.discover().await;
        let took = milliseconds(begun.elapsed());
        let target = repository.url.as_str().trim_end_matches('/');
        let step = Step::new("repository", target, Status::Ok, "");
        let facts = Facts { milliseconds: Some(took), ..Facts::default() };
        let state = site.state();
        let Some(repository) = &state.repository else { return Ok(false) };
        if let Some(error) = &repository.status().last_error {
            let failure = Failure::new(error, repository.diagnose(&state.access, error));
            if matches!(error, QueryError::NoProxyServices) {
                let step = Step { status: Status::Warning, message: failure.message, ..step };
                self.add(step.advise(failure.advice).with(facts))?;
                return Ok(true);
            }
            self.failed(step.with(facts), failure)?;
            return Ok(false);
        }
        let FoundCounts { proxy_services, virtual_proxies } = repository.found_counts().unwrap_or_default();
        let version = state.topology.version.clone();
        let message = format!(
            "version {}, {}, {}, {took} ms",
            version.as_deref().unwrap_or("unknown"),
            counted(proxy_services, "proxy service"),
            counted(virtual_proxies, "virtual proxy"),
        );
        let facts = Facts {
            version,
            proxy_services: Some(proxy_services),
            virtual_proxies: Some(virtual_proxies),
            ..facts
        };
        let step = Step { message, ..step }.with(facts);
        self.add(match virtual_proxies {
            1.. => step,
            0 => {
                let advice = format!(
                    "Every site has at least one. The repository omits, without an error, what the user {} may not \
                     read: give that user a role such as RootAdmin.",
                    self.settings.user.key()
                );
                Step { status: Status::Warning, ..step }.advise(advice)
            }
        })?;
        self.server_certificate("repository", repository.server_certificate(), None)?;
        Ok(true)
    }

    /// Adds a failed step, with the failure's message, advice and reason.
    pub(super) fn failed(&mut self, step: Step, failure: Failure) -> io::Result<()> {
        let facts = Facts { reason: failure.reason().map(Reason::as_str), ..step.facts.clone() };
        let step = Step { status: Status::Failed, message: failure.message, ..step };
        self.add(step.advise(failure.advice).with(facts))
    }

    /// Adds a warning for each virtual proxy that no proxy service links.
    fn unlinked(&mut self, topology: &Topology) -> io::Result<()> {
        for plan in topology.virtual_proxies.iter().filter(|plan| plan.linked == 0) {
            let path = plan.virtual_proxy.to_string();
            let facts = Facts { virtual_proxy: Some(path.clone()), ..Facts::default() };
            let step = Step::new("virtual-proxy", path, Status::Warning, "no proxy service links it");
            let advice = "No user can log in through it: link it to a proxy in the management console, or exclude it with \
                          exclude_virtual_proxies.";
            self.add(step.advise(advice).with(facts))?;
        }
        Ok(())
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
