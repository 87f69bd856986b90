//! What the fuzzer chooses: users on pairs of sites, and settings.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use arbitrary::Arbitrary;
use qlik_session_exporter::config::{Exclusion, HashKey, UserLabel, UserSettings};

use crate::read::CARRIAGE_RETURN;

#[derive(Arbitrary, Debug)]
pub struct Input {
    pub label: Label,
    pub session_limit: u8,
    min_sessions: u8,
    pub max_series: u8,
    exclude: Vec<Excluded>,
    /// Directories and ids; users and exclusions name them by number.
    names: Vec<String>,
    sites: Vec<Site>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
pub enum Label {
    Plain,
    Hashed,
    Off,
}

#[derive(Arbitrary, Debug)]
pub struct Excluded {
    directory: u8,
    user_id: Option<u8>,
    /// Whether the user id is the beginning only.
    star: bool,
}

#[derive(Arbitrary, Debug)]
pub struct Site {
    name: u8,
    pairs: Vec<Pair>,
}

#[derive(Arbitrary, Debug)]
pub struct Pair {
    proxy: u8,
    virtual_proxy: u8,
    state: State,
    /// Directory, id, sessions.
    users: Vec<(u8, u8, u8)>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
pub enum State {
    Kept,
    Awaited,
    Failed,
    GaveUp,
}

pub const KEY: &[u8] = b"key";

/// One answer: proxy, virtual proxy, and what a good one contains.
pub type Answered = (String, String, Option<Vec<(String, String, u32)>>);

/// The input in names, less what cannot be: a site or a pair twice.
pub struct World<'a> {
    pub input: &'a Input,
    names: Vec<String>,
    pub sites: Vec<(String, Vec<(Answered, State)>)>,
}

impl<'a> World<'a> {
    pub fn new(input: &'a Input) -> Self {
        let mut names: Vec<_> =
            input.names.iter().take(16).map(|name| name.replace(CARRIAGE_RETURN, "")).collect();
        names.extend(["NONE", "anonymous", "", "LAB"].map(str::to_owned));
        let name = |number: u8| names[usize::from(number) % names.len()].clone();
        let mut known_sites = BTreeSet::new();
        let mut sites = Vec::new();
        for site in input.sites.iter().take(3) {
            let site_name = name(site.name);
            if !known_sites.insert(site_name.clone()) {
                continue;
            }
            let mut known = BTreeSet::new();
            let mut pairs = Vec::new();
            for pair in site.pairs.iter().take(5) {
                let prefixes = ["/", "/sales", "/a/b"];
                let virtual_proxy = prefixes[usize::from(pair.virtual_proxy) % prefixes.len()].to_owned();
                let proxy = name(pair.proxy);
                if !known.insert((proxy.clone(), virtual_proxy.clone())) {
                    continue;
                }
                let users =
                    pair.users.iter().take(12).map(|(d, u, n)| (name(*d), name(*u), 1 + u32::from(n % 8)));
                let good = matches!(pair.state, State::Kept | State::Awaited);
                pairs.push(((proxy, virtual_proxy, good.then(|| users.collect())), pair.state));
            }
            sites.push((site_name, pairs));
        }
        Self { input, names, sites }
    }

    fn name(&self, number: u8) -> &str {
        &self.names[usize::from(number) % self.names.len()]
    }

    pub fn settings(&self) -> UserSettings {
        let exclude = self.input.exclude.iter().take(3).map(|excluded| {
            let user_id = excluded.user_id.map(|id| {
                let star = if excluded.star { "*" } else { "" };
                format!("{}{star}", self.name(id).replace('*', ""))
            });
            Exclusion::new(&self.name(excluded.directory).replace('*', ""), user_id.as_deref())
        });
        UserSettings {
            label: match self.input.label {
                Label::Plain => UserLabel::Plain,
                Label::Hashed => UserLabel::Hashed(HashKey::new(KEY)),
                Label::Off => UserLabel::Off,
            },
            session_limit: self.limit(),
            min_sessions: self.min_sessions(),
            max_series: self.input.max_series.into(),
            exclude: exclude.collect(),
        }
    }

    pub fn limit(&self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(u32::from(self.input.session_limit % 10))
    }

    pub fn min_sessions(&self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(u32::from(self.input.min_sessions % 6))
    }

    pub fn is_excluded(&self, directory: &str, id: &str) -> bool {
        self.input.exclude.iter().take(3).any(|excluded| {
            let pattern = |number: u8| folded(&self.name(number).replace('*', ""));
            folded(directory) == pattern(excluded.directory)
                && excluded.user_id.is_none_or(|user_id| match excluded.star {
                    true => folded(id).starts_with(&pattern(user_id)),
                    false => folded(id) == pattern(user_id),
                })
        })
    }
}

/// As the exclusions compare: the letters that are one in upper case are one.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}
