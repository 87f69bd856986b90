//! The users of a site: sums their sessions over its pairs and selects those with series of their own.

use aws_lc_rs::hmac;
use hashbrown::HashTable;
use itertools::Itertools;

use crate::collector::PairSnapshot;
use crate::collector::tally::{Tally, hash_user};
use crate::config::{HashKey, UserLabel, UserSettings};
use qlik_sense::UserKey;

/// The users of one site at one moment, over the pairs that answered. Either all tallies keep the names of users, or
/// none does ([`Keep`](crate::collector::tally::Keep)): then there are sums only.
pub struct SiteUsers<'a> {
    pairs: &'a [PairSnapshot],
    /// The tally of each pair; `None` when it did not answer.
    tallies: Vec<Option<&'a Tally>>,
    /// The users whose names are known.
    users: Vec<SiteUser>,
    /// For each pair: the indices in `users` of the users of its tally, in the tally's order.
    indices: Vec<Vec<u32>>,
    distinct: usize,
    /// Users with at least 1, 2, … sessions, up to the limit; excluded ones left out.
    pub at_least: Vec<u64>,
    /// Users without series because of `max_series`.
    pub unlisted: u64,
}

/// A user, whose name stays in the tally to keep this small: at twice the size, 20,000 users take 3 MiB more, because
/// the C library keeps freed blocks of that size.
struct SiteUser {
    /// The first pair that lists the user, and the user's index in its tally.
    pair: u32,
    index: u32,
    /// The sessions on the whole site.
    sessions: u32,
    standing: Standing,
}

/// Whether a user has series.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Excluded,
    Unlisted,
    Listed,
}

/// One user's sessions on one pair.
pub struct UserSeries<'a> {
    pub pair: &'a PairSnapshot,
    /// The user's index on the site, for [`Hashes::get`].
    pub index: usize,
    pub user: UserKey<'a>,
    pub sessions: u32,
}

impl<'a> SiteUsers<'a> {
    /// Sums up the tallies. Returns `None` when no pair answered.
    pub fn new(pairs: &'a [PairSnapshot], settings: &UserSettings) -> Option<Self> {
        let tallies: Vec<_> = pairs.iter().map(PairSnapshot::tally).collect();
        if tallies.iter().all(Option::is_none) {
            return None;
        }
        let mut site = Self {
            pairs,
            tallies,
            users: Vec::new(),
            indices: Vec::new(),
            distinct: 0,
            at_least: vec![0; settings.session_limit.get() as usize],
            unlisted: 0,
        };
        site.sum_up_names(settings);
        site.sum_up_hashes();
        site.choose_listed(settings);
        Some(site)
    }

    /// Returns the number of distinct users, excluded ones included.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// Returns the number of users with as many sessions as the limit, or more.
    pub fn at_limit(&self) -> u64 {
        self.at_least.last().copied().unwrap_or_default()
    }

    /// Returns the users at the limit whose names are known, with their sessions; most sessions first.
    pub fn reached_limit(&self) -> Vec<(UserKey<'a>, u32)> {
        let limit = u32::try_from(self.at_least.len()).unwrap_or(u32::MAX);
        let reached = self.users.iter().filter(|user| user.is_included_with(limit));
        let mut reached: Vec<_> = reached.map(|user| (user.key(&self.tallies), user.sessions)).collect();
        reached.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        reached
    }

    /// Returns the series of the listed users, pair by pair.
    pub fn series<'s>(&'s self) -> impl Iterator<Item = UserSeries<'a>> + use<'s, 'a> {
        self.pairs.iter().zip(&self.indices).flat_map(move |(pair, indices)| {
            let users = pair.tally().into_iter().flat_map(Tally::users);
            users.zip(indices).filter_map(move |((user, sessions), index)| {
                let index = *index as usize;
                let listed = self.users.get(index).is_some_and(|user| user.standing == Standing::Listed);
                listed.then_some(UserSeries { pair, index, user, sessions })
            })
        })
    }

    /// Collects every user whose name is known once, and the indices of each pair's users.
    fn sum_up_names(&mut self, settings: &UserSettings) {
        let Self { tallies, users, indices, .. } = self;
        // Most users of a site are on its largest virtual proxy.
        let largest = tallies.iter().flatten().map(|tally| tally.users().len()).max().unwrap_or_default();
        users.reserve(largest);
        let mut table = HashTable::<u32>::with_capacity(largest);
        for (pair, tally) in (0..).zip(tallies.iter()) {
            let mut of_pair = Vec::with_capacity(tally.map_or(0, |tally| tally.users().len()));
            for (index, (key, sessions)) in (0..).zip(tally.iter().flat_map(|tally| tally.users())) {
                let hash = hash_user(key);
                let on_site = match table.find(hash, |known| key_at(users, *known, tallies) == Some(key)) {
                    Some(known) => *known,
                    None => {
                        let new = u32::try_from(users.len()).unwrap_or(u32::MAX);
                        table.insert_unique(hash, new, |known| {
                            key_at(users, *known, tallies).map_or(0, hash_user)
                        });
                        users.push(SiteUser { pair, index, sessions: 0, standing: Standing::Unlisted });
                        new
                    }
                };
                if let Some(user) = users.get_mut(on_site as usize) {
                    user.sessions = user.sessions.saturating_add(sessions);
                }
                of_pair.push(on_site);
            }
            indices.push(of_pair);
        }
        self.distinct += users.len();
        for user in users {
            let key = user.key(tallies);
            if settings.exclude.iter().any(|exclusion| exclusion.matches(key)) {
                user.standing = Standing::Excluded;
            } else {
                add_to(&mut self.at_least, user.sessions as usize);
            }
        }
    }

    /// Counts the users of whom tallies keep hashes only, a hash for each session: in order, a user's hashes are adjacent.
    fn sum_up_hashes(&mut self) {
        let hashes = self.tallies.iter().flatten().map(|tally| tally.hashes());
        let (counted, excluded): (Vec<_>, Vec<_>) = hashes.unzip();
        for (sessions, _) in counted.into_iter().kmerge().dedup_with_count() {
            self.distinct += 1;
            add_to(&mut self.at_least, sessions);
        }
        self.distinct += excluded.into_iter().kmerge().dedup().count();
    }

    /// Marks the users that get series: those with the most sessions first, ties by name. The first user whose series do
    /// not all fit ends the list.
    fn choose_listed(&mut self, settings: &UserSettings) {
        if matches!(settings.label, UserLabel::Off) {
            return;
        }
        let Self { tallies, users, indices, .. } = self;
        let min_sessions = settings.min_sessions.get();
        let candidates = indices.iter().flatten().filter_map(|index| users.get(*index as usize));
        let all = candidates.filter(|user| user.is_included_with(min_sessions)).count();
        if all <= settings.max_series {
            for user in users.iter_mut().filter(|user| user.is_included_with(min_sessions)) {
                user.standing = Standing::Listed;
            }
            return;
        }
        let mut series = vec![0usize; users.len()];
        for index in indices.iter().flatten() {
            if let Some(series) = series.get_mut(*index as usize) {
                *series += 1;
            }
        }
        let users = users.iter_mut().zip(series);
        let mut ranked: Vec<_> = users.filter(|(user, _)| user.is_included_with(min_sessions)).collect();
        ranked.sort_unstable_by(|(a, _), (b, _)| {
            b.sessions.cmp(&a.sessions).then_with(|| a.key(tallies).cmp(&b.key(tallies)))
        });
        self.unlisted = ranked.len() as u64;
        let mut remaining = settings.max_series;
        for (user, series) in ranked {
            let Some(rest) = remaining.checked_sub(series) else { break };
            remaining = rest;
            user.standing = Standing::Listed;
            self.unlisted -= 1;
        }
    }
}

