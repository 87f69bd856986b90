//! The program against the simulated site, over mutual TLS on loopback. Needs cargo, openssl and python3.
//!
//! - `cli` the command line itself
//! - `config` configuration files, good and bad
//! - `docs` README and the pages of docs, against the program and one another
//! - `exporter` the running exporter: the real binary, read with a parser that is not ours
//! - `check` what `check` reports of a site, and of servers that are wrong in every way that can be made here
//! - `sessions` the commands `sessions list` and `sessions delete`
//! - `watch` the live view, in a terminal
//! - `simulator` the simulated site, queried the way its other clients do
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
mod support;

mod check;
mod cli;
mod config;
mod docs;
mod exporter;
mod sessions;
mod simulator;
mod watch;
