//! The users of a whole site: their sessions summed over its pairs, and who gets series of their own.

use aws_lc_rs::hmac;
use hashbrown::HashTable;
use itertools::Itertools;

use crate::collector::PairSnapshot;
use crate::collector::tally::{Tally, hash_user};
use crate::config::{HashKey, UserLabel, UserSettings};
use qlik_sense::UserKey;

/// All users of one site at one moment, over the pairs that answered. Either all of them keep names, or none does
/// ([`Keep`](crate::collector::tally::Keep)): then there are sums, and nobody is known by name.
pub struct SiteUsers<'a> {
    pairs: &'a [PairSnapshot],
    /// What each of them answered.
    tallies: Vec<Option<&'a Tally>>,
    /// Those who are known by name.
    users: Vec<User>,
    /// For each pair, in its order: the place in `users` of each user of its tally.
    places: Vec<Vec<u32>>,
    distinct: usize,
    /// Users with at least 1, 2, … sessions, up to the limit; excluded ones left out.
    pub at_least: Vec<u64>,
    /// Users without series because of `max_series`.
    pub unlisted: u64,
}

/// Small, the name stays where it is: twice as much in one block takes 3 MiB more at 20,000 users, for the C library
/// keeps blocks of a size that it has seen freed.
struct User {
    /// The first pair that has the user, and the place in its tally.
    pair: u32,
    place: u32,
    /// Summed over the site.
    sessions: u32,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Excluded,
    Unlisted,
    Listed,
}

/// One user's sessions on one pair.
pub struct UserSeries<'a> {
    pub pair: &'a PairSnapshot,
    /// The user's place on the site, for what is known of the user once.
    pub place: usize,
    pub user: UserKey<'a>,
    pub sessions: u32,
}

impl<'a> SiteUsers<'a> {
    /// Sums up; nothing when no pair answered.
    pub fn new(pairs: &'a [PairSnapshot], settings: &UserSettings) -> Option<Self> {
        let tallies: Vec<_> = pairs.iter().map(PairSnapshot::tally).collect();
        if tallies.iter().all(Option::is_none) {
            return None;
        }
        let mut site = Self {
            pairs,
            tallies,
            users: Vec::new(),
            places: Vec::new(),
            distinct: 0,
            at_least: vec![0; settings.session_limit.get() as usize],
            unlisted: 0,
        };
        site.sum_up_names(settings);
        site.sum_up_hashes();
        site.choose_listed(settings);
        Some(site)
    }

    /// Distinct users, excluded ones too.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// Users with as many sessions as the limit, or more.
    pub fn at_limit(&self) -> u64 {
        self.at_least.last().copied().unwrap_or_default()
    }

    /// Those users who are known by name, with their sessions; most sessions first.
    pub fn reached_limit(&self) -> Vec<(UserKey<'a>, u32)> {
        let limit = u32::try_from(self.at_least.len()).unwrap_or(u32::MAX);
        let reached = |user: &&User| user.standing != Standing::Excluded && user.sessions >= limit;
        let named = |user: &User| (user.key(&self.tallies), user.sessions);
        let mut reached: Vec<_> = self.users.iter().filter(reached).map(named).collect();
        reached.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        reached
    }

