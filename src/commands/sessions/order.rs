//! Sessions of all pairs in one order, without a copy of them.

use std::thread;

use clap::ValueEnum;

use super::pieces;
use crate::sessions::{Listing, PairListing, QueriedPair, Session, Sessions};

/// By which column a list is sorted first; the others follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum SortBy {
    #[default]
    Prefix,
    ProxyHost,
    ProxyName,
    UserDir,
    UserId,
    UserName,
}

/// All sessions of a listing in the order that was asked for.
pub struct Ordered<'r> {
    pairs: Vec<(&'r QueriedPair, &'r Sessions)>,
    /// The places of pair and session.
    order: Vec<(usize, usize)>,
}

/// A pair as far as it is sorted by: site, prefix, proxy host and proxy name.
pub type PairColumns<'r> = [&'r str; 4];

impl<'r> Ordered<'r> {
    /// As [`order`] has it.
    pub fn new(listing: &'r Listing, by: SortBy) -> Self {
        let answered = |answer: &'r PairListing| Some((&*answer.pair, answer.sessions.as_deref().ok()?));
        let pairs: Vec<_> = listing.pairs().filter_map(answered).collect();
        let place = |pair: &'r QueriedPair| -> PairColumns<'r> {
            [&pair.site, pair.virtual_proxy.path(), &pair.proxy.host, &pair.proxy.name]
        };
        let places: Vec<_> = pairs.iter().map(|(pair, sessions)| (place(pair), *sessions)).collect();
        Self { order: order(&places, by), pairs }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Each session with the place of its pair in [`Self::pairs`].
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'r QueriedPair, Session<'r>)> {
        self.at(&self.order)
    }

    /// The same, so many together.
    pub fn chunks(
        &self,
        size: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (usize, &'r QueriedPair, Session<'r>)>> + Clone {
        self.order.chunks(size).map(|places| self.at(places))
    }

    fn at(&self, places: &[(usize, usize)]) -> impl Iterator<Item = (usize, &'r QueriedPair, Session<'r>)> {
        places.iter().filter_map(|&(place, row)| {
            let (pair, sessions) = *self.pairs.get(place)?;
            Some((place, pair, sessions.get(row)?))
        })
    }

    /// Those that answered.
    pub fn pairs(&self) -> impl Iterator<Item = (&'r QueriedPair, &'r Sessions)> {
        self.pairs.iter().copied()
    }
}

/// The places of pair and session: by the chosen column, ties by site, prefix, proxy host, proxy name, user
/// directory, user id, user name and session id. Case does not count. Sessions that are the same in every column
/// stay as they were listed.
pub fn order(pairs: &[(PairColumns<'_>, &Sessions)], by: SortBy) -> Vec<(usize, usize)> {
    let sorting = Sorting::new(pairs, by);
    let places = pairs.iter().enumerate();
    let rows = places.flat_map(|(place, (_, sessions))| (0..sessions.len()).map(move |row| (place, row)));
    let mut rows: Vec<SortRow> = rows.map(|(place, row)| SortRow { key: [0; KEY], place, row }).collect();
    let part = rows.len().div_ceil(pieces::threads()).max(MIN_PART);
    thread::scope(|scope| {
        for part in rows.chunks_mut(part) {
            scope.spawn(|| sorting.sort_by_beginning(part));
        }
    });
    // This sort finds the parts that are sorted, and merges them.
    rows.sort();
    for same in rows.chunk_by_mut(|a, b| a.key == b.key).filter(|same| same.len() > 1) {
        same.sort_by_cached_key(|row| sorting.whole(row));
    }
    rows.into_iter().map(|row| (row.place, row.row)).collect()
}

/// Sessions that are worth a thread.
const MIN_PART: usize = 4096;

/// A session while it is sorted: with the beginning of what it is sorted by, so that its texts, which lie far apart
/// in memory, are looked at once and not at each comparison.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortRow {
    key: [u8; KEY],
    place: usize,
    row: usize,
}

/// Most sessions differ in so many bytes.
const KEY: usize = 32;

struct Sorting<'r> {
    pairs: &'r [(PairColumns<'r>, &'r Sessions)],
    /// The ranks of the pairs.
    ranks: Vec<usize>,
    /// The column of the user's that comes before the pair.
    column: Option<UserColumn<'r>>,
}

/// A column of a session's user.
type UserColumn<'r> = fn(&Session<'r>) -> &'r str;

fn directory<'r>(session: &Session<'r>) -> &'r str {
    session.user.directory
}

fn id<'r>(session: &Session<'r>) -> &'r str {
    session.user.id
}

fn name<'r>(session: &Session<'r>) -> &'r str {
    session.user_name.unwrap_or_default()
}

