//! The running program: the real binary against the simulated site, over mutual TLS on loopback.
//!
//! One crate with a file per subject, so that everything is linked once.
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

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod cli;
mod config_errors;
mod crowd;
mod deadlines;
mod discovery;
mod discovery_changes;
mod discovery_failures;
mod failures;
mod faults;
mod http;
mod kept_connections;
mod logging;
mod prometheus;
mod promtool;
mod readme;
mod reload;
mod reload_load;
mod reload_refused;
mod repository_answers;
mod rules;
mod scrape;
#[cfg(unix)]
mod shutdown;
mod users;
