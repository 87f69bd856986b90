//! Prometheus exporter for the proxy sessions of client-managed Qlik Sense.
//!
//! The map; imports go one way, from top to bottom:
//!
//! - [`cli`] the top of the command line, and which command runs
//! - [`commands`] the subcommands, each with its own flags
//! - [`app`] a running exporter: start, reload, run until shutdown
//! - [`web`] the HTTP server and its paths
//! - [`exposition`] snapshots to text: the catalogue of metrics, user labels, streaming
//! - [`collector`] scrapes: pairs with their caches and counters, until a deadline
//! - [`sessions`] the sessions themselves, listed and deleted, for the commands that do that
//! - [`site`] how a Qlik site is found and queried
//! - [`config`] file, environment and flags into one checked [`config::Config`]
//! - the crate [`qlik_sense`]: Qlik's protocols, and nothing of Prometheus
//!
//! Leaves: [`permits`], the semaphore for requests and encoders; [`terminal`], what may be written to one; [`error`],
//! which becomes the exit code; [`global`], the flags of every command.
//!
//! Beside them stands the crate `qlik-sense-simulator`, a Qlik site on types of its own, behind the feature `simulator`.

pub mod app;
pub mod cli;
pub mod collector;
pub mod commands;
pub mod config;
pub mod error;
pub mod exposition;
pub mod global;
pub mod logging;
pub mod permits;
pub mod sessions;
pub mod site;
pub mod terminal;
pub mod web;
