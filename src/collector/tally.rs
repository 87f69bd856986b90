//! Counts the sessions of one answer: some bytes a session, no allocation per session.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use itertools::{EitherOrBoth, Itertools};

use crate::config::{Exclusion, UserLabel, UserSettings};
use qlik_sense::UserKey;

/// For tables, and for session ids, which are random already. Its keys are those of this process.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// For users who are known by their hashes alone. Names are chosen by people: foldhash gives the same hash to some that
/// differ by zero bytes only; SipHash collides with a probability of about 1e-9 at 200,000 users.
static IDENTITY: LazyLock<std::hash::RandomState> = LazyLock::new(std::hash::RandomState::new);

/// Returns the hash of a user, the same for all answers of this process.
pub fn hash_user(user: UserKey<'_>) -> u64 {
    HASHER.hash_one((user.directory, user.id))
}

/// Returns the hash that identifies a user, the same for all answers of this process.
fn identity(user: UserKey<'_>) -> u64 {
    IDENTITY.hash_one((user.directory, user.id))
}

/// What is kept of the users of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// Each once by name, to be shown.
    #[default]
    Names,
    /// A hash for each session and no name: memory does not follow the number of users (22 MiB at 100,000 sessions; with
    /// names 19 MiB for 100 users and 30 for 100,000). Excluded users are kept apart, since without a name they could
    /// not be recognised later.
    Hashes { exclude: Arc<[Exclusion]> },
}

impl Keep {
    /// Returns as much as will be shown.
    pub fn of(settings: &UserSettings) -> Self {
        match settings.label {
            UserLabel::Plain | UserLabel::Hashed(_) => Self::Names,
            UserLabel::Off => Self::Hashes { exclude: settings.exclude.as_slice().into() },
        }
    }
}

/// The counts of one answer: how many sessions each user has.
#[derive(Debug, Default)]
pub struct Tally {
    keep: Keep,
    /// Directory and id of every user, one after another; empty with [`Keep::Hashes`], as are `users`.
    names: String,
    users: Vec<UserEntry>,
    /// With [`Keep::Hashes`] the user of each session, anonymous and excluded ones aside; sorted.
    hashes: Vec<u64>,
    /// The same of excluded users.
    excluded: Vec<u64>,
    /// Rows listed, anonymous ones included.
    sessions: u64,
    /// Rows of anonymous users.
    anonymous: u64,
}

#[derive(Debug)]
struct UserEntry {
    start: u32,
    directory: u32,
    id: u32,
    sessions: u32,
}

impl Tally {
    /// What is kept of the users.
    pub fn keep(&self) -> &Keep {
        &self.keep
    }

    /// Rows listed, anonymous ones included.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Rows of anonymous users, who are no users otherwise.
    pub fn anonymous(&self) -> u64 {
        self.anonymous
    }

    /// Distinct users, anonymous ones aside.
    pub fn user_count(&self) -> usize {
        let hashed = [&self.hashes, &self.excluded].map(|hashes| hashes.iter().dedup().count());
        self.users.len() + hashed.iter().sum::<usize>()
    }

    /// Every user who is kept by name once, in the order of their first rows, with the number of sessions.
    pub fn users(&self) -> impl ExactSizeIterator<Item = (UserKey<'_>, u32)> {
        self.users.iter().map(|entry| (entry.key(&self.names), entry.sessions))
    }

    /// The users who are kept as hashes, one for each session, in order: those who count everywhere, and those
    /// who are excluded.
    pub fn hashes(&self) -> (&[u64], &[u64]) {
        (&self.hashes, &self.excluded)
    }

    /// Returns the user at this index of [`users`](Self::users).
    pub fn key_at(&self, index: u32) -> Option<UserKey<'_>> {
        self.users.get(index as usize).map(|entry| entry.key(&self.names))
    }
}

impl UserEntry {
    fn key<'a>(&self, names: &'a str) -> UserKey<'a> {
        let (start, directory, id) = (self.start as usize, self.directory as usize, self.id as usize);
        UserKey {
            directory: names.get(start..start + directory).unwrap_or_default(),
            id: names.get(start + directory..start + directory + id).unwrap_or_default(),
        }
    }
}

/// Which sessions an answer held: keyed hashes of the distinct ids, sorted. The ids themselves, which
/// are secrets, are not kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SessionIds(Vec<u64>);

/// How many sessions appeared and disappeared between two answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub started: u64,
    pub ended: u64,
}

impl SessionIds {
    /// A keyed hash for each distinct id, the same for all answers of this process.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }

    /// Returns how many sessions are in one of both answers only.
    pub fn changes_since(&self, earlier: &Self) -> Changes {
        let mut changes = Changes::default();
        for side in self.0.iter().merge_join_by(&earlier.0, Ord::cmp) {
            match side {
                EitherOrBoth::Left(_) => changes.started += 1,
                EitherOrBoth::Right(_) => changes.ended += 1,
                EitherOrBoth::Both(..) => {}
            }
        }
        changes
    }
}

