//! The sessions themselves, which the exporter only counts: for the commands that list and delete them.
//!
//! A [`Lister`] queries every pair (virtual proxy on proxy service) that a [`Filter`] leaves, all at the same time. The
//! [`Listing`] has the [`Sessions`] of each, or why there are none, or none yet.
//!
//! - `lister` all sites, again and again; `site_lister` one of them
//! - `query` the queries of a pair
//! - `listing` what came back: plain data; `listed` the sessions of one answer
//! - `filter` which sessions are wanted; `unmatched` filters that match nothing

mod filter;
mod listed;
mod lister;
mod listing;
mod query;
mod site_lister;
mod unmatched;

pub use filter::{Detail, Filter, User};
pub use listed::{Session, Sessions};
pub use lister::{Lister, ListerError, sites_named};
pub use listing::{Cause, Failure, Listing, PairListing, QueriedPair, SiteListing, UnmatchedFilter};
