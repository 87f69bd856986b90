//! The sites as the view knows them: the last answers, and what it keeps of earlier ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use hashbrown::HashSet;

use super::history::RefreshHistory;
use super::refresh::{PairRefresh, Refresh, SiteRefresh};
use crate::sessions::{Failure, Session, Sessions};
use qlik_sense::UserKey;

/// All sites after a refresh.
#[derive(Default)]
pub struct SitesView {
    pub all: Vec<SiteView>,
    /// Every user with a session, once for each site, in no order.
    pub users: Vec<UserView>,
}

pub struct SiteView {
    pub name: Arc<str>,
    /// Why it is not known which pairs there are.
    pub discovery: Option<OngoingFailure>,
    /// Findings that an administrator should look at.
    pub notes: Vec<String>,
    pub pairs: Vec<PairView>,
    /// The sessions of the pairs that answered.
    pub sessions: usize,
    /// Distinct users of the site without anonymous ones.
    pub users: usize,
    /// The history of `sessions`; a gap where no pair answered.
    pub history: RefreshHistory,
}

/// One virtual proxy on one proxy service.
pub struct PairView {
    pub proxy: String,
    pub host: String,
    pub virtual_proxy: String,
    /// The last answer, never an earlier one.
    pub sessions: Result<Arc<Sessions>, OngoingFailure>,
    /// Distinct users without anonymous ones.
    pub users: usize,
    pub history: RefreshHistory,
}

/// A failure over one refresh or several in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OngoingFailure {
    /// The first refresh that failed.
    pub since: SystemTime,
    /// The last failure; it stays while another answer is late.
    pub failure: Failure,
}

/// A user of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserView {
    /// The position of one of the user's sessions.
    pub position: SessionPosition,
    /// The number of the user's sessions on the site.
    pub sessions: usize,
}

/// The indexes that lead to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPosition {
    pub site: usize,
    pub pair: usize,
    pub row: usize,
}

/// A session with its pair and site.
#[derive(Clone, Copy)]
pub struct SessionView<'v> {
    pub site: &'v SiteView,
    pub pair: &'v PairView,
    pub session: Session<'v>,
}

/// When a refresh was made, and whether it only completes the one before.
#[derive(Clone, Copy)]
struct RefreshTime {
    at: SystemTime,
    is_update: bool,
}

impl SitesView {
    /// Returns the sites after a refresh. Sites and pairs that are not part of it are dropped.
    pub fn refreshed(self, refresh: Refresh) -> Self {
        let mut before: HashMap<_, _> = self.all.into_iter().map(|site| (site.name.clone(), site)).collect();
        let time = RefreshTime { at: refresh.at, is_update: refresh.is_update };
        let mut all = Vec::with_capacity(refresh.sites.len());
        let mut users = Vec::new();
        for answer in refresh.sites {
            let site_before = before.remove(&answer.name);
            let mut site = SiteView::new(answer, site_before, time);
            let site_users = users_of(&site, all.len());
            site.users = site_users.len();
            users.extend(site_users);
            all.push(site);
        }
        Self { all, users }
    }

    pub fn session(&self, position: SessionPosition) -> Option<SessionView<'_>> {
        let site = self.all.get(position.site)?;
        let pair = site.pairs.get(position.pair)?;
        Some(SessionView { site, pair, session: pair.sessions.as_ref().ok()?.get(position.row)? })
    }
}

impl SiteView {
    fn new(answer: SiteRefresh, before: Option<Self>, time: RefreshTime) -> Self {
        let (mut history, failure_before, pairs_before) = match before {
            Some(site) => (site.history, site.discovery, site.pairs),
            None => Default::default(),
        };
        let mut pairs_by_name = HashMap::new();
        for pair in pairs_before {
            pairs_by_name.insert((pair.proxy.clone(), pair.virtual_proxy.clone()), pair);
        }
        let mut pairs = Vec::new();
        for answer in answer.pairs {
            let pair_before = pairs_by_name.remove(&(answer.proxy.clone(), answer.virtual_proxy.clone()));
            pairs.push(PairView::new(answer, pair_before, time));
        }
        let counts: Vec<usize> = pairs.iter().filter_map(PairView::count).collect();
        let sessions = counts.iter().sum();
        history.record((!counts.is_empty()).then_some(sessions), time.is_update);
        Self {
            name: answer.name,
            notes: answer.notes,
            discovery: answer
                .discovery
                .map(|failure| OngoingFailure::new(failure, failure_before.as_ref(), time.at)),
            pairs,
            sessions,
            users: 0,
            history,
        }
    }

    /// Returns the number of pairs that are down.
    pub fn down(&self) -> usize {
        self.failures().filter(|ongoing| !ongoing.failure.is_late()).count()
    }

    /// Returns the number of pairs whose answers are late.
    pub fn late(&self) -> usize {
        self.failures().filter(|ongoing| ongoing.failure.is_late()).count()
    }

    fn failures(&self) -> impl Iterator<Item = &OngoingFailure> {
        self.pairs.iter().filter_map(|pair| pair.sessions.as_ref().err())
    }

    /// Returns whether all queries succeeded, so that the sums are complete.
    pub fn is_complete(&self) -> bool {
        self.discovery.is_none() && self.failures().next().is_none()
    }
}

impl PairView {
    fn new(answer: PairRefresh, before: Option<Self>, time: RefreshTime) -> Self {
        let (mut history, failure_before) = match before {
            Some(pair) => (pair.history, pair.sessions.err()),
            None => Default::default(),
        };
        let sessions =
            answer.sessions.map_err(|failure| OngoingFailure::new(failure, failure_before.as_ref(), time.at));
        let (count, users) = match &sessions {
            Ok(sessions) => (Some(sessions.len()), distinct_users(sessions)),
            Err(_) => (None, 0),
        };
        history.record(count, time.is_update);
        Self {
            proxy: answer.proxy,
            host: answer.host,
            virtual_proxy: answer.virtual_proxy,
            sessions,
            users,
            history,
        }
    }

    /// Returns the number of sessions; None while the pair is down.
    pub fn count(&self) -> Option<usize> {
        self.sessions.as_ref().ok().map(|sessions| sessions.len())
    }
}

fn distinct_users(sessions: &Sessions) -> usize {
    let users: HashSet<UserKey<'_>> =
        sessions.iter().map(|session| session.user).filter(|user| !user.is_anonymous()).collect();
    users.len()
}

impl OngoingFailure {
    fn new(failure: Failure, before: Option<&Self>, at: SystemTime) -> Self {
        match before {
            Some(before) if failure.is_late() => before.clone(),
            Some(before) => Self { since: before.since, failure },
            None => Self { since: at, failure },
        }
    }
}

fn users_of(site: &SiteView, site_index: usize) -> Vec<UserView> {
    let mut users: HashMap<UserKey<'_>, UserView> = HashMap::new();
    for (pair_index, pair) in site.pairs.iter().enumerate() {
        let Ok(sessions) = &pair.sessions else { continue };
        for (row, session) in sessions.iter().enumerate() {
            if !session.user.is_anonymous() {
                let position = SessionPosition { site: site_index, pair: pair_index, row };
                users.entry(session.user).or_insert(UserView { position, sessions: 0 }).sessions += 1;
            }
        }
    }
    users.into_values().collect()
}

#[cfg(test)]
mod tests;
