//! Prometheus exporter for the proxy sessions of client-managed Qlik Sense.
//!
//! The map of the house; arrows go one way, from top to bottom:
//!
//! - [`commands`] the subcommands, each a short file that puts the modules below together
//! - [`web`] the HTTP listener and its paths
//! - [`exposition`] snapshots to text: the catalogue of metrics, user labels, streaming
//! - [`sessions`] the sessions themselves, listed and ended, for the commands that do that
//! - [`collect`] who is asked, how many at once, until when; cache and single flight
//! - [`qlik`] all that knows Qlik's protocols, and nothing of Prometheus
//! - [`config`] file, environment and flags into one checked [`config::Config`]
//!
//! All may use [`terminal`]: what may be written to one.
//!
//! Beside them stands `simulator`, a Qlik site on types of its own, behind the feature of that name.

pub mod app;
pub mod cli;
pub mod collect;
pub mod commands;
pub mod config;
pub mod error;
pub mod exposition;
pub mod global;
pub mod logging;
pub mod sessions;
pub mod site;
pub mod terminal;
pub mod web;
