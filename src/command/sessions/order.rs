//! Sessions of all pairs in one order, without a copy of them.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::cli::SortBy;
use crate::sessions::{Pair, PairRoster, Roster, Session, Sessions};

/// All sessions of a roster in the order that was asked for.
pub struct Ordered<'r> {
    pairs: Vec<(&'r Pair, &'r Sessions)>,
    /// The places of pair and session.
    order: Vec<(usize, usize)>,
}

/// By what a session is sorted: the chosen column where it is one of the user's, then the pair, then the user,
/// each as its rank. Pairs and users are few, so that texts are compared seldom.
type Key = [usize; 3];

/// A user as sessions name one: directory, id and name.
type User<'r> = [&'r str; 3];

/// A pair as far as it is sorted by: site, prefix, proxy host and proxy name.
pub type Place<'r> = [&'r str; 4];

fn user<'r>(session: &Session<'r>) -> User<'r> {
    [session.user.directory, session.user.id, session.user_name.unwrap_or_default()]
}

impl<'r> Ordered<'r> {
    /// As [`order`] has it.
    pub fn new(roster: &'r Roster, by: SortBy) -> Self {
        let answered = |answer: &'r PairRoster| Some((&*answer.pair, answer.sessions.as_deref().ok()?));
        let pairs: Vec<_> = roster.pairs().filter_map(answered).collect();
        let place = |pair: &'r Pair| -> Place<'r> {
            [&pair.site, pair.virtual_proxy.path(), &pair.proxy.host, &pair.proxy.name]
        };
        let places: Vec<_> = pairs.iter().map(|(pair, sessions)| (place(pair), *sessions)).collect();
        Self { order: order(&places, by), pairs }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Each session with the place of its pair in [`Self::pairs`].
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'r Pair, Session<'r>)> {
        self.at(&self.order)
    }

    /// The same, so many together.
    pub fn chunks(
        &self,
        size: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (usize, &'r Pair, Session<'r>)>> + Clone {
        self.order.chunks(size).map(|places| self.at(places))
    }

    fn at(&self, places: &[(usize, usize)]) -> impl Iterator<Item = (usize, &'r Pair, Session<'r>)> {
        places.iter().filter_map(|&(place, row)| {
            let (pair, sessions) = *self.pairs.get(place)?;
            Some((place, pair, sessions.get(row)?))
        })
    }

    /// Those that answered.
    pub fn pairs(&self) -> impl Iterator<Item = (&'r Pair, &'r Sessions)> {
        self.pairs.iter().copied()
    }
}

/// The places of pair and session: by the chosen column, ties by site, prefix, proxy host, proxy name, user
/// directory, user id, user name and session id. Case does not count. Sessions that are the same in every column
/// stay as they were listed.
pub fn order(pairs: &[(Place<'_>, &Sessions)], by: SortBy) -> Vec<(usize, usize)> {
    let (of_pair, of_user) = match by {
        SortBy::Prefix => (Some(1), None),
        SortBy::ProxyHost => (Some(2), None),
        SortBy::ProxyName => (Some(3), None),
        SortBy::UserDir => (None, Some(0)),
        SortBy::UserId => (None, Some(1)),
        SortBy::UserName => (None, Some(2)),
    };
    let places = ranks(pairs.iter().map(|(place, _)| chosen_first(*place, of_pair)).collect());
    let users = Users::new(pairs);
    let user_ranks = ranks(users.all.clone());
    let column_ranks = match of_user {
        Some(column) => {
            ranks(users.all.iter().map(|user| [user.get(column).copied().unwrap_or_default()]).collect())
        }
        None => Vec::new(),
    };
    let at = |ranks: &[usize], index: usize| ranks.get(index).copied().unwrap_or_default();
    let mut indices = users.indices.iter();
    let mut rows: Vec<(Key, usize, usize)> = Vec::with_capacity(users.indices.len());
    for (place, (_, sessions)) in pairs.iter().enumerate() {
        for (row, user) in (0..sessions.len()).zip(indices.by_ref()) {
            let key = [at(&column_ranks, *user), at(&places, place), at(&user_ranks, *user)];
            rows.push((key, place, row));
        }
    }
    let id = |place: usize, row: usize| {
        let session = pairs.get(place).and_then(|(_, sessions)| sessions.get(row));
        session.map_or("", |session| session.session_id)
    };
    rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| without_case(id(a.1, a.2), id(b.1, b.2))));
    rows.into_iter().map(|(_, place, row)| (place, row)).collect()
}

/// Who has sessions.
struct Users<'r> {
    /// Each once.
    all: Vec<User<'r>>,
    /// For each session of each pair, its user's place in `all`.
    indices: Vec<usize>,
}

impl<'r> Users<'r> {
    fn new(pairs: &[(Place<'r>, &'r Sessions)]) -> Self {
        let mut known: HashMap<User<'r>, usize, RandomState> = HashMap::default();
        let mut users = Self { all: Vec::new(), indices: Vec::new() };
        for session in pairs.iter().flat_map(|(_, sessions)| sessions.iter()) {
            let user = user(&session);
            let index = *known.entry(user).or_insert_with(|| {
                users.all.push(user);
                users.all.len() - 1
            });
            users.indices.push(index);
        }
        users
    }
}

/// The chosen column before the others.
fn chosen_first<const N: usize>(mut columns: [&str; N], chosen: Option<usize>) -> [&str; N] {
    if let Some(front) = chosen.and_then(|chosen| columns.get_mut(..=chosen)) {
        front.rotate_right(1);
    }
    columns
}

/// The rank of each in the order without regard to case; those that differ by case alone share one.
fn ranks<const N: usize>(texts: Vec<[&str; N]>) -> Vec<usize> {
    let mut folded: Vec<_> =
        texts.into_iter().map(|columns| columns.map(str::to_lowercase)).enumerate().collect();
    folded.sort_by(|(_, a), (_, b)| a.cmp(b));
    let mut ranks = vec![0; folded.len()];
    let mut rank = 0;
    let mut before: Option<&[String; N]> = None;
    for (index, columns) in &folded {
        rank += usize::from(before.is_some_and(|before| before != columns));
        before = Some(columns);
        if let Some(place) = ranks.get_mut(*index) {
            *place = rank;
        }
    }
    ranks
}

fn without_case(a: &str, b: &str) -> Ordering {
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_pay_no_regard_to_case() {
        assert_eq!(ranks(vec![["b", "x"], ["A", "y"], ["a", "Y"], ["B", "a"], ["", "z"]]), [3, 1, 1, 2, 0]);
        assert_eq!(ranks::<1>(vec![]), [0; 0]);
    }

    #[test]
    fn the_chosen_column_stands_before_the_others_in_their_order() {
        assert_eq!(chosen_first(["a", "b", "c", "d"], Some(2)), ["c", "a", "b", "d"]);
        assert_eq!(chosen_first(["a", "b", "c", "d"], None), ["a", "b", "c", "d"]);
    }
}
