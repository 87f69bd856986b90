//! The steps of one site: certificates, repository, then every pair.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::report::{Facts, Report, Status, Step, counted};
use crate::collect::topology::Topology;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::qlik::diagnosis::{Circumstances, Service};
use crate::qlik::endpoint::EndpointError;
use crate::qlik::qrs::{self, Found};
use crate::qlik::{Endpoint, Limits, QueryError};

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
    // Of a repository that failed all is said: what it would have found is not known.
    if found.is_some() || settings.repository.is_none() || !topology.asks_nothing() {
        site.proxies(&topology).await?;
    }
    site.unlinked(&topology)
}

pub(super) struct Site<'a, 'w, W> {
    pub(super) settings: &'a SiteSettings,
    pub(super) scrape: &'a ScrapeSettings,
    report: &'a mut Report<'w, W>,
}

impl<W: Write> Site<'_, '_, W> {
    pub(super) fn add(&mut self, step: Step) -> io::Result<()> {
        self.report.add(step.of_site(&self.settings.name))
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

    pub(super) fn failed(
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

    pub(super) fn endpoint(&self, url: &url::Url, connections: usize) -> Result<Endpoint, EndpointError> {
        let limits = Limits {
            timeout: self.scrape.request_timeout,
            response_size: self.scrape.max_response_size,
            connections,
        };
        Endpoint::new(url, &self.settings.credentials, &self.settings.user, limits)
    }
}

fn shown(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
