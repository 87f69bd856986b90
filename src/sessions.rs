//! The sessions themselves, which the exporter only counts: for the commands that list and end them.
//!
//! An [`Asker`] asks every pair (virtual proxy on proxy service) that a [`Filter`] leaves, all at the same
//! time; the [`Roster`] has the [`Sessions`] of each, or why they could not be had, or not yet.

mod asker;
mod filter;
mod listed;
mod misfits;
mod roster;
mod service;
mod site;

pub use asker::{Asker, ListerError, sites_named};
pub use filter::{Detail, Filter, User};
pub use listed::{Session, Sessions};
pub use misfits::Misfit;
pub use roster::{Cause, Failure, Pair, PairRoster, Roster, SiteRoster};
pub use service::Answer;
