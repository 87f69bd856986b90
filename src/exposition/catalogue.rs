//! Every metric's name, type, labels and help, once. README's table is held against this list.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    Counter,
    /// In the classic format a gauge of 1.
    Info,
}

/// One metric as users, dashboards and alert rules know it.
#[derive(Debug)]
pub struct Metric {
    /// The name of its series, with `_total` or `_info`.
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    /// What is counted, where it comes from and whether the cache applies. One line: OpenMetrics
    /// knows no line breaks here.
    pub help: &'static str,
}

const SITE: &[&str] = &["site"];
const PAIR: &[&str] = &["site", "proxy", "virtual_proxy"];

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn info(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Info, labels, help }
}

pub static PROXY_SESSIONS: Metric = gauge(
    "qlik_proxy_sessions",
    PAIR,
    "Sessions open on this virtual proxy of this proxy service, everyone counted, as the proxy service lists them; at most cache_ttl old. A closed browser's session counts until it times out.",
);
pub static PROXY_USERS: Metric = gauge(
    "qlik_proxy_users",
    PAIR,
    "Distinct users with a session on this virtual proxy of this proxy service, as the proxy service lists them, anonymous ones aside; at most cache_ttl old.",
);
pub static PROXY_ANONYMOUS_SESSIONS: Metric = gauge(
    "qlik_proxy_anonymous_sessions",
    PAIR,
    "Sessions of anonymous users (directory NONE) on this virtual proxy of this proxy service, as the proxy service lists them; at most cache_ttl old.",
);
pub static USER_SESSIONS: Metric = gauge(
    "qlik_user_sessions",
    &["site", "proxy", "virtual_proxy", "user_directory", "user_id"],
    "Sessions of one user on this virtual proxy of this proxy service, as the proxy service lists them; at most cache_ttl old. Which users have a series: users.min_sessions, users.max_series, users.exclude.",
);
pub static SITE_USERS: Metric = gauge(
    "qlik_site_users",
    SITE,
    "Distinct users with a session anywhere on the site, anonymous ones aside, over the proxy services that answered; at most cache_ttl old.",
);
pub static SITE_USERS_WITH_SESSIONS: Metric = gauge(
    "qlik_site_users_with_sessions",
    &["site", "at_least"],
    "Users with at least so many sessions, summed over the site's proxy services that answered, users.exclude left out; at most cache_ttl old.",
);
pub static SITE_USERS_AT_SESSION_LIMIT: Metric = gauge(
    "qlik_site_users_at_session_limit",
    SITE,
    "Users who have reached users.session_limit, summed over the site's proxy services that answered; at most cache_ttl old. A close approximation: Qlik itself decides by the use of licences when it refuses a login.",
);
pub static SITE_USERS_UNLISTED: Metric = gauge(
    "qlik_site_users_unlisted",
    SITE,
    "Users left out of qlik_user_sessions because of users.max_series; the users with most sessions are listed first.",
);
pub static USER_SESSION_LIMIT: Metric = gauge(
    "qlik_user_session_limit",
    SITE,
    "Parallel sessions a user may have on the site, as configured (users.session_limit); Qlik's own limit is 5.",
);
pub static PROXY_UP: Metric = gauge(
    "qlik_proxy_up",
    PAIR,
    "1 when the answer that this scrape used was good: asked for now, or kept no longer than cache_ttl; 0 when the proxy service failed or did not answer in time.",
);
pub static PROXY_LAST_SUCCESS: Metric = gauge(
    "qlik_proxy_last_success_timestamp_seconds",
    PAIR,
    "When the last good answer of the proxy service came, in seconds since 1970; absent before the first.",
);
pub static PROXY_QUERY_DURATION: Metric = gauge(
    "qlik_proxy_query_duration_seconds",
    PAIR,
    "How long the last query to the proxy service took, from connect to last byte, failed ones included.",
);
pub static PROXY_QUERIES: Metric = counter(
    "qlik_proxy_queries_total",
    PAIR,
    "Queries begun to the proxy service, connected or not; answers from the cache are none.",
);
pub static PROXY_QUERY_FAILURES: Metric = counter(
    "qlik_proxy_query_failures_total",
    &["site", "proxy", "virtual_proxy", "reason"],
    "Queries to the proxy service that brought no answer to count, by reason: connect, tls, timeout, http_status, denied, decode, too_large.",
);
pub static PROXY_SESSIONS_STARTED: Metric = counter(
    "qlik_proxy_sessions_started_total",
    PAIR,
    "Sessions seen to appear between two good answers of the proxy service; the first answer is the baseline. Sessions that come and go between two answers are not seen.",
);
pub static PROXY_SESSIONS_ENDED: Metric = counter(
    "qlik_proxy_sessions_ended_total",
    PAIR,
    "Sessions seen to disappear between two good answers of the proxy service.",
);
pub static PROXY_INFO: Metric = info(
    "qlik_proxy_info",
    &["site", "proxy", "host", "port"],
    "Address of a proxy service's own interface (QPS).",
);
pub static REPOSITORY_INFO: Metric = info(
    "qlik_repository_info",
    &["site", "version"],
    "Version of the site's repository service, as it said at the last discovery.",
);
pub static VIRTUAL_PROXY_INFO: Metric = info(
    "qlik_virtual_proxy_info",
    &["site", "virtual_proxy", "description", "session_cookie_header"],
    "Description and session cookie of a virtual proxy, as the repository said at the last discovery.",
);
pub static VIRTUAL_PROXY_LINKED_PROXIES: Metric = gauge(
    "qlik_virtual_proxy_linked_proxies",
    &["site", "virtual_proxy"],
    "Proxy services that link this virtual proxy, as the repository said at the last discovery; 0: nobody can use it.",
);
pub static VIRTUAL_PROXY_INACTIVITY_TIMEOUT: Metric = gauge(
    "qlik_virtual_proxy_inactivity_timeout_seconds",
    &["site", "virtual_proxy"],
    "After how long without activity a session of this virtual proxy ends, as the repository said at the last discovery.",
);
pub static REPOSITORY_UP: Metric = gauge(
    "qlik_repository_up",
    SITE,
    "1 when the last discovery (asking the repository service for proxy services and virtual proxies) worked; when 0, what it said before stays in force.",
);
pub static REPOSITORY_LAST_SUCCESS: Metric = gauge(
    "qlik_repository_last_success_timestamp_seconds",
    SITE,
    "When the last discovery that worked ended, in seconds since 1970; absent before the first.",
);
pub static CERTIFICATE_EXPIRY: Metric = gauge(
    "qlik_certificate_expiry_timestamp_seconds",
    &["site", "certificate", "proxy"],
    "When a certificate expires, in seconds since 1970: client and ca from their files, proxy and repository as seen in the last TLS handshake (ports 4243 and 4242, not the browsers' one).",
);
pub static CACHE_REQUESTS: Metric = counter(
    "qlik_session_exporter_cache_requests_total",
    &[],
    "Answers of proxy services that scrapes wanted.",
);
pub static CACHE_HITS: Metric = counter(
    "qlik_session_exporter_cache_hits_total",
    &[],
    "Answers that were kept from an earlier query; waiting for a query under way is no hit.",
);
pub static BUILD_INFO: Metric = info(
    "qlik_session_exporter_build_info",
    &["version", "revision", "rustc_version"],
    "The exporter's version, the revision of its source and the compiler that built it.",
);
pub static CONFIG_LAST_RELOAD_SUCCESSFUL: Metric = gauge(
    "qlik_session_exporter_config_last_reload_successful",
    &[],
    "1 when the configuration was good when it was read last, at the start included.",
);
pub static CONFIG_LAST_RELOAD_SUCCESS: Metric = gauge(
    "qlik_session_exporter_config_last_reload_success_timestamp_seconds",
    &[],
    "When the configuration in force was read, in seconds since 1970.",
);
pub static PROCESS_CPU: Metric = counter(
    "process_cpu_seconds_total",
    &[],
    "User and system CPU time of the exporter's process, as the operating system counts it.",
);
pub static PROCESS_RESIDENT_MEMORY: Metric = gauge(
    "process_resident_memory_bytes",
    &[],
    "Memory of the exporter's process that is in RAM, as the operating system counts it.",
);
pub static PROCESS_VIRTUAL_MEMORY: Metric = gauge(
    "process_virtual_memory_bytes",
    &[],
    "Address space of the exporter's process, as the operating system counts it.",
);
pub static PROCESS_START_TIME: Metric =
    gauge("process_start_time_seconds", &[], "When the exporter's process started, in seconds since 1970.");
