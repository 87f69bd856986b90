//! The metrics: name, type, labels and help of each. A test compares the table of docs/metrics.md with this list.

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    Counter,
    /// An OpenMetrics info; in the classic format a gauge of 1.
    Info,
}

/// One metric as users, dashboards and alert rules know it.
#[derive(Debug)]
pub struct Metric {
    /// The name of its series, with `_total` or `_info`.
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    /// What is counted, where it comes from and whether the cache applies. One line: OpenMetrics allows no line breaks.
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
    "Open sessions on this virtual proxy of this proxy service, all users included. The session of a closed browser counts until it times out. Source: session list of the proxy service, at most cache_ttl old.",
);
pub static PROXY_USERS: Metric = gauge(
    "qlik_proxy_users",
    PAIR,
    "Distinct users with a session on this virtual proxy of this proxy service, without anonymous users. Source: session list of the proxy service, at most cache_ttl old.",
);
pub static PROXY_ANONYMOUS_SESSIONS: Metric = gauge(
    "qlik_proxy_anonymous_sessions",
    PAIR,
    "Sessions of anonymous users (directory NONE) on this virtual proxy of this proxy service. Source: session list of the proxy service, at most cache_ttl old.",
);
pub static USER_SESSIONS: Metric = gauge(
    "qlik_user_sessions",
    &["site", "proxy", "virtual_proxy", "user_directory", "user_id"],
    "Sessions of one user on this virtual proxy of this proxy service. users.min_sessions, users.max_series and users.exclude select the users. Source: session list of the proxy service, at most cache_ttl old.",
);
pub static SITE_USERS: Metric = gauge(
    "qlik_site_users",
    SITE,
    "Distinct users with a session on the site, without anonymous users. Source: session lists of the proxy services that answered, at most cache_ttl old.",
);
pub static SITE_USERS_WITH_SESSIONS: Metric = gauge(
    "qlik_site_users_with_sessions",
    &["site", "at_least"],
    "Users with at least this many sessions on the site, without those of users.exclude. Source: session lists of the proxy services that answered, at most cache_ttl old.",
);
pub static SITE_USERS_AT_SESSION_LIMIT: Metric = gauge(
    "qlik_site_users_at_session_limit",
    SITE,
    "Users with users.session_limit sessions or more on the site. A close approximation: Qlik refuses a login by its own license usage. Source: session lists of the proxy services that answered, at most cache_ttl old.",
);
pub static SITE_USERS_UNLISTED: Metric = gauge(
    "qlik_site_users_unlisted",
    SITE,
    "Users left out of qlik_user_sessions because of users.max_series. Users with the most sessions are listed first.",
);
pub static USER_SESSION_LIMIT: Metric = gauge(
    "qlik_user_session_limit",
    SITE,
    "Parallel sessions that a user may have on the site. Source: users.session_limit in the configuration; Qlik's own limit is 5.",
);
pub static PROXY_UP: Metric = gauge(
    "qlik_proxy_up",
    PAIR,
    "1 if the answer that this scrape used was good: fresh, or cached for at most cache_ttl. 0 if the query failed or did not complete in time.",
);
pub static PROXY_LAST_SUCCESS: Metric = gauge(
    "qlik_proxy_last_success_timestamp_seconds",
    PAIR,
    "Unix time of the last good answer of the proxy service. Absent before the first.",
);
pub static PROXY_QUERY_DURATION: Metric = gauge(
    "qlik_proxy_query_duration_seconds",
    PAIR,
    "Duration of the last query to the proxy service, from connect to last byte, failed queries included.",
);
pub static PROXY_QUERIES: Metric = counter(
    "qlik_proxy_queries_total",
    PAIR,
    "Queries sent to the proxy service, with or without a connection. Answers from the cache do not count.",
);
pub static PROXY_QUERY_FAILURES: Metric = counter(
    "qlik_proxy_query_failures_total",
    &["site", "proxy", "virtual_proxy", "reason"],
    "Failed queries to the proxy service, by reason: connect, tls, timeout, http_status, denied, decode, too_large.",
);
pub static PROXY_SESSIONS_STARTED: Metric = counter(
    "qlik_proxy_sessions_started_total",
    PAIR,
    "Sessions that appeared between two good answers of the proxy service. The first answer is the baseline; sessions that start and end between two answers do not count.",
);
pub static PROXY_SESSIONS_ENDED: Metric = counter(
    "qlik_proxy_sessions_ended_total",
    PAIR,
    "Sessions that disappeared between two good answers of the proxy service.",
);
pub static PROXY_INFO: Metric = info(
    "qlik_proxy_info",
    &["site", "proxy", "host", "port"],
    "Address of the proxy service's session interface (QPS).",
);
pub static REPOSITORY_INFO: Metric = info(
    "qlik_repository_info",
    &["site", "version"],
    "Version of the repository service. Source: last successful discovery.",
);
pub static VIRTUAL_PROXY_INFO: Metric = info(
    "qlik_virtual_proxy_info",
    &["site", "virtual_proxy", "description", "session_cookie_header"],
    "Description and session cookie of a virtual proxy. Source: last successful discovery.",
);
pub static VIRTUAL_PROXY_LINKED_PROXIES: Metric = gauge(
    "qlik_virtual_proxy_linked_proxies",
    &["site", "virtual_proxy"],
    "Proxy services that link this virtual proxy; with 0 no user can log in through it. Source: last successful discovery.",
);
pub static VIRTUAL_PROXY_INACTIVITY_TIMEOUT: Metric = gauge(
    "qlik_virtual_proxy_inactivity_timeout_seconds",
    &["site", "virtual_proxy"],
    "Time without activity after which a session of this virtual proxy ends. Source: last successful discovery.",
);
pub static REPOSITORY_UP: Metric = gauge(
    "qlik_repository_up",
    SITE,
    "1 if the last discovery succeeded: the query of the repository service for proxy services and virtual proxies. If 0, the result of the last successful discovery stays in use.",
);
pub static REPOSITORY_LAST_SUCCESS: Metric = gauge(
    "qlik_repository_last_success_timestamp_seconds",
    SITE,
    "Unix time at which the last successful discovery completed. Absent before the first.",
);
pub static CERTIFICATE_EXPIRY: Metric = gauge(
    "qlik_certificate_expiry_timestamp_seconds",
    &["site", "certificate", "proxy"],
    "Unix time at which a certificate expires. Source: the files for client and ca, the last TLS handshake for proxy and repository (ports 4243 and 4242, not the port for browsers).",
);
pub static CACHE_REQUESTS: Metric = counter(
    "qlik_session_exporter_cache_requests_total",
    &[],
    "Answers of proxy services that scrapes needed.",
);
pub static CACHE_HITS: Metric = counter(
    "qlik_session_exporter_cache_hits_total",
    &[],
    "Answers that scrapes took from the cache. Waiting for a query in flight is not a hit.",
);
pub static BUILD_INFO: Metric = info(
    "qlik_session_exporter_build_info",
    &["version", "revision", "rustc_version"],
    "Version of the exporter, revision of its source and compiler that built it.",
);
pub static CONFIG_LAST_RELOAD_SUCCESSFUL: Metric = gauge(
    "qlik_session_exporter_config_last_reload_successful",
    &[],
    "1 if the configuration was valid when it was last read, at start or reload.",
);
pub static CONFIG_LAST_RELOAD_SUCCESS: Metric = gauge(
    "qlik_session_exporter_config_last_reload_success_timestamp_seconds",
    &[],
    "Unix time at which the configuration in use was read.",
);
pub static PROCESS_CPU: Metric = counter(
    "process_cpu_seconds_total",
    &[],
    "User and system CPU time of the exporter's process. Source: operating system.",
);
pub static PROCESS_RESIDENT_MEMORY: Metric = gauge(
    "process_resident_memory_bytes",
    &[],
    "Resident memory of the exporter's process. Source: operating system.",
);
pub static PROCESS_VIRTUAL_MEMORY: Metric = gauge(
    "process_virtual_memory_bytes",
    &[],
    "Virtual memory of the exporter's process. Source: operating system.",
);
pub static PROCESS_START_TIME: Metric =
    gauge("process_start_time_seconds", &[], "Unix time at which the exporter's process started.");
pub static PROCESS_OPEN_FDS: Metric =
    gauge("process_open_fds", &[], "Open file descriptors (handles on Windows) of the exporter's process.");
pub static PROCESS_MAX_FDS: Metric =
    gauge("process_max_fds", &[], "Maximum number of open file descriptors of the exporter's process.");

/// All metrics, in the order of the table in docs/metrics.md.
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
    fn help_lists_every_failure_reason() {
        for reason in qlik_sense::Reason::ALL {
            assert!(PROXY_QUERY_FAILURES.help.contains(reason.as_str()), "{reason:?}");
        }
    }

    #[test]
    fn every_metric_is_listed() {
        let source = include_str!("catalogue.rs");
        let defined =
            source.lines().filter_map(|line| line.strip_prefix("pub static ")?.split_once(": Metric"));
        let (_, list) = source.split_once("pub static ALL").unwrap();
        for (name, _) in defined {
            assert!(list.contains(&format!("&{name},")), "{name} is missing in ALL");
        }
    }

    #[test]
    fn names_are_unique_and_end_with_their_kind() {
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
