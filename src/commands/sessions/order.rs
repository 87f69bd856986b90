//! Sorts the sessions of all pairs without copying them.

use clap::ValueEnum;
use rayon::prelude::*;

use crate::sessions::{Listing, QueriedPair, Session, Sessions};

/// The column by which a list is sorted first.
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

/// All sessions of a listing in order.
pub struct OrderedSessions<'r> {
    pairs: Vec<AnsweredPair<'r>>,
    order: Vec<SessionIndex>,
}

/// A pair that could be listed.
#[derive(Clone, Copy)]
pub struct AnsweredPair<'r> {
    pub pair: &'r QueriedPair,
    pub sessions: &'r Sessions,
}

/// A session of [`OrderedSessions`].
#[derive(Clone, Copy)]
pub struct OrderedSession<'r> {
    /// The index of its pair in [`OrderedSessions::pairs`].
    pub pair_index: usize,
    pub pair: &'r QueriedPair,
    pub session: Session<'r>,
}

/// The index of a pair, and the index of a session in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionIndex {
    pub pair: usize,
    pub row: usize,
}

/// The sessions of a pair with the pair's columns that they are sorted by.
#[derive(Clone, Copy)]
pub struct SortablePair<'r> {
    pub site: &'r str,
    pub virtual_proxy: &'r str,
    pub proxy_host: &'r str,
    pub proxy: &'r str,
    pub sessions: &'r Sessions,
}

impl<'r> OrderedSessions<'r> {
    /// Sorts the sessions of the pairs that answered, see [`sort_sessions`].
    pub fn new(listing: &'r Listing, by: SortBy) -> Self {
        let (mut pairs, mut sortable) = (Vec::new(), Vec::new());
        for answer in listing.pairs() {
            let Ok(sessions) = &answer.sessions else { continue };
            let pair = &*answer.pair;
            pairs.push(AnsweredPair { pair, sessions });
            sortable.push(SortablePair {
                site: &pair.site,
                virtual_proxy: pair.virtual_proxy.path(),
                proxy_host: &pair.proxy.host,
                proxy: &pair.proxy.name,
                sessions,
            });
        }
        Self { order: sort_sessions(&sortable, by), pairs }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = OrderedSession<'r>> {
        self.order.iter().filter_map(|index| self.get(*index))
    }

    /// Returns the indexes of all sessions in order.
    pub fn order(&self) -> &[SessionIndex] {
        &self.order
    }

    pub fn get(&self, index: SessionIndex) -> Option<OrderedSession<'r>> {
        let AnsweredPair { pair, sessions } = *self.pairs.get(index.pair)?;
        Some(OrderedSession { pair_index: index.pair, pair, session: sessions.get(index.row)? })
    }

    /// Returns the pairs that answered.
    pub fn pairs(&self) -> &[AnsweredPair<'r>] {
        &self.pairs
    }
}

/// Returns the order of all sessions: by the chosen column, then by site, prefix, proxy host, proxy name, user
/// directory, user id, user name and session id, ignoring case. Sessions that are equal in all columns stay in the
/// order of their listing.
pub fn sort_sessions(pairs: &[SortablePair<'_>], by: SortBy) -> Vec<SessionIndex> {
    let sorting = Sorting::new(pairs, by);
    let mut rows = Vec::new();
    for (pair, SortablePair { sessions, .. }) in pairs.iter().enumerate() {
        rows.extend(
            (0..sessions.len()).map(|row| SortRow { key: [0; KEY], index: SessionIndex { pair, row } }),
        );
    }
    rows.par_iter_mut().for_each_init(Vec::new, |bytes, row| sorting.write_key(row, bytes));
    rows.par_sort_unstable();
    for same_key in rows.chunk_by_mut(|a, b| a.key == b.key).filter(|rows| rows.len() > 1) {
        same_key.sort_by_cached_key(|row| sorting.full_key(row));
    }
    rows.into_iter().map(|row| row.index).collect()
}

/// A session while it is sorted, with the beginning of its sort key. The texts lie far apart in memory: so they are
/// read once and not at each comparison.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortRow {
    key: [u8; KEY],
    index: SessionIndex,
}

/// Most sessions differ within so many bytes.
const KEY: usize = 32;

