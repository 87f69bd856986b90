//! `sessions watch` as it is seen: the real binary in a terminal, against the simulated site, over mutual TLS on
//! loopback.
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

#[cfg(unix)]
mod end;
mod stream;
#[cfg(unix)]
mod view;
