//! What is shipped beside the program: Grafana's dashboards and provisioning, and the alert rules they go with.
//!
//! Grafana itself is not started: its dashboards are read by its own SDK, and every expression is asked of
//! Debian's Prometheus, which scrapes the exporter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    reason = "a test states what it expects and stops when it is not so"
)]
#![cfg(feature = "simulator")]

#[expect(dead_code, reason = "shared with the tests of the exporter, which use more of it")]
#[path = "../support/mod.rs"]
mod support;

mod alert_rules;
mod dashboards;
mod expressions;
mod history;
mod sdk;
mod shipped;
mod variables;
