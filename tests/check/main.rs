//! `check` against simulated sites, and against servers that are wrong in every way that can be made here.
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

mod answers;
mod certificates;
mod connections;
mod old_tls;
mod program;
mod sites;
mod support;

#[path = "../support/stand_in.rs"]
#[allow(dead_code, reason = "the tests of the running program use more of it")]
mod stand_in;
