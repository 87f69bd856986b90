//! Prometheus exporter for the proxy sessions of client-managed Qlik Sense.
//!
//! The map of the house; arrows go one way, from top to bottom:
//!
//! - [`cli`] the command line and its dispatch
//! - [`commands`] the subcommands, each with its own flags
//! - [`app`] a running exporter: start, reload, run until shutdown
//! - [`web`] the HTTP listener and its paths
//! - [`exposition`] snapshots to text: the catalogue of metrics, user labels, streaming
//! - [`sessions`] the sessions themselves, listed and ended, for the commands that do that
//! - [`collector`] scrapes: pairs with their caches and counters, until a deadline
//! - [`site`] how a Qlik site is found and queried
//! - [`qlik_sense`], a crate beside this one: all that knows Qlik's protocols, and nothing of Prometheus
//! - [`config`] file, environment and flags into one checked [`config::Config`]
//!
//! All may use [`permits`], the semaphore for requests and encoders, and [`terminal`], what may be written to one. Commands use [`error`], which becomes the exit code, and
//! [`global`], the flags of every command.
//!
//! Beside them stands `simulator`, a Qlik site on types of its own, behind the feature of that name.

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
