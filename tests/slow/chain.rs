//! From a user's fifth session to a message: the simulated site, the exporter, Debian's Prometheus and
//! Alertmanager, and whoever gets the messages, with the files that are shipped.
//!
//! - `pipeline` all of it, at sixty times the speed
//! - `messages` what goes wrong on the site, and who gets a message
//! - `demo` the same programs, started by `demo --with-prometheus`
//! - `durations` makes the files' time pass more quickly
//! - `receiver` takes the messages: chat and mail

mod alertmanager;
#[cfg(unix)]
mod demo;
mod durations;
mod messages;
mod pipeline;
mod receiver;
