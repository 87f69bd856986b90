//! `sessions` as it is typed: the real binary against the simulated site, over mutual TLS on loopback.
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
#[allow(dead_code, reason = "what the tests share is more than these need")]
mod support;

mod commands;
mod delete;
#[cfg(unix)]
mod delete_asking;
mod delete_doubt;
mod delete_elsewhere;
mod delete_trouble;
mod flags;
mod list;
mod list_failures;
mod list_forms;
