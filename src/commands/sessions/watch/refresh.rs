//! The result of one refresh, as plain data.

use std::sync::Arc;
use std::time::SystemTime;

use crate::sessions::{Failure, Listing, PairListing, Sessions, SiteListing, UnmatchedFilter};

/// All sites, queried once.
pub struct Refresh {
    /// The time of the last answer.
    pub at: SystemTime,
    pub sites: Vec<SiteRefresh>,
    /// Flags that match nothing.
    pub unmatched: Vec<UnmatchedFilter>,
    /// Whether this is the refresh before, completed by late answers.
    pub is_update: bool,
}

pub struct SiteRefresh {
    pub name: Arc<str>,
    /// Why the query of its repository failed.
    pub discovery: Option<Failure>,
    /// Findings that an administrator should look at.
    pub notes: Vec<String>,
    pub pairs: Vec<PairRefresh>,
}

/// One virtual proxy on one proxy service.
pub struct PairRefresh {
    pub proxy: String,
    pub host: String,
    pub virtual_proxy: String,
    pub sessions: Result<Arc<Sessions>, Failure>,
}

impl Refresh {
    pub fn new(listing: Listing, at: SystemTime, is_update: bool) -> Self {
        // A user without sessions is no problem.
        let Listing { sites, unknown, other_case, absent: _ } = listing;
        let unmatched = [unknown, other_case].concat();
        Self { at, sites: sites.into_iter().map(SiteRefresh::from).collect(), unmatched, is_update }
    }
}

impl From<SiteListing> for SiteRefresh {
    fn from(site: SiteListing) -> Self {
        let pairs = site.pairs.into_iter().map(PairRefresh::from).collect();
        let notes = site.notes.iter().map(ToString::to_string).collect();
        Self { name: site.name, discovery: site.discovery, notes, pairs }
    }
}

impl From<PairListing> for PairRefresh {
    fn from(PairListing { pair, sessions, .. }: PairListing) -> Self {
        Self {
            proxy: pair.proxy.name.clone(),
            host: pair.proxy.host.clone(),
            virtual_proxy: pair.virtual_proxy.to_string(),
            sessions,
        }
    }
}
