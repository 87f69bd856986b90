//! The simulated site, spoken to over real mutual TLS the way its clients do.
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

mod certificates;
mod clients;
mod control;
mod deliveries;
mod faults_of_answers;
mod faults_of_connections;
mod life;
mod load;
mod refusals;
mod repository;
mod sessions;
mod support;
mod topology;
