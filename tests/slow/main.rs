//! What needs Debian's Prometheus and Alertmanager, Grafana's SDK from PyPI, or minutes. `tests/run` installs the
//! programs.
//!
//! - `chain` from a user's fifth session to a message in a chat
//! - `monitoring` the dashboards and Grafana's alert rules
//! - `promtool` what promtool reports of a scrape
//! - `rules` the alert rules and the examples in prometheus/
//! - `scraping` what Prometheus reads from the exporter
//! - `soak` the exporter under churn and random faults, started by `tests/soak`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    reason = "a test stops where something is not as expected"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with tests/it, which uses more of it")]
mod support;

mod chain;
mod free_port;
mod monitoring;
mod prometheus;
mod promtool;
mod rules;
mod scraping;
mod soak;
