//! The users of a whole site: their sessions summed over its pairs, and who gets series of their own.

use aws_lc_rs::hmac;
use hashbrown::HashTable;

use crate::collect::PairSnapshot;
use crate::collect::tally::{Tally, hash_user};
use crate::config::{HashKey, UserLabel, UserSettings};
use crate::qlik::UserKey;

/// All users of one site at one moment, over the pairs that answered.
pub struct SiteUsers<'a> {
    users: Vec<User<'a>>,
    /// For each pair, in its order: the place in `users` of each user of its tally.
    places: Vec<Vec<u32>>,
    /// Users with at least 1, 2, … sessions, up to the limit; excluded ones left out.
    pub at_least: Vec<u64>,
    /// Users without series because of `max_series`.
    pub unlisted: u64,
}

struct User<'a> {
    key: UserKey<'a>,
    /// Summed over the site.
    sessions: u32,
    /// Pairs that have the user.
    series: u32,
    excluded: bool,
    listed: bool,
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
        if pairs.iter().all(|pair| pair.tally().is_none()) {
            return None;
        }
        let (users, places) = sum_up(pairs);
        let limit = settings.session_limit.get();
        let mut site = Self { users, places, at_least: vec![0; limit as usize], unlisted: 0 };
        for user in &mut site.users {
            user.excluded = settings.exclude.iter().any(|exclusion| exclusion.matches(user.key));
            if !user.excluded {
                let reached = user.sessions.min(limit) as usize;
                site.at_least.iter_mut().take(reached).for_each(|count| *count += 1);
            }
        }
        site.choose_listed(settings);
        Some(site)
    }

    /// Distinct users, excluded ones too.
    pub fn distinct(&self) -> usize {
        self.users.len()
    }

    /// Users with as many sessions as the limit, or more.
    pub fn at_limit(&self) -> u64 {
        self.at_least.last().copied().unwrap_or_default()
    }

    /// Those users by name, with their sessions; most sessions first.
    pub fn reached_limit(&self) -> Vec<(UserKey<'a>, u32)> {
        let limit = u32::try_from(self.at_least.len()).unwrap_or(u32::MAX);
        let reached = self.users.iter().filter(|user| !user.excluded && user.sessions >= limit);
        let mut reached: Vec<_> = reached.map(|user| (user.key, user.sessions)).collect();
        reached.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        reached
    }

    /// The series of the listed users, pair by pair.
    pub fn series<'s>(
        &'s self,
        pairs: &'a [PairSnapshot],
    ) -> impl Iterator<Item = UserSeries<'a>> + use<'s, 'a> {
        pairs.iter().zip(&self.places).flat_map(move |(pair, places)| {
            let users = pair.tally().into_iter().flat_map(|tally| tally.users());
            users.zip(places).filter_map(move |((user, sessions), place)| {
                let place = *place as usize;
                let listed = self.users.get(place).is_some_and(|user| user.listed);
                listed.then_some(UserSeries { pair, place, user, sessions })
            })
        })
    }

    /// Marks who gets series: users with most sessions first, ties by name; the first who does not fit
    /// whole ends the list.
    fn choose_listed(&mut self, settings: &UserSettings) {
        if matches!(settings.label, UserLabel::Off) {
            return;
        }
        let wanted = |user: &User<'_>| !user.excluded && user.sessions >= settings.min_sessions.get();
        let series: usize =
            self.users.iter().filter(|user| wanted(user)).map(|user| user.series as usize).sum();
        if series <= settings.max_series {
            self.users.iter_mut().for_each(|user| user.listed = wanted(user));
            return;
        }
        let mut ranked: Vec<&mut User<'_>> = self.users.iter_mut().filter(|user| wanted(user)).collect();
        ranked.sort_unstable_by(|a, b| b.sessions.cmp(&a.sessions).then_with(|| a.key.cmp(&b.key)));
        self.unlisted = ranked.len() as u64;
        let mut room = settings.max_series;
        for user in ranked {
            let Some(left) = room.checked_sub(user.series as usize) else { break };
            room = left;
            user.listed = true;
            self.unlisted -= 1;
        }
    }
}

/// Every user of the site once, and where each pair's users are among them.
fn sum_up(pairs: &[PairSnapshot]) -> (Vec<User<'_>>, Vec<Vec<u32>>) {
    // Most users of a site are on its largest virtual proxy.
    let largest =
        pairs.iter().filter_map(PairSnapshot::tally).map(Tally::user_count).max().unwrap_or_default();
    let mut users: Vec<User<'_>> = Vec::with_capacity(largest);
    let mut table = HashTable::<u32>::with_capacity(largest);
    let mut places = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let mut of_pair = Vec::with_capacity(pair.tally().map_or(0, Tally::user_count));
        for (key, sessions) in pair.tally().into_iter().flat_map(Tally::users) {
            let hash = hash_user(key);
            let known =
                table.find(hash, |&place| users.get(place as usize).is_some_and(|user| user.key == key));
            let place = known.copied().unwrap_or_else(|| {
                let place = u32::try_from(users.len()).unwrap_or(u32::MAX);
                users.push(User { key, sessions: 0, series: 0, excluded: false, listed: false });
                let rehash = |&place: &u32| users.get(place as usize).map_or(0, |user| hash_user(user.key));
                table.insert_unique(hash, place, rehash);
                place
            });
            if let Some(user) = users.get_mut(place as usize) {
                user.sessions = user.sessions.saturating_add(sessions);
                user.series += 1;
            }
            of_pair.push(place);
        }
        places.push(of_pair);
    }
    (users, places)
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
        let digits = users.users.iter().flat_map(|user| hasher.hash(user.key)).collect();
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
