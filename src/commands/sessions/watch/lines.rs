//! The lines of each panel, filtered and sorted, as positions in [`SitesView`].

use std::cmp::Reverse;

use clap::ValueEnum;

use super::panel::{Focus, Panel};
use super::problems::{self, SiteProblem};
use super::sites::{SessionPosition, SessionView, SitesView, UserView};
use crate::commands::sessions::order::{SessionIndex, SortBy, SortablePair, sort_sessions};
use crate::sessions::UnmatchedFilter;
use qlik_sense::UserKey;

/// The lines of the panels; None until a panel is prepared.
#[derive(Default)]
pub struct PanelLines {
    pub proxies: Option<Vec<ProxyLine>>,
    pub users: Option<Vec<UserView>>,
    pub sessions: Option<Vec<SessionPosition>>,
    pub problems: Option<Vec<SiteProblem>>,
    /// All sessions, sorted: most of the work, which a filter need not repeat.
    pub sorted: Option<SortedSessions>,
}

/// All sessions in one order.
pub struct SortedSessions {
    /// The index of the order in [`orders`].
    pub order: usize,
    pub positions: Vec<SessionPosition>,
}

/// A line of the proxies panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyLine {
    /// The index of the site.
    Site(usize),
    Pair {
        site: usize,
        pair: usize,
    },
}

impl PanelLines {
    /// Discards all lines, after a refresh.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Discards the lines of a panel whose filter or order has changed.
    pub fn forget_one(&mut self, focus: Focus) {
        match focus {
            Focus::Proxies => self.proxies = None,
            Focus::Users => self.users = None,
            Focus::Sessions => self.sessions = None,
            Focus::Problems => self.problems = None,
        }
    }
}

/// Returns the names of a panel's orders; the first one is the default.
pub fn orders(focus: Focus) -> &'static [&'static str] {
    match focus {
        Focus::Proxies => &["name", "sessions", "users"],
        Focus::Users => &["sessions", "name"],
        Focus::Sessions => &["prefix", "proxyhost", "proxyname", "userdir", "userid", "username"],
        Focus::Problems => &["name"],
    }
}

/// Returns the index of this column in the orders of the sessions.
pub fn order_by(sort_by: SortBy) -> usize {
    SortBy::value_variants().iter().position(|by| *by == sort_by).unwrap_or_default()
}

/// Returns the index of the order that a panel uses.
pub fn order(focus: Focus, panel: &Panel) -> usize {
    panel.sort.checked_rem(orders(focus).len()).unwrap_or_default()
}

/// Prepares the lines of a panel if they are missing.
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
            let sorted = match lines.sorted.take() {
                Some(sorted) if sorted.order == order => sorted,
                _ => SortedSessions { order, positions: sorted(order, sites) },
            };
            lines.sessions.get_or_insert_with(|| sessions(panel, &sorted.positions, sites));
            lines.sorted = Some(sorted);
        }
        Focus::Problems => drop(lines.problems.get_or_insert_with(|| problems::all(sites, unmatched))),
    }
}

/// Returns each site with its pairs below it.
fn proxies(panel: &Panel, order: usize, sites: &SitesView) -> Vec<ProxyLine> {
    let words = panel.words();
    let mut lines = Vec::new();
    let mut in_order: Vec<_> = sites.all.iter().enumerate().collect();
    in_order.sort_by_key(|(_, site)| Reverse(sort_figure(order, site.sessions, site.users)));
    for (index, site) in in_order {
        let mut pairs = Vec::new();
        for (position, pair) in site.pairs.iter().enumerate() {
            if words.admit(&[&site.name, &pair.proxy, &pair.host, &pair.virtual_proxy]) {
                pairs.push((position, pair));
            }
        }
        pairs.sort_by_key(|(_, pair)| {
            Reverse(sort_figure(order, pair.count().unwrap_or_default(), pair.users))
        });
        if !pairs.is_empty() || words.admit(&[&site.name]) {
            lines.push(ProxyLine::Site(index));
            lines.extend(pairs.into_iter().map(|(pair, _)| ProxyLine::Pair { site: index, pair }));
        }
    }
    lines
}

/// Returns what the proxies panel sorts by: sites and pairs are in the order of their names already.
fn sort_figure(order: usize, sessions: usize, users: usize) -> usize {
    match order {
        0 => 0,
        1 => sessions,
        _ => users,
    }
}

/// The columns that users are sorted by, the most important first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UserSortKey<'a> {
    /// The same for all users in the order of their names.
    sessions: Reverse<usize>,
    folded_directory: String,
    folded_id: String,
    directory: &'a str,
    id: &'a str,
    site: usize,
}

fn users(panel: &Panel, order: usize, sites: &SitesView) -> Vec<UserView> {
    let words = panel.words();
    let mut users = Vec::new();
    for user in &sites.users {
        let Some(SessionView { site, session, .. }) = sites.session(user.position) else { continue };
        let (directory, id) = (session.user.directory, session.user.id);
        if words.admit(&[&site.name, &user_text(session.user), session.user_name.unwrap_or_default()]) {
            let key = UserSortKey {
                sessions: Reverse(if order == 0 { user.sessions } else { 0 }),
                folded_directory: directory.to_lowercase(),
                folded_id: id.to_lowercase(),
                directory,
                id,
                site: user.position.site,
            };
            users.push((key, *user));
        }
    }
    users.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
    users.into_iter().map(|(_, user)| user).collect()
}

fn sorted(order: usize, sites: &SitesView) -> Vec<SessionPosition> {
    let by = SortBy::value_variants().get(order).copied().unwrap_or_default();
    let (mut positions, mut sortable) = (Vec::new(), Vec::new());
    for (site_index, site) in sites.all.iter().enumerate() {
        for (pair_index, pair) in site.pairs.iter().enumerate() {
            if let Ok(sessions) = &pair.sessions {
                positions.push(SessionPosition { site: site_index, pair: pair_index, row: 0 });
                sortable.push(SortablePair {
                    site: &site.name,
                    virtual_proxy: &pair.virtual_proxy,
                    proxy_host: &pair.host,
                    proxy: &pair.proxy,
                    sessions,
                });
            }
        }
    }
    let mut in_order = Vec::new();
    for SessionIndex { pair, row } in sort_sessions(&sortable, by) {
        in_order.extend(positions.get(pair).map(|position| SessionPosition { row, ..*position }));
    }
    in_order
}

fn sessions(panel: &Panel, sorted: &[SessionPosition], sites: &SitesView) -> Vec<SessionPosition> {
    let words = panel.words();
    // Looking at each of many sessions takes time.
    if words.is_empty() {
        return sorted.to_vec();
    }
    let mut admitted = Vec::new();
    for position in sorted {
        let Some(SessionView { site, pair, session }) = sites.session(*position) else { continue };
        let columns = [
            &site.name,
            &*pair.proxy,
            &pair.host,
            &pair.virtual_proxy,
            &user_text(session.user),
            session.user_name.unwrap_or_default(),
            session.session_id,
        ];
        if words.admit(&columns) {
            admitted.push(*position);
        }
    }
    admitted
}

/// Returns the text of `UserKey`'s `Display`. Its formatting took a third of the time of filtering many sessions.
pub fn user_text(user: UserKey<'_>) -> String {
    [user.directory, "\\", user.id].concat()
}