pub static PROCESS_OPEN_FDS: Metric =
    gauge("process_open_fds", &[], "File descriptors (handles) that the exporter's process has open.");
pub static PROCESS_MAX_FDS: Metric =
    gauge("process_max_fds", &[], "File descriptors (handles) that the exporter's process may have open.");

/// Every metric, in the order of the README's table.
pub static ALL: &[&Metric] = &[
    &PROXY_SESSIONS,
    &PROXY_USERS,
    &PROXY_ANONYMOUS_SESSIONS,
    &USER_SESSIONS,
    &SITE_USERS,
    &SITE_USERS_WITH_SESSIONS,
    &SITE_USERS_AT_SESSION_LIMIT,
    &SITE_USERS_UNLISTED,
    &USER_SESSION_LIMIT,
    &PROXY_UP,
    &PROXY_LAST_SUCCESS,
    &PROXY_QUERY_DURATION,
    &PROXY_QUERIES,
    &PROXY_QUERY_FAILURES,
    &PROXY_SESSIONS_STARTED,
    &PROXY_SESSIONS_ENDED,
    &PROXY_INFO,
    &REPOSITORY_INFO,
    &VIRTUAL_PROXY_INFO,
    &VIRTUAL_PROXY_LINKED_PROXIES,
    &VIRTUAL_PROXY_INACTIVITY_TIMEOUT,
    &REPOSITORY_UP,
    &REPOSITORY_LAST_SUCCESS,
    &CERTIFICATE_EXPIRY,
    &CACHE_REQUESTS,
    &CACHE_HITS,
    &BUILD_INFO,
    &CONFIG_LAST_RELOAD_SUCCESSFUL,
    &CONFIG_LAST_RELOAD_SUCCESS,
    &PROCESS_CPU,
    &PROCESS_RESIDENT_MEMORY,
    &PROCESS_VIRTUAL_MEMORY,
    &PROCESS_START_TIME,
    &PROCESS_OPEN_FDS,
    &PROCESS_MAX_FDS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert_eq!(
                metric.kind == MetricKind::Counter,
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            assert_eq!(metric.kind == MetricKind::Info, metric.name.ends_with("_info"), "{}", metric.name);
        }
    }

    #[test]
    fn help_is_one_line_that_needs_no_escapes() {
        for metric in ALL {
            assert!(!metric.help.contains(['\n', '\\', '"']), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
