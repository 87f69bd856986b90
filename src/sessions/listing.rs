//! What a listing returned: plain data.

use std::fmt;
use std::sync::Arc;

use super::listed::Sessions;
use crate::site::ProxyClient;
use crate::site::diagnosis::Diagnosis;
use crate::site::topology::{Note, ProxyPlan, VirtualProxyPlan};
use qlik_sense::{QueryError, Reason, VirtualProxy};

/// The sessions of all sites at one moment.
#[derive(Default)]
pub struct Listing {
    /// In the order of their names.
    pub sites: Vec<SiteListing>,
    /// Parts of the filter that match nothing, although everything is known that they could match.
    pub unknown: Vec<UnmatchedFilter>,
    /// Users of the filter without a session, where a user whose name differs by case alone has one.
    pub other_case: Vec<UnmatchedFilter>,
    /// Users of the filter without a session, where no user with a similar name has one.
    pub absent: Vec<UnmatchedFilter>,
}

/// One site, as far as the filter leaves it.
pub struct SiteListing {
    pub name: Arc<str>,
    /// Why the last discovery failed, or that the first one has not been answered yet. What an earlier one found is still queried, and what is configured.
    pub discovery: Option<Failure>,
    /// What an administrator should look at.
    pub notes: Vec<Note>,
    /// In the order of their proxies' names, then of their prefixes.
    pub pairs: Vec<PairListing>,
}

/// One pair with its answer.
pub struct PairListing {
    pub pair: Arc<QueriedPair>,
    /// Those of the wanted users.
    pub sessions: Result<Arc<Sessions>, Failure>,
}

/// A virtual proxy on a proxy service, with what is needed to query it.
pub struct QueriedPair {
    pub site: Arc<str>,
    pub proxy: Arc<ProxyPlan>,
    pub virtual_proxy: VirtualProxy,
    /// What the repository knows of the virtual proxy; None without one, or when it knows none of that prefix.
    pub facts: Option<VirtualProxyPlan>,
    /// The service, to delete sessions there.
    pub service: Arc<ProxyClient>,
}

/// A part of the filter that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedFilter {
    /// As it is given: `--proxy x`. It may hold anything: escape it for a terminal.
    pub flag: String,
    /// What there is instead. It may hold names that a server sent: escape it for a terminal.
    pub why: String,
}

impl fmt::Display for UnmatchedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flag, why } = self;
        write!(f, "{flag}: {why}")
    }
}

/// Why there is no answer. Both texts may quote a server: escape them for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub cause: Cause,
    pub message: String,
    /// What to try; may be empty.
    pub advice: String,
    /// Whether the request may have been carried out nevertheless.
    pub in_doubt: bool,
}

/// What kind of a failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No request was sent.
    NotSent,
    /// The answer has not come yet. Only for callers that do not wait for it.
    Late,
    /// The query failed.
    Query(Reason),
}

impl Failure {
    pub fn not_sent(because: impl fmt::Display) -> Self {
        let message = because.to_string();
        Self { cause: Cause::NotSent, message, advice: String::new(), in_doubt: false }
    }

    pub fn late() -> Self {
        let message = "waiting for an answer".to_owned();
        Self { cause: Cause::Late, message, advice: String::new(), in_doubt: true }
    }

    pub fn new(error: &QueryError, diagnosis: Diagnosis) -> Self {
        let Diagnosis { message, advice } = diagnosis;
        Self { cause: Cause::Query(error.reason()), message, advice, in_doubt: error.leaves_doubt() }
    }

    pub fn is_late(&self) -> bool {
        self.cause == Cause::Late
    }

    /// Returns the reason of a failed query; None when no request was sent or it may still be answered.
    pub fn reason(&self) -> Option<Reason> {
        match self.cause {
            Cause::Query(reason) => Some(reason),
            Cause::NotSent | Cause::Late => None,
        }
    }
}

impl Listing {
    /// Returns all pairs, in the order of their sites.
    pub fn pairs(&self) -> impl Iterator<Item = &PairListing> {
        self.sites.iter().flat_map(|site| &site.pairs)
    }

    /// Returns whether everything that was wanted has been listed.
    pub fn is_whole(&self) -> bool {
        self.unknown.is_empty()
            && self.sites.iter().all(|site| site.discovery.is_none())
            && self.pairs().all(|pair| pair.sessions.is_ok())
    }
}

impl QueriedPair {
    /// Returns whether both are queried at the same service for the same virtual proxy.
    pub fn is_same(&self, other: &Self) -> bool {
        self.service.is_same_service(&other.service) && self.virtual_proxy == other.virtual_proxy
    }

    /// Returns site, proxy service and virtual proxy, as labels name them.
    pub fn names(&self) -> [&str; 3] {
        [&self.site, &self.proxy.name, self.virtual_proxy.path()]
    }
}

impl fmt::Display for QueriedPair {
    /// Writes it as messages name it: `production Central (sense1.company.com:4243) /sales`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, proxy, virtual_proxy, .. } = self;
        write!(f, "{site} {} ({}) {virtual_proxy}", proxy.name, proxy.address())
    }
}
