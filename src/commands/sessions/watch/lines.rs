//! What each panel lists: filtered and sorted, as places in [`SitesView`].

use std::cmp::Reverse;

use clap::ValueEnum;

use super::panel::{Focus, Panel};
use super::problems::{self, SiteProblem};
use super::sites::{PairView, SessionPosition, SiteView, SitesView, UserView};
use crate::commands::sessions::order::{self, SortBy};
use crate::sessions::UnmatchedFilter;

/// The lines of the panels. Empty where they are not known yet.
#[derive(Default)]
pub struct PanelLines {
    pub proxies: Option<Vec<ProxyLine>>,
    pub users: Option<Vec<UserView>>,
    pub sessions: Option<Vec<SessionPosition>>,
    pub problems: Option<Vec<SiteProblem>>,
    /// All sessions in an order, by its place: with many, that is most of the work, and a filter changes nothing.
    pub sorted: Option<(usize, Vec<SessionPosition>)>,
}

/// A line of the panel of the proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyLine {
    /// By its place.
    Site(usize),
    Pair {
        site: usize,
        pair: usize,
    },
}

impl PanelLines {
    /// Something new is there to be shown.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The panel is looked at in another way.
    pub fn forget_one(&mut self, focus: Focus) {
        match focus {
            Focus::Proxies => self.proxies = None,
            Focus::Users => self.users = None,
            Focus::Sessions => self.sessions = None,
            Focus::Problems => self.problems = None,
        }
    }
}

/// The names of a panel's orders. The first one is where it begins.
pub fn orders(focus: Focus) -> &'static [&'static str] {
    match focus {
        Focus::Proxies => &["name", "sessions", "users"],
        Focus::Users => &["sessions", "name"],
        Focus::Sessions => &["prefix", "proxyhost", "proxyname", "userdir", "userid", "username"],
        Focus::Problems => &["name"],
    }
}

/// The place of this one in the orders of the sessions.
pub fn place_of(sort_by: SortBy) -> usize {
    SortBy::value_variants().iter().position(|by| *by == sort_by).unwrap_or_default()
}

/// The order that a panel is in, by its place.
pub fn order(focus: Focus, panel: &Panel) -> usize {
    panel.sort.checked_rem(orders(focus).len()).unwrap_or_default()
}

/// Fills in the lines of a panel where they are missing.
pub fn fill(
    lines: &mut PanelLines,
    focus: Focus,
    panel: &Panel,
    sites: &SitesView,
    unmatched: &[UnmatchedFilter],
) {
    let order = order(focus, panel);
    match focus {
        Focus::Proxies => drop(lines.proxies.get_or_insert_with(|| proxies(panel, order, sites))),
        Focus::Users => drop(lines.users.get_or_insert_with(|| users(panel, order, sites))),
        Focus::Sessions => {
            let sorted = match lines.sorted.take().filter(|(of, _)| *of == order) {
                Some((_, sorted)) => sorted,
                None => sorted(order, sites),
            };
            lines.sessions.get_or_insert_with(|| sessions(panel, &sorted, sites));
            lines.sorted = Some((order, sorted));
        }
        Focus::Problems => drop(lines.problems.get_or_insert_with(|| problems::all(sites, unmatched))),
    }
}

/// Each site with its pairs below it.
fn proxies(panel: &Panel, order: usize, sites: &SitesView) -> Vec<ProxyLine> {
    let words = panel.words();
    let mut lines = Vec::new();
    let figures = |sessions: usize, users: usize| match order {
        0 => 0,
        1 => sessions,
        _ => users,
    };
    let mut in_order: Vec<_> = sites.all.iter().enumerate().collect();
    in_order.sort_by_key(|(_, site)| Reverse(figures(site.sessions, site.users)));
    for (index, site) in in_order {
        let admits =
            |pair: &PairView| words.admit(&[&site.name, &pair.proxy, &pair.host, &pair.virtual_proxy]);
        let mut pairs: Vec<_> = site.pairs.iter().enumerate().filter(|(_, pair)| admits(pair)).collect();
        pairs.sort_by_key(|(_, pair)| Reverse(figures(pair.count().unwrap_or_default(), pair.users)));
        if !pairs.is_empty() || words.admit(&[&site.name]) {
            lines.push(ProxyLine::Site(index));
            lines.extend(pairs.into_iter().map(|(pair, _)| ProxyLine::Pair { site: index, pair }));
        }
    }
    lines
}

fn users(panel: &Panel, order: usize, sites: &SitesView) -> Vec<UserView> {
    let words = panel.words();
    let named = |user: &UserView| {
        let (site, _, session) = sites.session(user.place)?;
        let (directory, id) = (session.user.directory, session.user.id);
        let admitted =
            words.admit(&[&site.name, &user_text(directory, id), session.user_name.unwrap_or_default()]);
        let name = (directory.to_lowercase(), id.to_lowercase(), directory, id, user.place.site);
        admitted.then_some((name, *user))
    };
    let mut users: Vec<_> = sites.users.iter().filter_map(named).collect();
    users.sort_unstable_by(|(name, user), (other_name, other)| {
        let by_sessions =
            if order == 0 { other.sessions.cmp(&user.sessions) } else { std::cmp::Ordering::Equal };
        by_sessions.then_with(|| name.cmp(other_name))
    });
    users.into_iter().map(|(_, user)| user).collect()
}

fn sorted(order: usize, sites: &SitesView) -> Vec<SessionPosition> {
    let by = SortBy::value_variants().get(order).copied().unwrap_or_default();
    let answered = sites.all.iter().enumerate().flat_map(|(site, it)| {
        let pairs = it.pairs.iter().enumerate();
        pairs.filter_map(move |(pair, of_pair)| {
            let PairView { proxy, host, virtual_proxy, sessions, .. } = of_pair;
            let columns: [&str; 4] = [&it.name, virtual_proxy, host, proxy];
            Some(((site, pair), (columns, sessions.as_deref().ok()?)))
        })
    });
    let (places, columns): (Vec<_>, Vec<_>) = answered.unzip();
    let in_order = order::order(&columns, by).into_iter().filter_map(|(place, row)| {
        let (site, pair) = *places.get(place)?;
        Some(SessionPosition { site, pair, row })
    });
    in_order.collect()
}

fn sessions(panel: &Panel, sorted: &[SessionPosition], sites: &SitesView) -> Vec<SessionPosition> {
    let words = panel.words();
    // With many, each look at one costs.
    if words.is_empty() {
        return sorted.to_vec();
    }
    let admitted = |place: &SessionPosition| {
        let Some((SiteView { name, .. }, pair, session)) = sites.session(*place) else { return false };
        let user = user_text(session.user.directory, session.user.id);
        let user_name = session.user_name.unwrap_or_default();
        let PairView { proxy, host, virtual_proxy, .. } = pair;
        words.admit(&[name, proxy, host, virtual_proxy, &user, user_name, session.session_id])
    };
    sorted.iter().copied().filter(admitted).collect()
}

/// As [`qlik_sense::UserKey`] is written. Where every session is looked at, its formatting is a third of the work.
pub fn user_text(directory: &str, id: &str) -> String {
    [directory, "\\", id].concat()
}
