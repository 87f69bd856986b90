//! Prometheus exporter for the proxy sessions of client-managed Qlik Sense.
//!
//! The map of the house; arrows go one way, from top to bottom:
//!
//! - [`command`] the subcommands, each a short file that puts the modules below together
//! - [`web`] the HTTP listener and its paths
//! - [`exposition`] snapshots to text: the catalogue of metrics, user labels, streaming
//! - [`sessions`] the sessions themselves, listed and ended, for the commands that do that
//! - [`collect`] who is asked, how many at once, until when; cache and single flight
//! - the crate [`qlik_sense`]: all that knows Qlik's protocols, and nothing of Prometheus
//! - [`config`] file, environment and flags into one checked [`config::Config`]
//!
//! All may use [`permits`], the semaphore for requests and encoders, and [`terminal`], what may be written to one.
//!
//! Beside them stands the crate `qlik-sense-simulator`, a Qlik site on types of its own, behind the feature `simulator`.

pub mod cli;
pub mod collect;
pub mod command;
pub mod config;
pub mod exposition;
pub mod logging;
pub mod permits;
pub mod sessions;
pub mod site;
pub mod terminal;
pub mod web;
