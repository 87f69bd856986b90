//! The checked settings, as plain values for the rest of the program.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use url::Url;

use super::key_path::KeyPath;
use super::patterns::{Exclusion, VirtualProxyFilter};
use qlik_sense::credentials::Credentials;
use qlik_sense::{QlikUser, VirtualProxy};

/// Everything that file, environment and flags set, with no error in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that was read, as messages name it; empty when there was none.
    pub file: String,
    /// Where the web server listens; at least one. Port 0 is one of the system's choice.
    pub listen_addresses: Vec<SocketAddr>,
    pub web: WebSettings,
    pub log: LogSettings,
    pub scrape: ScrapeSettings,
    pub users: UserSettings,
    /// At least one, in the order of their names.
    pub sites: Vec<SiteSettings>,
    /// What is no error but worth a look: an unknown variable, an expired certificate. One line each, to be logged by
    /// the caller.
    pub warnings: Vec<String>,
}

impl Config {
    /// Returns the warnings, those about other sites left out.
    pub fn warnings_about(&self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let others = self.sites.iter().filter(|site| !is_wanted(&site.name));
        let others: Vec<String> =
            others.map(|site| format!("{}.", KeyPath::from_iter(["site", &site.name]))).collect();
        let warnings = self.warnings.iter().map(String::as_str);
        warnings.filter(move |warning| !others.iter().any(|site| warning.starts_with(site.as_str())))
    }
}

/// The web server. In effect until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSettings {
    /// The path of the metrics of all sites.
    pub telemetry_path: String,
    /// Whether `POST /-/reload` is allowed.
    pub enable_lifecycle: bool,
}

/// The log. In effect until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub level: LogLevel,
    pub format: LogFormat,
    /// None: standard error.
    pub file: Option<LogFile>,
}

/// The file that the log is appended to.
#[derive(Debug, Clone)]
pub struct LogFile {
    pub path: PathBuf,
    /// The setting that names it, for the message when it cannot be opened.
    pub named_by: String,
}

/// Two are the same where the path is: the line of the setting does not matter.
impl PartialEq for LogFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for LogFile {}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How each log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// How proxy services are queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeSettings {
    /// How long an answer, good or failed, is reused; zero: only by scrapes that wait for it.
    pub cache_ttl: Duration,
    /// One request, from connect to last byte.
    pub request_timeout: Duration,
    /// Taken off Prometheus' own scrape timeout.
    pub timeout_offset: Duration,
    /// Requests in flight to one proxy service.
    pub max_requests_per_proxy: NonZeroUsize,
    /// In bytes.
    pub max_response_size: u64,
}

/// How users are shown and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    pub label: UserLabel,
    /// How many sessions Qlik lets one user have.
    pub session_limit: NonZeroU32,
    /// Only users with at least so many sessions on the site get series.
    pub min_sessions: NonZeroU32,
    /// Per-user series of one site.
    pub max_series: usize,
    pub exclude: Vec<Exclusion>,
}

/// How a user is named in series, logs and pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserLabel {
    Plain,
    Hashed(HashKey),
    Off,
}

/// The key of the hash over users: a file's bytes less one line end.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(Arc<[u8]>);

impl HashKey {
    /// `key` is the file's content already less its line end.
    pub fn new(key: impl Into<Arc<[u8]>>) -> Self {
        Self(key.into())
    }

    /// The key; never empty.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// One Qlik Sense site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSettings {
    /// The `site` label.
    pub name: String,
    /// Whether it is given by flags, for messages that name a setting.
    pub by_flags: bool,
    /// The user in whose name Qlik is queried.
    pub user: QlikUser,
    pub credentials: Arc<Credentials>,
    /// Where proxies and virtual proxies are discovered; None: only those of `proxies`.
    pub repository: Option<RepositorySettings>,
    /// Which virtual proxies are queried, of those configured and of those found.
    pub virtual_proxies: VirtualProxyFilter,
    /// In the order of their names.
    pub proxies: Vec<ProxySettings>,
}

/// A site's repository service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySettings {
    /// `https`, host and port; nothing else. `Url::port_or_known_default` gives the port.
    pub url: Url,
    /// How often it is queried.
    pub refresh: Duration,
}

/// One proxy service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// The `proxy` label; with a repository also the name or host of a found proxy service.
    pub name: String,
    /// `https`, host and port; nothing else. `Url::port_or_known_default` gives the port. None only
    /// with a repository: that of the proxy service found by this name.
    pub url: Option<Url>,
    /// Which virtual proxies it serves, each once; None: those found, and the default one where nothing can
    /// be found.
    pub virtual_proxies: Option<Vec<VirtualProxy>>,
}