/// Counts rows as they arrive.
#[derive(Default)]
pub struct Counting {
    tally: Tally,
    /// Indices into `tally.users`.
    table: HashTable<u32>,
    ids: Vec<u64>,
}

impl Counting {
    /// Reuses the buffers of an earlier answer. Allocating and freeing them each time fragments memory, some 4 MiB at
    /// 100,000 sessions.
    pub fn reusing(tally: Option<Tally>, ids: Option<SessionIds>) -> Self {
        let Tally { mut names, mut users, mut hashes, mut excluded, .. } = tally.unwrap_or_default();
        let SessionIds(mut ids) = ids.unwrap_or_default();
        names.clear();
        users.clear();
        hashes.clear();
        excluded.clear();
        ids.clear();
        Self { tally: Tally { names, users, hashes, excluded, ..Tally::default() }, ids, ..Self::default() }
    }

    /// Sets what is kept of the users.
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.tally.keep = keep;
        self
    }

    /// Reserves capacity for as many as there were in an `earlier` answer: growing step by step takes a twentieth of a
    /// scrape's CPU.
    pub fn reserve_for(&mut self, earlier: &Tally) {
        self.tally.names.reserve_exact(earlier.names.len());
        self.tally.users.reserve_exact(earlier.users.len());
        self.tally.hashes.reserve_exact(earlier.hashes.len());
        self.tally.excluded.reserve_exact(earlier.excluded.len());
        self.ids.reserve_exact(usize::try_from(earlier.sessions).unwrap_or_default());
        self.table = HashTable::with_capacity(earlier.users.len());
    }

    /// Counts one row.
    pub fn add(&mut self, user: UserKey<'_>, session_id: &str) {
        let tally = &mut self.tally;
        tally.sessions += 1;
        self.ids.push(HASHER.hash_one(session_id));
        if user.is_anonymous() {
            tally.anonymous += 1;
            return;
        }
        match &tally.keep {
            Keep::Names => self.add_name(user),
            Keep::Hashes { exclude } if exclude.iter().any(|exclusion| exclusion.matches(user)) => {
                tally.excluded.push(identity(user));
            }
            Keep::Hashes { .. } => tally.hashes.push(identity(user)),
        }
    }

    /// Sizes fit into `u32` because an answer is smaller than 4 GiB (`max_response_size`); beyond that, users would
    /// be left out.
    fn add_name(&mut self, user: UserKey<'_>) {
        let tally = &mut self.tally;
        let hash = hash_user(user);
        if let Some(&index) = self.table.find(hash, |&index| tally.key_at(index) == Some(user)) {
            if let Some(entry) = tally.users.get_mut(index as usize) {
                entry.sessions = entry.sessions.saturating_add(1);
            }
            return;
        }
        let sizes = (
            u32::try_from(tally.users.len()),
            u32::try_from(tally.names.len()),
            u32::try_from(user.directory.len()),
            u32::try_from(user.id.len()),
        );
        let (Ok(index), Ok(start), Ok(directory), Ok(id)) = sizes else { return };
        tally.names.push_str(user.directory);
        tally.names.push_str(user.id);
        tally.users.push(UserEntry { start, directory, id, sessions: 1 });
        self.table.insert_unique(hash, index, |&index| tally.key_at(index).map_or(0, hash_user));
    }

    /// Returns the counts. Their buffers keep a little spare capacity, since the next answer but one reuses them.
    pub fn finish(mut self) -> (Tally, SessionIds) {
        let Tally { names, users, hashes, excluded, .. } = &mut self.tally;
        names.shrink_to(with_spare(names.len()));
        users.shrink_to(with_spare(users.len()));
        for hashes in [hashes, excluded] {
            hashes.sort_unstable();
            hashes.shrink_to(with_spare(hashes.len()));
        }
        self.ids.sort_unstable();
        self.ids.dedup();
        self.ids.shrink_to(with_spare(self.ids.len()));
        (self.tally, SessionIds(self.ids))
    }
}

