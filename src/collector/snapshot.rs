//! What a scrape found, as plain data: the only thing that leaves this module for the exposition.

use std::sync::Arc;

use super::tally::Tally;
use super::{answer::Answer, history::History};
use crate::site::DiscoveryStatus;
use crate::site::topology::{ProxyPlan, Topology};
use qlik_sense::VirtualProxy;

/// One site at one moment.
#[derive(Debug)]
pub struct SiteSnapshot {
    pub name: String,
    pub topology: Arc<Topology>,
    pub pairs: Vec<PairSnapshot>,
    pub expiries: Vec<Expiry>,
    /// None without a repository.
    pub discovery: Option<DiscoveryStatus>,
}

/// One virtual proxy on one proxy service at one moment.
#[derive(Debug)]
pub struct PairSnapshot {
    pub proxy: Arc<ProxyPlan>,
    pub virtual_proxy: VirtualProxy,
    pub used: Used,
    pub history: History,
}

/// Where a pair's answer comes from.
#[derive(Debug, Clone)]
pub enum Used {
    /// From an earlier query, not expired yet.
    Cached(Arc<Answer>),
    /// From a query that this scrape began or waited for.
    Awaited(Arc<Answer>),
    /// The scrape's deadline passed before the answer came.
    TimedOut,
}

impl PairSnapshot {
    /// The answer used, good or failed.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.used {
            Used::Cached(answer) | Used::Awaited(answer) => Some(answer),
            Used::TimedOut => None,
        }
    }

    /// The counts, when the answer used was good.
    pub fn tally(&self) -> Option<&Tally> {
        self.answer().and_then(Answer::tally)
    }
}

/// A certificate and when it expires, in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Expiry {
    /// `client`, `ca`, `proxy` or `repository`.
    pub certificate: &'static str,
    /// The proxy service whose certificate it is.
    pub proxy: Option<String>,
    pub not_after: i64,
}

impl Expiry {
    /// That of a certificate which belongs to no proxy service.
    pub fn new(certificate: &'static str, not_after: i64) -> Self {
        Self { certificate, proxy: None, not_after }
    }
}
