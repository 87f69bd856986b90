//! The sites as the view knows them: the last answers, and what is remembered of those before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::history::RefreshHistory;
use super::refresh::{PairRefresh, Refresh, SiteRefresh};
use crate::sessions::{Failure, Session, Sessions};
use qlik_sense::UserKey;

/// All sites after a refresh.
#[derive(Default)]
pub struct SitesView {
    pub all: Vec<SiteView>,
    /// Every user with a session, in no order; each once per site.
    pub users: Vec<UserView>,
}

pub struct SiteView {
    pub name: Arc<str>,
    /// Why it is not known which pairs there are.
    pub discovery: Option<Trouble>,
    /// What is worth an administrator's look.
    pub notes: Vec<String>,
    pub pairs: Vec<PairView>,
    /// Of those that answered.
    pub sessions: usize,
    /// Summed over the site's pairs each once; anonymous visitors are no users.
    pub users: usize,
    /// Of `sessions`; a gap where nobody answered.
    pub history: RefreshHistory,
}

/// One virtual proxy on one proxy service.
pub struct PairView {
    pub proxy: String,
    pub host: String,
    pub virtual_proxy: String,
    /// The last answer; nothing of an earlier one.
    pub sessions: Result<Arc<Sessions>, Trouble>,
    /// Anonymous visitors are no users.
    pub users: usize,
    pub history: RefreshHistory,
}

/// A failure that lasts, or an answer that does not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The first refresh without an answer.
    pub since: SystemTime,
    /// The last one: while another answer is waited for, that is still what is known.
    pub failure: Failure,
}

/// A user of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserView {
    /// One of the user's sessions.
    pub place: SessionPosition,
    /// Summed over the site.
    pub sessions: usize,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPosition {
    pub site: usize,
    pub pair: usize,
    pub row: usize,
}

impl SitesView {
    /// What is known after this refresh. Who is not part of it is forgotten.
    pub fn refreshed(self, refresh: Refresh) -> Self {
        let mut before: HashMap<_, _> = self.all.into_iter().map(|site| (site.name.clone(), site)).collect();
        let (at, again) = (refresh.at, refresh.again);
        let mut all = Vec::with_capacity(refresh.sites.len());
        let mut users = Vec::new();
        for answer in refresh.sites {
            let remembered = before.remove(&answer.name);
            let mut site = SiteView::new(answer, remembered, at, again);
            let found = users_of(&site, all.len());
            site.users = found.len();
            users.extend(found);
            all.push(site);
        }
        Self { all, users }
    }

    pub fn pair(&self, place: SessionPosition) -> Option<(&SiteView, &PairView)> {
        let site = self.all.get(place.site)?;
        Some((site, site.pairs.get(place.pair)?))
    }

    pub fn session(&self, place: SessionPosition) -> Option<(&SiteView, &PairView, Session<'_>)> {
        let (site, pair) = self.pair(place)?;
        Some((site, pair, pair.sessions.as_ref().ok()?.get(place.row)?))
    }
}

impl SiteView {
    fn new(answer: SiteRefresh, before: Option<Self>, at: SystemTime, again: bool) -> Self {
        let (mut history, trouble, pairs) = match before {
            Some(site) => (site.history, site.discovery, site.pairs),
            None => Default::default(),
        };
        let mut before: HashMap<_, _> =
            pairs.into_iter().map(|pair| ((pair.proxy.clone(), pair.virtual_proxy.clone()), pair)).collect();
        let pairs: Vec<_> = answer
            .pairs
            .into_iter()
            .map(|answer| {
                let key = (answer.proxy.clone(), answer.virtual_proxy.clone());
                let remembered = before.remove(&key);
                PairView::new(answer, remembered, at, again)
            })
            .collect();
        let mut answered = pairs.iter().filter_map(PairView::count).peekable();
        let anybody = answered.peek().is_some();
        let sessions = answered.sum();
        history.take(anybody.then_some(sessions), again);
        Self {
            name: answer.name,
            notes: answer.notes,
            discovery: answer.discovery.map(|failure| Trouble::new(failure, trouble.as_ref(), at)),
            pairs,
            sessions,
            users: 0,
            history,
        }
    }

    /// How many pairs did not answer.
    pub fn down(&self) -> usize {
        self.troubles().filter(|trouble| !trouble.failure.is_late()).count()
    }

    /// How many pairs may still answer.
    pub fn late(&self) -> usize {
        self.troubles().filter(|trouble| trouble.failure.is_late()).count()
    }

    fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.pairs.iter().filter_map(|pair| pair.sessions.as_ref().err())
    }

    /// Whether the figures are of everything that is asked.
    pub fn is_whole(&self) -> bool {
        self.discovery.is_none() && self.troubles().next().is_none()
    }
}

impl PairView {
    fn new(answer: PairRefresh, before: Option<Self>, at: SystemTime, again: bool) -> Self {
        let (mut history, trouble) =
            before.map_or_else(Default::default, |pair| (pair.history, pair.sessions.err()));
        let sessions = answer.sessions.map_err(|failure| Trouble::new(failure, trouble.as_ref(), at));
        history.take(sessions.as_ref().ok().map(|sessions| sessions.len()), again);
        let users = sessions.as_ref().map_or(0, |sessions| {
            let users = sessions.iter().map(|session| session.user).filter(|user| !user.is_anonymous());
            users.collect::<hashbrown::HashSet<_>>().len()
        });
        Self {
            proxy: answer.proxy,
            host: answer.host,
            virtual_proxy: answer.virtual_proxy,
            sessions,
            users,
            history,
        }
    }

    /// How many sessions it has; None while it is down.
    pub fn count(&self) -> Option<usize> {
        self.sessions.as_ref().ok().map(|sessions| sessions.len())
    }
}

impl Trouble {
    fn new(failure: Failure, before: Option<&Self>, at: SystemTime) -> Self {
        match before {
            Some(before) if failure.is_late() => before.clone(),
            Some(before) => Self { since: before.since, failure },
            None => Self { since: at, failure },
        }
    }
}

fn users_of(site: &SiteView, index: usize) -> Vec<UserView> {
    let mut users: HashMap<UserKey<'_>, UserView> = HashMap::new();
    for (pair, it) in site.pairs.iter().enumerate() {
        for (row, session) in it.sessions.iter().flat_map(|sessions| sessions.iter()).enumerate() {
            if !session.user.is_anonymous() {
                let place = SessionPosition { site: index, pair, row };
                users.entry(session.user).or_insert(UserView { place, sessions: 0 }).sessions += 1;
            }
        }
    }
    users.into_values().collect()
}

#[cfg(test)]
mod tests;