    /// The series of the listed users, pair by pair.
    pub fn series<'s>(&'s self) -> impl Iterator<Item = UserSeries<'a>> + use<'s, 'a> {
        self.pairs.iter().zip(&self.places).flat_map(move |(pair, places)| {
            let users = pair.tally().into_iter().flat_map(Tally::users);
            users.zip(places).filter_map(move |((user, sessions), place)| {
                let place = *place as usize;
                let listed = self.users.get(place).is_some_and(|user| user.standing == Standing::Listed);
                listed.then_some(UserSeries { pair, place, user, sessions })
            })
        })
    }

    /// Every user once who is known by name, and where each pair's users are among them.
    fn sum_up_names(&mut self, settings: &UserSettings) {
        let Self { tallies, users, places, .. } = self;
        let counts = || tallies.iter().flatten().map(|tally| tally.users().len());
        // Most users of a site are on its largest virtual proxy.
        let largest = counts().max().unwrap_or_default();
        users.reserve(largest);
        let mut table = HashTable::<u32>::with_capacity(largest);
        for (pair, tally) in (0..).zip(tallies.iter()) {
            let mut of_pair = Vec::with_capacity(tally.map_or(0, |tally| tally.users().len()));
            for (place, (key, sessions)) in (0..).zip(tally.iter().flat_map(|tally| tally.users())) {
                let hash = hash_user(key);
                let key_at = |place: &u32| users.get(*place as usize).map(|user| user.key(tallies));
                let on_site = match table.find(hash, |place| key_at(place) == Some(key)) {
                    Some(known) => *known,
                    None => {
                        let new = u32::try_from(users.len()).unwrap_or(u32::MAX);
                        table.insert_unique(hash, new, |place| key_at(place).map_or(0, hash_user));
                        users.push(User { pair, place, sessions: 0, standing: Standing::Unlisted });
                        new
                    }
                };
                if let Some(user) = users.get_mut(on_site as usize) {
                    user.sessions = user.sessions.saturating_add(sessions);
                }
                of_pair.push(on_site);
            }
            places.push(of_pair);
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

    /// Those of whom no more than a hash is kept: a user's sessions follow each other when all are in order.
    fn sum_up_hashes(&mut self) {
        let hashes = self.tallies.iter().flatten().map(|tally| tally.hashes());
        let (counted, excluded): (Vec<_>, Vec<_>) = hashes.unzip();
        for (sessions, _) in counted.into_iter().kmerge().dedup_with_count() {
            self.distinct += 1;
            add_to(&mut self.at_least, sessions);
        }
        self.distinct += excluded.into_iter().kmerge().dedup().count();
    }

    /// Marks who gets series: users with most sessions first, ties by name; the first who does not fit
    /// whole ends the list.
    fn choose_listed(&mut self, settings: &UserSettings) {
        if matches!(settings.label, UserLabel::Off) {
            return;
        }
        let Self { tallies, users, places, .. } = self;
        let wanted =
            |user: &User| user.standing != Standing::Excluded && user.sessions >= settings.min_sessions.get();
        let all =
            places.iter().flatten().filter(|place| users.get(**place as usize).is_some_and(wanted)).count();
        if all <= settings.max_series {
            let listed = users.iter_mut().filter(|user| wanted(user));
            listed.for_each(|user| user.standing = Standing::Listed);
            return;
        }
        let mut series = vec![0usize; users.len()];
        for place in places.iter().flatten() {
            series.get_mut(*place as usize).into_iter().for_each(|series| *series += 1);
        }
        let mut ranked: Vec<_> = users.iter_mut().zip(series).filter(|(user, _)| wanted(user)).collect();
        ranked.sort_unstable_by(|(a, _), (b, _)| {
            b.sessions.cmp(&a.sessions).then_with(|| a.key(tallies).cmp(&b.key(tallies)))
        });
        self.unlisted = ranked.len() as u64;
        let mut room = settings.max_series;
        for (user, series) in ranked {
            let Some(left) = room.checked_sub(series) else { break };
            room = left;
            user.standing = Standing::Listed;
            self.unlisted -= 1;
        }
    }
}

/// One more user with so many sessions.
fn add_to(at_least: &mut [u64], sessions: usize) {
    at_least.iter_mut().take(sessions).for_each(|count| *count += 1);
}

impl User {
    /// Among the `tallies` from which it comes.
    fn key<'a>(&self, tallies: &[Option<&'a Tally>]) -> UserKey<'a> {
        let tally = tallies.get(self.pair as usize).copied().flatten();
        tally.and_then(|tally| tally.key_at(self.place)).unwrap_or_default()
    }
}

/// The `user_id` labels of `label = "hashed"`, by the users' places on the site.
pub struct Hashes {
    /// [`HASH_DIGITS`] for each place.
    digits: String,
}

/// A label has so many hex digits of the hash: 64 bits, enough that no two users of a site meet.
const HASH_DIGITS: usize = 16;

impl Hashes {
    pub fn new(users: &SiteUsers<'_>, key: &HashKey) -> Self {
        let hasher = Hasher::new(key);
        let named = users.users.iter().map(|user| user.key(&users.tallies));
        let digits = named.flat_map(|user| hasher.hash(user)).collect();
        Self { digits }
    }

    pub fn get(&self, place: usize) -> &str {
        let start = place * HASH_DIGITS;
        self.digits.get(start..start + HASH_DIGITS).unwrap_or_default()
    }
}

/// How a user is named wherever one is named alone, as in the log.
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

    /// What stands for `user_directory` and `user_id`, if anything does.
    pub fn name(&self, user: UserKey<'_>) -> (Option<String>, Option<String>) {
        match self {
            Self::Plain => (Some(user.directory.to_owned()), Some(user.id.to_owned())),
            Self::Hashed(hasher) => (None, Some(hasher.hash(user).collect())),
            Self::Off => (None, None),
        }
    }
}

/// Makes such a label.
pub struct Hasher(hmac::Key);

impl Hasher {
    pub fn new(key: &HashKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    /// The first hex digits of HMAC-SHA256 over directory, one zero byte, id. A directory with a zero byte in
    /// it, which no real one has, has a byte in its place that no text holds: else two users could be one.
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