impl<'r> Sorting<'r> {
    fn new(pairs: &'r [(PairColumns<'r>, &'r Sessions)], by: SortBy) -> Self {
        let (of_pair, column): (_, Option<UserColumn<'r>>) = match by {
            SortBy::Prefix => (Some(1), None),
            SortBy::ProxyHost => (Some(2), None),
            SortBy::ProxyName => (Some(3), None),
            SortBy::UserDir => (None, Some(directory)),
            SortBy::UserId => (None, Some(id)),
            SortBy::UserName => (None, Some(name)),
        };
        let ranks = ranks(pairs.iter().map(|(place, _)| chosen_first(*place, of_pair)).collect());
        Self { pairs, ranks, column }
    }

    /// Sorts by as many bytes as a row has room for.
    fn sort_by_beginning(&self, rows: &mut [SortRow]) {
        let mut bytes = Vec::new();
        for row in rows.iter_mut() {
            self.write(row, &mut bytes);
            for (to, from) in row.key.iter_mut().zip(&bytes) {
                *to = *from;
            }
        }
        rows.sort_unstable();
    }

    fn whole(&self, row: &SortRow) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(row, &mut bytes);
        bytes
    }

    /// Writes all that a session is sorted by as bytes that compare as it does.
    fn write(&self, row: &SortRow, bytes: &mut Vec<u8>) {
        bytes.clear();
        let session = self.pairs.get(row.place).and_then(|(_, sessions)| sessions.get(row.row));
        let (Some(session), Some(rank)) = (session, self.ranks.get(row.place)) else { return };
        if let Some(column) = self.column {
            write_column(column(&session), bytes);
        }
        bytes.extend(rank.to_be_bytes());
        for text in [directory(&session), id(&session), name(&session), session.session_id] {
            write_column(text, bytes);
        }
    }
}

/// A text without regard to case, and its end, which comes before all that may go on.
fn write_column(text: &str, bytes: &mut Vec<u8>) {
    if text.bytes().fold(true, |is_plain, byte| is_plain & byte.is_ascii() & (byte > 1)) {
        let start = bytes.len();
        bytes.extend_from_slice(text.as_bytes());
        bytes.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    } else {
        for byte in text.to_lowercase().bytes() {
            match byte {
                0 | 1 => bytes.extend([1, byte]),
                _ => bytes.push(byte),
            }
        }
    }
    bytes.push(0);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use qlik_sense::UserKey;
    use qlik_sense::session_list::Facts;

    type SessionTexts = [String; 4];

    fn listed(rows: &[SessionTexts]) -> Sessions {
        let mut sessions = Sessions::default();
        for [directory, id, name, session_id] in rows {
            let (user, user_name) = (UserKey { directory, id }, Some(&**name));
            sessions.push(&Facts { user, user_name, session_id, attributes: &[] });
        }
        sessions
    }

    /// SessionTexts that differ early, late, by case alone, by what ends a column, or not at all.
    fn texts() -> impl Strategy<Value = Vec<SessionTexts>> {
        let text =
            prop_oneof!["[aAbB\u{0}\u{1}\u{2}]{0,2}", "(long enough to be no beginning ){3}[aAßẞ\u{0}]?"];
        prop::collection::vec(prop::array::uniform4(text), 0..20)
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_all_columns_without_regard_to_case(first in texts(), second in texts()) {
            let lists = [(["b", "/", "h", "p"], &first), (["A", "/", "h", "p"], &second)];
            let sessions = lists.map(|(place, rows)| (place, listed(rows)));
            let pairs: Vec<(PairColumns<'_>, &Sessions)> = sessions.iter().map(|(place, rows)| (*place, rows)).collect();
            for (by, column) in [(SortBy::Prefix, None), (SortBy::UserDir, Some(0)), (SortBy::UserName, Some(2))] {
                let key = |&(place, row): &(usize, usize)| {
                    let columns = lists[place].1[row].each_ref().map(|text| text.to_lowercase());
                    (column.map(|column: usize| columns[column].clone()), lists[place].0[0].to_lowercase(), columns)
                };
                let all = [(0, first.len()), (1, second.len())];
                let mut expected: Vec<_> =
                    all.iter().flat_map(|&(place, count)| (0..count).map(move |row| (place, row))).collect();
                expected.sort_by_key(key);
                prop_assert_eq!(order(&pairs, by), expected);
            }
        }
    }

    #[test]
    fn the_longest_rows_that_differ_nowhere_are_sorted_too() {
        let id = "x".repeat(1024 * 1024);
        let row = ["LAB", "anna", "", &id].map(str::to_owned);
        let sessions = listed(&[row.clone(), row]);
        assert_eq!(order(&[(["a", "/", "h", "p"], &sessions)], SortBy::Prefix), [(0, 0), (0, 1)]);
    }

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