struct Sorting<'r> {
    pairs: &'r [SortablePair<'r>],
    /// The rank of each pair by its columns.
    ranks: Vec<usize>,
    /// The user's column that is compared before the pair's.
    user_column: Option<UserColumn<'r>>,
}

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
    fn new(pairs: &'r [SortablePair<'r>], by: SortBy) -> Self {
        let user_column: Option<UserColumn<'r>> = match by {
            SortBy::UserDir => Some(directory),
            SortBy::UserId => Some(id),
            SortBy::UserName => Some(name),
            SortBy::Prefix | SortBy::ProxyHost | SortBy::ProxyName => None,
        };
        Self { pairs, ranks: ranks(pairs.iter().map(|pair| pair_columns(pair, by)).collect()), user_column }
    }

    /// Writes as much of the sort key as fits. `bytes` is a buffer.
    fn write_key(&self, row: &mut SortRow, bytes: &mut Vec<u8>) {
        self.write_full_key(row, bytes);
        for (to, from) in row.key.iter_mut().zip(bytes) {
            *to = *from;
        }
    }

    fn full_key(&self, row: &SortRow) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_full_key(row, &mut bytes);
        bytes
    }

    /// Writes all columns as bytes that compare as the columns do.
    fn write_full_key(&self, row: &SortRow, bytes: &mut Vec<u8>) {
        bytes.clear();
        let SessionIndex { pair, row } = row.index;
        let session = self.pairs.get(pair).and_then(|pair| pair.sessions.get(row));
        let (Some(session), Some(rank)) = (session, self.ranks.get(pair)) else { return };
        if let Some(column) = self.user_column {
            write_column(column(&session), bytes);
        }
        bytes.extend(rank.to_be_bytes());
        for text in [directory(&session), id(&session), name(&session), session.session_id] {
            write_column(text, bytes);
        }
    }
}

/// Writes a text in lower case and a terminator that sorts before every character.
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

/// Returns the columns of a pair, the chosen one first.
fn pair_columns<'r>(pair: &SortablePair<'r>, by: SortBy) -> [&'r str; 4] {
    let SortablePair { site, virtual_proxy, proxy_host, proxy, .. } = *pair;
    match by {
        SortBy::Prefix => [virtual_proxy, site, proxy_host, proxy],
        SortBy::ProxyHost => [proxy_host, site, virtual_proxy, proxy],
        SortBy::ProxyName => [proxy, site, virtual_proxy, proxy_host],
        SortBy::UserDir | SortBy::UserId | SortBy::UserName => [site, virtual_proxy, proxy_host, proxy],
    }
}

/// Returns the rank of each entry, ignoring case. Entries that differ only by case share a rank.
fn ranks<const N: usize>(entries: Vec<[&str; N]>) -> Vec<usize> {
    let mut folded: Vec<_> =
        entries.into_iter().map(|columns| columns.map(str::to_lowercase)).enumerate().collect();
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

    fn pair<'r>(site: &'r str, sessions: &'r Sessions) -> SortablePair<'r> {
        SortablePair { site, virtual_proxy: "/", proxy_host: "h", proxy: "p", sessions }
    }

    fn indexes(counts: [usize; 2]) -> Vec<SessionIndex> {
        let pairs = counts.into_iter().enumerate();
        pairs.flat_map(|(pair, count)| (0..count).map(move |row| SessionIndex { pair, row })).collect()
    }

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
        fn sessions_are_sorted_by_all_columns_ignoring_case(first in texts(), second in texts()) {
            let sites = [("b", &first), ("A", &second)];
            let sessions = [listed(&first), listed(&second)];
            let pairs = [pair("b", &sessions[0]), pair("A", &sessions[1])];
            for (by, column) in [(SortBy::Prefix, None), (SortBy::UserDir, Some(0)), (SortBy::UserName, Some(2))] {
                let key = |index: &SessionIndex| {
                    let (site, texts) = sites[index.pair];
                    let columns = texts[index.row].each_ref().map(|text| text.to_lowercase());
                    (column.map(|column: usize| columns[column].clone()), site.to_lowercase(), columns)
                };
                let mut expected = indexes([first.len(), second.len()]);
                expected.sort_by_key(key);
                prop_assert_eq!(sort_sessions(&pairs, by), expected);
            }
        }
    }

    #[test]
    fn equal_sessions_with_long_texts_keep_their_order() {
        let id = "x".repeat(1024 * 1024);
        let row = ["LAB", "anna", "", &id].map(str::to_owned);
        let sessions = listed(&[row.clone(), row]);
        assert_eq!(sort_sessions(&[pair("a", &sessions)], SortBy::Prefix), indexes([2, 0]));
    }

    #[test]
    fn ranks_ignore_case() {
        assert_eq!(ranks(vec![["b", "x"], ["A", "y"], ["a", "Y"], ["B", "a"], ["", "z"]]), [3, 1, 1, 2, 0]);
        assert_eq!(ranks::<1>(vec![]), [0; 0]);
    }

    #[test]
    fn the_chosen_column_comes_before_the_others_in_their_order() {
        let sessions = Sessions::default();
        let pair = pair("s", &sessions);
        assert_eq!(pair_columns(&pair, SortBy::ProxyHost), ["h", "s", "/", "p"]);
        assert_eq!(pair_columns(&pair, SortBy::UserId), ["s", "/", "h", "p"]);
    }
}
