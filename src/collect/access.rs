//! With what a site's services are asked.

use std::num::NonZeroUsize;

use super::tally::{Counting, SessionIds, Tally};
use crate::config::{self, ScrapeSettings, SiteSettings};
use crate::site::diagnosis::{Circumstances, Diagnosis, Service};
use qlik_sense::client::ClientError;
use qlik_sense::session_list::Counted;
use qlik_sense::{Client, Limits, QueryError, UserKey, VirtualProxy, qps};

/// With what a site's services are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub settings: SiteSettings,
    pub limits: Limits,
    /// How many requests may be in flight to one proxy service.
    pub at_once: NonZeroUsize,
}

impl Access {
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Self {
        let at_once = scrape.max_requests_per_proxy;
        let limits = Limits {
            timeout: scrape.request_timeout,
            response_size: scrape.max_response_size,
            connections: at_once.get(),
        };
        Self { settings: settings.clone(), limits, at_once }
    }

    /// Whether connections made with `other` serve as well.
    pub fn connects_like(&self, other: &Self) -> bool {
        let (own, others) = (&self.settings, &other.settings);
        (&own.credentials, &own.user) == (&others.credentials, &others.user)
            && (self.limits, self.at_once) == (other.limits, other.at_once)
    }

    pub fn endpoint(&self, url: &url::Url) -> Result<Client, ClientError> {
        Client::new(url, &self.settings.credentials, &self.settings.user, self.limits)
    }

    /// What a failed query to one of the site's services means.
    pub fn diagnose(&self, endpoint: &Client, service: Service, error: &QueryError) -> Diagnosis {
        let SiteSettings { by_flags, user, credentials, .. } = &self.settings;
        let flag = by_flags.then_some(config::flag as fn(&str) -> String);
        Circumstances::of(endpoint, service, user, credentials, flag).diagnose(error)
    }
}

/// Asks once, and counts the sessions of a virtual proxy with `counting` while they arrive.
pub async fn count(
    endpoint: &Client,
    virtual_proxy: &VirtualProxy,
    mut counting: Counting,
) -> Result<(Tally, SessionIds), QueryError> {
    qps::list_sessions::<Counted>(endpoint, virtual_proxy, |session| {
        let user = UserKey { directory: &session.user_directory, id: &session.user_id };
        counting.add(user, &session.session_id);
    })
    .await?;
    Ok(counting.finish())
}
