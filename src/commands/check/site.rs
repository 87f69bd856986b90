//! The steps of one site: certificates, repository, then every pair.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::{Facts, Report, Status, Step};
use crate::collect::access::Access;
use crate::collect::topology::Topology;
use crate::commands::counted;
use crate::config::{ScrapeSettings, SiteSettings};
use crate::sessions::Failure;
use crate::site::diagnosis::Service;
use qlik_sense::Reason;
use qlik_sense::qrs::{self, Found};

/// Looks at everything of a site.
pub async fn check(
    settings: &SiteSettings,
    scrape: &ScrapeSettings,
    report: &mut Report<'_, impl Write>,
) -> io::Result<()> {
    let access = Arc::new(Access::new(settings, scrape));
    let mut site = Site { settings, access, report };
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
    pub(super) access: Arc<Access>,
    report: &'a mut Report<'w, W>,
}

impl<W: Write> Site<'_, '_, W> {
    pub(super) fn add(&mut self, step: Step) -> io::Result<()> {
        self.report.add(step.of_site(&self.settings.name))
    }

    async fn repository(&mut self) -> io::Result<Option<Found>> {
        let Some(repository) = &self.settings.repository else { return Ok(None) };
        let target = shown(&repository.url);
        let endpoint = match self.access.endpoint(&repository.url) {
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
                let diagnosis = self.access.diagnose(&endpoint, Service::Repository, &error);
                self.failed(step.with(facts), Failure::new(&error, diagnosis))?;
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
                let advice = format!(
                    "Every site has both. The repository leaves out, without an error, what the user {} may not \
                     read: give that user a role such as RootAdmin.",
                    self.settings.user.key()
                );
                Step { status: Status::Warning, ..step }.advise(advice)
            }
        })?;
        self.server_certificate("repository", &endpoint, None)?;
        Ok(Some(found))
    }

    pub(super) fn failed(&mut self, step: Step, failure: Failure) -> io::Result<()> {
        let facts = Facts { reason: failure.reason().map(Reason::as_str), ..step.facts.clone() };
        let step = Step { status: Status::Failed, message: failure.message, ..step };
        self.add(step.advise(failure.advice).with(facts))
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
}

fn shown(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
