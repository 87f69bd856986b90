//! Sessions of all pairs in one order, without a copy of them.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use foldhash::quality::RandomState;

use crate::cli::SortBy;
use crate::sessions::{Pair, PairRoster, Roster, Session, Sessions};

/// All sessions of a roster in the order that was asked for.
pub struct Ordered<'r> {
    pairs: Vec<(&'r Pair, &'r Sessions)>,
    /// The places of pair and session.
    order: Vec<(usize, usize)>,
}

/// A pair as far as it is sorted by: site, prefix, proxy host, proxy name; and its sessions.
pub type Columns<'a> = ([&'a str; 4], &'a Sessions);

/// The columns that can be sorted by, in the order in which they decide ties: site, prefix, proxy host, proxy
/// name, user directory, user id, user name.
type Key = [usize; 7];

/// The place of the chosen column in a [`Key`].
fn column(by: SortBy) -> usize {
    match by {
        SortBy::Prefix => 1,
        SortBy::ProxyHost => 2,
        SortBy::ProxyName => 3,
        SortBy::UserDir => 4,
        SortBy::UserId => 5,
        SortBy::UserName => 6,
    }
}

impl<'r> Ordered<'r> {
    /// Case does not count. Sessions that are the same in every column stay as they were listed.
    pub fn new(roster: &'r Roster, by: SortBy) -> Self {
        let answered = |answer: &'r PairRoster| Some((&*answer.pair, answer.sessions.as_ref().ok()?));
        let pairs: Vec<_> = roster.pairs().filter_map(answered).collect();
        let columns = |(pair, sessions): &(&'r Pair, &'r Sessions)| -> Columns<'r> {
            let Pair { site, proxy, virtual_proxy, .. } = *pair;
            ([site, virtual_proxy.path(), &proxy.host, &proxy.name], *sessions)
        };
        let columns: Vec<_> = pairs.iter().map(columns).collect();
        Self { order: order(&columns, by), pairs }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Each session with the place of its pair.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'r Pair, Session<'r>)> {
        self.order.iter().filter_map(|&(place, row)| {
            let (pair, sessions) = *self.pairs.get(place)?;
            Some((place, pair, sessions.get(row)?))
        })
    }

    /// Those that answered.
    pub fn pairs(&self) -> impl Iterator<Item = (&'r Pair, &'r Sessions)> {
        self.pairs.iter().copied()
    }
}

/// The places of pair and session in the order that was asked for. Case does not count. Sessions that are the
/// same in every column stay as they were listed.
pub fn order(pairs: &[Columns<'_>], by: SortBy) -> Vec<(usize, usize)> {
    let places = pair_places(pairs);
    let users = user_places(pairs);
    let mut rows = Vec::with_capacity(pairs.iter().map(|(_, sessions)| sessions.len()).sum());
    for (place, ((_, sessions), of_pair)) in pairs.iter().zip(&places).enumerate() {
        for (row, session) in sessions.iter().enumerate() {
            let [site, prefix, host, name] = *of_pair;
            let [directory, id, user_name] = users.get(&user(&session)).copied().unwrap_or_default();
            let mut key: Key = [site, prefix, host, name, directory, id, user_name];
            // What was chosen comes to the front, the others keep their order behind it.
            if let Some(front) = key.get_mut(..=column(by)) {
                front.rotate_right(1);
            }
            rows.push((key, place, row));
        }
    }
    let session = |place: usize, row: usize| {
        pairs.get(place).and_then(|(_, sessions)| sessions.get(row)).map(|session| session.session_id)
    };
    rows.sort_by(|(a, a_place, a_row), (b, b_place, b_row)| {
        let ids = || {
            let (a, b) = (session(*a_place, *a_row), session(*b_place, *b_row));
            without_case(a.unwrap_or_default(), b.unwrap_or_default())
        };
        a.cmp(b).then_with(ids)
    });
    rows.into_iter().map(|(_, place, row)| (place, row)).collect()
}

fn without_case(a: &str, b: &str) -> Ordering {
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

type User<'a> = (&'a str, &'a str, &'a str);

fn user<'a>(session: &Session<'a>) -> User<'a> {
    (session.user.directory, session.user.id, session.user_name.unwrap_or_default())
}

/// The columns of each pair as places in their orders.
fn pair_places(pairs: &[Columns<'_>]) -> Vec<[usize; 4]> {
    let mut keys = vec![[0; 4]; pairs.len()];
    for column in 0..4 {
        let texts = || pairs.iter().map(|(columns, _)| columns.get(column).copied().unwrap_or_default());
        let places = places(texts());
        for (key, text) in keys.iter_mut().zip(texts()) {
            if let Some(key) = key.get_mut(column) {
                *key = places.get(text).copied().unwrap_or_default();
            }
        }
    }
    keys
}

/// Directory, id and name of each user as places in their orders: a user is looked at once, not once a session.
fn user_places<'a>(pairs: &[Columns<'a>]) -> HashMap<User<'a>, [usize; 3], RandomState> {
    let mut users: HashMap<User<'a>, [usize; 3], RandomState> = HashMap::default();
    for (_, sessions) in pairs {
        users.extend(sessions.iter().map(|session| (user(&session), [0; 3])));
    }
    let directories = places(users.keys().map(|user| user.0));
    let ids = places(users.keys().map(|user| user.1));
    let names = places(users.keys().map(|user| user.2));
    for (user, key) in &mut users {
        let place = |places: &HashMap<&str, usize, RandomState>, text| places.get(text).copied();
        *key = [place(&directories, user.0), place(&ids, user.1), place(&names, user.2)]
            .map(Option::unwrap_or_default);
    }
    users
}

/// The place of each text in the order without regard to case; texts that differ by case alone share one.
fn places<'a>(texts: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize, RandomState> {
    let folded: HashMap<&str, String, RandomState> = texts.map(|text| (text, text.to_lowercase())).collect();
    let sorted: BTreeSet<&String> = folded.values().collect();
    let places: HashMap<&String, usize, RandomState> = sorted.into_iter().zip(0..).collect();
    let place =
        |(text, folded): (&&'a str, &String)| (*text, places.get(folded).copied().unwrap_or_default());
    folded.iter().map(place).collect()
}
