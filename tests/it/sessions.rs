//! `sessions` as it is typed: the real binary against the simulated site, over mutual TLS on loopback.

mod commands;
mod delete;
mod delete_doubt;
mod delete_elsewhere;
#[cfg(unix)]
mod delete_prompt;
mod delete_trouble;
mod flags;
mod list;
mod list_failures;
mod list_forms;