/// Returns a length and an eighth of it.
fn with_spare(length: usize) -> usize {
    length + length / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn count<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> (Tally, SessionIds) {
        let mut counting = Counting::default();
        for (directory, id, session) in rows {
            counting.add(UserKey { directory, id }, session);
        }
        counting.finish()
    }

    #[test]
    fn directory_and_id_are_distinguished() {
        let (tally, _) = count([("ab", "c", "1"), ("a", "bc", "2"), ("", "abc", "3"), ("ab", "c", "4")]);
        let users: Vec<_> = tally.users().map(|(u, n)| (u.directory, u.id, n)).collect();
        assert_eq!(users, [("ab", "c", 2), ("a", "bc", 1), ("", "abc", 1)]);
    }

    #[test]
    fn anonymous_visitors_are_sessions_but_no_users() {
        let (tally, _) = count([("NONE", "anonymous1", "1"), ("NONE", "anonymous2", "2"), ("LAB", "a", "3")]);
        assert_eq!((tally.sessions(), tally.anonymous(), tally.user_count()), (3, 2, 1));
    }

    #[test]
    fn a_session_id_listed_twice_is_two_rows_and_one_session_seen() {
        let (tally, ids) = count([("LAB", "a", "1"), ("LAB", "a", "1")]);
        assert_eq!(tally.sessions(), 2);
        assert_eq!(ids.changes_since(&SessionIds::default()), Changes { started: 1, ended: 0 });
    }

    #[test]
    fn nothing_is_left_of_the_answer_in_whose_room_another_is_counted() {
        let exclude = [Exclusion::new("LAB", Some("svc"))].into();
        for keep in [Keep::Names, Keep::Hashes { exclude }] {
            let counting = |room: Counting, rows: &[(&str, &str, &str)]| {
                let mut counting = room.keeping(keep.clone());
                for (directory, id, session) in rows {
                    counting.add(UserKey { directory, id }, session);
                }
                counting
            };
            let rows =
                [("LAB", "a", "1"), ("NONE", "anonymous1", "2"), ("LAB", "b", "3"), ("LAB", "svc", "4")];
            let (tally, ids) = counting(Counting::default(), &rows).finish();
            let room = |counting: &Counting| {
                let Tally { names, hashes, excluded, .. } = &counting.tally;
                (names.capacity() + hashes.capacity() + excluded.capacity(), counting.ids.capacity())
            };
            let reusing = Counting::reusing(Some(tally), Some(ids));
            let before = room(&reusing);
            assert!(before.0 > 0 && before.1 > 0);
            let rows = [("LAB", "b", "5"), ("LAB", "svc", "6")];
            let second = counting(reusing, &rows);
            assert_eq!(room(&second), before);
            let (tally, ids) = second.finish();
            let (fresh, fresh_ids) = counting(Counting::default(), &rows).finish();
            assert_eq!((tally.sessions(), tally.anonymous(), tally.user_count()), (2, 0, 2));
            assert_eq!((tally.hashes(), ids), (fresh.hashes(), fresh_ids));
            assert!(tally.users().eq(fresh.users()));
        }
    }

    #[test]
    fn without_names_users_are_distinguished_and_excluded_ones_separate() {
        let exclude = [Exclusion::new("lab", Some("svc*"))].into();
        let mut counting = Counting::default().keeping(Keep::Hashes { exclude });
        let (anna, service) =
            (UserKey { directory: "LAB", id: "anna" }, UserKey { directory: "LAB", id: "svc1" });
        for (user, session) in [(anna, "1"), (service, "2"), (anna, "3"), (UserKey { id: "b", ..anna }, "4")]
        {
            counting.add(user, session);
        }
        let (tally, _) = counting.finish();
        assert_eq!((tally.sessions(), tally.user_count(), tally.users().len()), (4, 3, 0));
        let (hashes, excluded) = tally.hashes();
        assert_eq!(excluded, [identity(service)]);
        assert!(hashes.is_sorted());
        assert_eq!(hashes.iter().filter(|hash| **hash == identity(anna)).count(), 2);
    }

    /// Found by the fuzzer: by foldhash they were one user in every other process.
    #[test]
    fn users_who_differ_by_zero_bytes_are_distinguished_without_names() {
        let mut counting = Counting::default().keeping(Keep::Hashes { exclude: [].into() });
        for (directory, id) in [("", "\0"), ("\0", ""), ("", ""), ("\0", "\0"), ("", "\0\0")] {
            counting.add(UserKey { directory, id }, "1");
        }
        assert_eq!(counting.finish().0.user_count(), 5);
    }

    proptest! {
        #[test]
        fn counts_equal_a_naive_count(rows in prop::collection::vec(("[ab]{0,2}", "[abc\u{e9}]{0,2}", "[0-9]{1,2}"), 0..200)) {
            let (tally, _) = count(rows.iter().map(|(d, u, s)| (d.as_str(), u.as_str(), s.as_str())));
            let mut naive = BTreeMap::<_, u32>::new();
            for (d, u, _) in &rows {
                *naive.entry((d.as_str(), u.as_str())).or_default() += 1;
            }
            let counted: BTreeMap<_, _> = tally.users().map(|(u, n)| ((u.directory, u.id), n)).collect();
            prop_assert_eq!(counted, naive);
            prop_assert_eq!(tally.sessions(), rows.len() as u64);
        }

        #[test]
        fn started_and_ended_are_set_differences(
            before in prop::collection::btree_set(0u32..50, 0..30),
            after in prop::collection::btree_set(0u32..50, 0..30),
        ) {
            let ids = |set: &BTreeSet<u32>| {
                let texts: Vec<_> = set.iter().map(u32::to_string).collect();
                count(texts.iter().map(|id| ("", "", id.as_str()))).1
            };
            let started = after.difference(&before).count() as u64;
            let ended = before.difference(&after).count() as u64;
            prop_assert_eq!(ids(&after).changes_since(&ids(&before)), Changes { started, ended });
        }
    }
}