/// Counts a user with this many sessions.
fn add_to(at_least: &mut [u64], sessions: usize) {
    at_least.iter_mut().take(sessions).for_each(|count| *count += 1);
}

/// Returns the name of the user with this index.
fn key_at<'a>(users: &[SiteUser], index: u32, tallies: &[Option<&'a Tally>]) -> Option<UserKey<'a>> {
    users.get(index as usize).map(|user| user.key(tallies))
}

impl SiteUser {
    /// Returns whether the user is not excluded and has at least this many sessions.
    fn is_included_with(&self, sessions: u32) -> bool {
        self.standing != Standing::Excluded && self.sessions >= sessions
    }

    /// Returns the name of the user, which is in the site's tallies.
    fn key<'a>(&self, tallies: &[Option<&'a Tally>]) -> UserKey<'a> {
        let tally = tallies.get(self.pair as usize).copied().flatten();
        tally.and_then(|tally| tally.key_at(self.index)).unwrap_or_default()
    }
}

/// The `user_id` labels of `label = "hashed"`, by the indices of the users.
pub struct Hashes {
    /// [`HASH_DIGITS`] for each user.
    digits: String,
}

/// Hex digits of the hash in a label: 64 bits, with a collision probability of about 1e-9 at 200,000 users.
const HASH_DIGITS: usize = 16;

impl Hashes {
    pub fn new(users: &SiteUsers<'_>, key: &HashKey) -> Self {
        let hasher = Hasher::new(key);
        let named = users.users.iter().map(|user| user.key(&users.tallies));
        let digits = named.flat_map(|user| hasher.hash(user)).collect();
        Self { digits }
    }

    /// Returns the label of the user with this index.
    pub fn get(&self, index: usize) -> &str {
        let start = index * HASH_DIGITS;
        self.digits.get(start..start + HASH_DIGITS).unwrap_or_default()
    }
}

/// The form in which the log names a user.
pub enum Naming {
    Plain,
    Hashed(Box<Hasher>),
    Off,
}

impl Naming {
    pub fn new(label: &UserLabel) -> Self {
        match label {
            UserLabel::Plain => Self::Plain,
            UserLabel::Hashed(key) => Self::Hashed(Box::new(Hasher::new(key))),
            UserLabel::Off => Self::Off,
        }
    }

    /// Returns the values of the fields `user_directory` and `user_id`, each if it is shown.
    pub fn name(&self, user: UserKey<'_>) -> (Option<String>, Option<String>) {
        match self {
            Self::Plain => (Some(user.directory.to_owned()), Some(user.id.to_owned())),
            Self::Hashed(hasher) => (None, Some(hasher.hash(user).collect())),
            Self::Off => (None, None),
        }
    }
}

/// Computes the `user_id` labels of `label = "hashed"`.
pub struct Hasher(hmac::Key);

impl Hasher {
    pub fn new(key: &HashKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    /// Returns the first hex digits of HMAC-SHA256 over directory, one zero byte, id. A zero byte within a directory, which
    /// no real one has, is replaced by a byte that UTF-8 never contains: otherwise two users could have the same hash.
    pub fn hash(&self, user: UserKey<'_>) -> impl Iterator<Item = char> + use<> {
        let mut context = hmac::Context::with_key(&self.0);
        for (number, part) in user.directory.split('\0').enumerate() {
            context.update(if number > 0 { &[0xff] } else { &[] });
            context.update(part.as_bytes());
        }
        context.update(&[0]);
        context.update(user.id.as_bytes());
        let tag = context.sign();
        let nibbles = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xf]).take(HASH_DIGITS);
        let digits: Vec<char> = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect();
        digits.into_iter()
    }
}
