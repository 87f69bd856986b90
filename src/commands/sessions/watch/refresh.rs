//! What one refresh brought, as plain data.

use std::sync::Arc;
use std::time::SystemTime;

use crate::sessions::{Failure, Listing, PairListing, Sessions, SiteListing, UnmatchedFilter};

/// All sites, asked once.
pub struct Refresh {
    /// When the last answer came.
    pub at: SystemTime,
    pub sites: Vec<SiteRefresh>,
    /// Flags that fit nothing.
    pub unmatched: Vec<UnmatchedFilter>,
    /// Whether it is the one before once more, with answers that were late.
    pub again: bool,
}

pub struct SiteRefresh {
    pub name: Arc<str>,
    /// Why its repository could not be asked.
    pub discovery: Option<Failure>,
    /// What is worth an administrator's look.
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
    pub fn new(listing: Listing, at: SystemTime, again: bool) -> Self {
        // That a user has no session is nothing to look into.
        let Listing { sites, unknown, other_case, absent: _ } = listing;
        let unmatched = [unknown, other_case].concat();
        Self { at, sites: sites.into_iter().map(SiteRefresh::from).collect(), unmatched, again }
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
