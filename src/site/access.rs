//! With which settings and limits a site's services are queried.

use std::num::NonZeroUsize;
use std::sync::Arc;

use qlik_sense::client::ClientError;
use qlik_sense::credentials::{self, CertificateFacts};
use qlik_sense::{Client, Limits, QueryError};
use url::Url;

use super::diagnosis::{Circumstances, Diagnosis, Service};
use crate::config::{self, ScrapeSettings, SiteSettings};

/// The settings of a site that its queries depend on: two sites with equal ones are queried alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub settings: SiteSettings,
    pub limits: Limits,
    /// Requests in flight to one proxy service.
    pub max_requests: NonZeroUsize,
}

impl Access {
    pub fn new(settings: &SiteSettings, scrape: &ScrapeSettings) -> Self {
        let max_requests = scrape.max_requests_per_proxy;
        let limits = Limits {
            timeout: scrape.request_timeout,
            response_size: scrape.max_response_size,
            connections: max_requests.get(),
        };
        Self { settings: settings.clone(), limits, max_requests }
    }

    /// Returns whether connections made with `other` serve as well.
    pub(super) fn connects_like(&self, other: &Self) -> bool {
        self.settings.credentials == other.settings.credentials
            && self.settings.user == other.settings.user
            && self.limits == other.limits
    }

    /// Builds the client of one service, or returns that of an earlier state which serves as well.
    pub(super) fn client(
        &self,
        url: &Url,
        earlier: Option<(&Arc<Client>, &Self)>,
    ) -> Result<Arc<Client>, ClientError> {
        match earlier {
            Some((client, access)) if client.url() == url && self.connects_like(access) => Ok(client.clone()),
            _ => {
                let SiteSettings { credentials, user, .. } = &self.settings;
                Client::new(url, credentials, user, self.limits).map(Arc::new)
            }
        }
    }

    /// Returns what a failed query to one of the site's services means.
    pub fn diagnose(&self, client: &Client, service: Service, error: &QueryError) -> Diagnosis {
        let SiteSettings { by_flags, user, credentials, .. } = &self.settings;
        let flag = by_flags.then_some(config::flag as fn(&str) -> String);
        Circumstances::of(client, service, user, credentials, flag).diagnose(error)
    }
}

/// Returns the certificate that a service presented last, accepted or not; None before the first handshake.
pub(super) fn server_certificate(client: &Client) -> Option<CertificateFacts> {
    credentials::facts(&client.server_certificate()?).ok()
}
