//! Any users on any pairs with any settings, as text in both formats, read again, equal a plain computation.
//!
//! The reader here is quick and strict. One input in sixteen goes through the parser of others as well, which
//! is some fifty times slower.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use openmetrics_parser::{LabelSet, OpenMetricsValue, PrometheusValue};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use qlik_session_exporter::collect::pair::Answer;
use qlik_session_exporter::collect::tally::Counting;
use qlik_session_exporter::collect::topology::{ProxyPlan, Topology};
use qlik_session_exporter::collect::{PairSnapshot, SiteSnapshot, Used};
use qlik_session_exporter::config::{Exclusion, HashKey, UserLabel, UserSettings};
use qlik_session_exporter::exposition::Sites;
use qlik_session_exporter::qlik::{QueryError, UserKey, VirtualProxy};
use sha2::Sha256;

#[derive(Arbitrary, Debug)]
struct Input {
    label: Label,
    session_limit: u8,
    min_sessions: u8,
    max_series: u8,
    exclude: Vec<Excluded>,
    /// Directories and ids; users and exclusions name them by number.
    names: Vec<String>,
    sites: Vec<Site>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
enum Label {
    Plain,
    Hashed,
    Off,
}

#[derive(Arbitrary, Debug)]
struct Excluded {
    directory: u8,
    user_id: Option<u8>,
    /// Whether the user id is the beginning only.
    star: bool,
}

#[derive(Arbitrary, Debug)]
struct Site {
    name: u8,
    pairs: Vec<Pair>,
}

#[derive(Arbitrary, Debug)]
struct Pair {
    proxy: u8,
    virtual_proxy: u8,
    state: State,
    /// Directory, id, sessions.
    users: Vec<(u8, u8, u8)>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
enum State {
    Kept,
    Awaited,
    Failed,
    GaveUp,
}

const KEY: &[u8] = b"key";

/// The other parser takes a carriage return for the end of a line; to both formats it is a character like
/// others. This one stands for it, and is kept out of the names.
const CARRIAGE_RETURN: &str = "\u{e00d}";

/// Metric, labels with their values; the sample's value.
type Series = BTreeMap<(String, Vec<(String, String)>), f64>;

/// Users with their sessions.
type Users = BTreeMap<(String, String), u32>;

/// One answer: proxy, virtual proxy, and what it says when it is a good one.
type Answered = (String, String, Option<Vec<(String, String, u32)>>);

fuzz_target!(|input: Input| {
    let world = World::new(&input);
    let expected = world.expected();
    let settings = Arc::new(world.settings());
    for openmetrics in [false, true] {
        let mut registry = Registry::default();
        let snapshots = world.sites.iter().map(snapshot).collect();
        registry.register_collector(Box::new(Sites { snapshots, users: settings.clone() }));
        let mut output = String::new();
        match openmetrics {
            false => prometheus_text::encode(&mut output, &registry).unwrap(),
            true => text::encode(&mut output, &registry).unwrap(),
        }
        assert_eq!(read(&output, openmetrics), expected, "{output}");
        if input.session_limit < 16 {
            assert_eq!(read_by_others(&output, openmetrics), expected, "{output}");
        }
    }
});

/// The input in names, with what cannot be left out: a site, proxy or virtual proxy twice.
struct World<'a> {
    input: &'a Input,
    names: Vec<String>,
    sites: Vec<(String, Vec<(Answered, State)>)>,
}

impl<'a> World<'a> {
    fn new(input: &'a Input) -> Self {
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

    fn settings(&self) -> UserSettings {
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

    fn limit(&self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(u32::from(self.input.session_limit % 10))
    }

    fn min_sessions(&self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(u32::from(self.input.min_sessions % 6))
    }

    fn is_excluded(&self, directory: &str, id: &str) -> bool {
        self.input.exclude.iter().take(3).any(|excluded| {
            let pattern = |number: u8| folded(&self.name(number).replace('*', ""));
            folded(directory) == pattern(excluded.directory)
                && excluded.user_id.is_none_or(|user_id| match excluded.star {
                    true => folded(id).starts_with(&pattern(user_id)),
                    false => folded(id) == pattern(user_id),
                })
        })
    }

    /// By the contract's words, without a thought for speed.
    fn expected(&self) -> Series {
        let mut series = Series::new();
        let mut add = |metric: &str, labels: &[(&str, &str)], value: f64| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            assert_eq!(series.insert((metric.to_owned(), sorted(labels)), value), None, "named twice");
        };
        let limit = self.limit().get();
        for (site, pairs) in &self.sites {
            add("qlik_user_session_limit", &[("site", site)], limit.into());
            let mut of_site = Users::new();
            let mut of_pairs = Vec::new();
            for ((proxy, virtual_proxy, answer), _) in pairs {
                let labels = [("site", &**site), ("proxy", proxy), ("virtual_proxy", virtual_proxy)];
                add("qlik_proxy_up", &labels, f64::from(u8::from(answer.is_some())));
                let Some(rows) = answer else { continue };
                let (mut sessions, mut anonymous, mut users) = (0, 0, Users::new());
                for (directory, id, count) in rows {
                    sessions += count;
                    if directory == "NONE" && id.starts_with("anonymous") {
                        anonymous += count;
                    } else {
                        *users.entry((directory.clone(), id.clone())).or_default() += count;
                        *of_site.entry((directory.clone(), id.clone())).or_default() += count;
                    }
                }
                add("qlik_proxy_sessions", &labels, sessions.into());
                add("qlik_proxy_anonymous_sessions", &labels, anonymous.into());
                add("qlik_proxy_users", &labels, users.len() as f64);
                of_pairs.push((labels, users));
            }
            if of_pairs.is_empty() {
                continue;
            }
            let counted: Vec<_> = of_site.iter().filter(|((d, u), _)| !self.is_excluded(d, u)).collect();
            add("qlik_site_users", &[("site", site)], of_site.len() as f64);
            let with = |least: u32| counted.iter().filter(|(_, sessions)| **sessions >= least).count() as f64;
            for least in 1..=limit {
                let labels = [("site", &**site), ("at_least", &least.to_string())];
                add("qlik_site_users_with_sessions", &labels, with(least));
            }
            add("qlik_site_users_at_session_limit", &[("site", site)], with(limit));

            let mut ranked: Vec<_> =
                counted.iter().filter(|(_, sessions)| **sessions >= self.min_sessions().get()).collect();
            ranked.sort_by_key(|(user, sessions)| (u32::MAX - **sessions, *user));
            if self.input.label == Label::Off {
                ranked.clear();
            }
            let mut room = usize::from(self.input.max_series);
            let mut listed = BTreeSet::new();
            for (user, _) in &ranked {
                let wanted = of_pairs.iter().filter(|(_, users)| users.contains_key(*user)).count();
                if wanted > room {
                    break;
                }
                room -= wanted;
                listed.insert(*user);
            }
            add("qlik_site_users_unlisted", &[("site", site)], (ranked.len() - listed.len()) as f64);
            for (labels, users) in &of_pairs {
                for ((directory, id), sessions) in users.iter().filter(|(user, _)| listed.contains(user)) {
                    let hashed = hashed(directory, id);
                    let mut labels = labels.to_vec();
                    match self.input.label {
                        Label::Hashed => labels.push(("user_id", &hashed)),
                        _ => labels.extend([("user_directory", &**directory), ("user_id", id)]),
                    }
                    add("qlik_user_sessions", &labels, (*sessions).into());
                }
            }
        }
        series
    }
}

/// As the exclusions compare: the letters that are one in upper case are one.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The contract names one zero byte between directory and id. In a directory no zero byte can stand, lest two
/// users be one: it counts as a byte that no text holds.
fn hashed(directory: &str, id: &str) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    let directory: Vec<u8> = directory.bytes().map(|byte| if byte == 0 { 0xff } else { byte }).collect();
    hmac.update(&[&directory, &[0][..], id.as_bytes()].concat());
    hmac.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn snapshot((name, pairs): &(String, Vec<(Answered, State)>)) -> SiteSnapshot {
    SiteSnapshot {
        name: name.as_str().into(),
        topology: Arc::new(Topology::default()),
        pairs: pairs.iter().map(pair).collect(),
        expiries: Vec::new(),
        repository: None,
    }
}

fn pair(((proxy, virtual_proxy, answer), state): &(Answered, State)) -> PairSnapshot {
    let outcome = answer.as_ref().ok_or(QueryError::HttpStatus(500)).map(|rows| {
        let mut counting = Counting::default();
        for (directory, id, count) in rows {
            (0..*count).for_each(|n| counting.add(UserKey { directory, id }, &n.to_string()));
        }
        counting.finish().0
    });
    let answer = || {
        let (at, took) = (tokio::time::Instant::now(), Duration::from_millis(20));
        Arc::new(Answer { outcome, at, took })
    };
    PairSnapshot {
        proxy: Arc::new(ProxyPlan {
            name: proxy.as_str().into(),
            host: "sense1".into(),
            port: 4243,
            url: "https://sense1:4243".parse().unwrap(),
            virtual_proxies: Vec::new(),
            found: None,
        }),
        virtual_proxy: VirtualProxy::parse(virtual_proxy).unwrap(),
        used: match state {
            State::Kept => Used::Kept(answer()),
            State::Awaited | State::Failed => Used::Awaited(answer()),
            State::GaveUp => Used::GaveUp,
        },
        history: Default::default(),
    }
}

/// Every gauge; none may stand twice, and all samples of one stand together. Counters are left out.
fn read(output: &str, openmetrics: bool) -> Series {
    let mut series = Series::new();
    let mut types = BTreeMap::new();
    let mut last = "";
    let body = match openmetrics {
        true => output.strip_suffix("# EOF\n").expect("an end"),
        false => output,
    };
    for line in body.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (keyword, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match keyword {
                "TYPE" => assert_eq!(types.insert(name, rest), None, "{name} twice"),
                other => assert!(matches!(other, "HELP" | "UNIT"), "{line:?}"),
            }
            last = name;
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(name.starts_with(last), "{name} stands among {last}");
        if types.get(name) == Some(&"gauge") {
            let key = (name.to_owned(), sorted(labels.into_iter()));
            assert_eq!(series.insert(key, value), None, "twice: {line:?}");
        }
    }
    series
}

/// A sample's name, labels and value.
fn sample(line: &str) -> (&str, Vec<(String, String)>, f64) {
    let (name, mut rest) = line.split_once('{').expect("labels");
    let mut labels = Vec::new();
    loop {
        let (label, quoted) = rest.split_once("=\"").expect("a label");
        assert!(
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{line:?}"
        );
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().expect("the end of a label's value") {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('"' | '\\'))) => c,
                    other => panic!("{other:?} after a backslash: {line:?}"),
                }),
                (_, c) => value.push(c),
            }
        };
        labels.push((label.to_owned(), value));
        rest = &quoted[end + 1..];
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ").expect("the end of the labels");
    (name, labels, value.parse().expect("a number"))
}

/// The same as the other parser reads it.
fn read_by_others(output: &str, openmetrics: bool) -> Series {
    let mut series = Series::new();
    // Nothing at all, which the other parser does not take for OpenMetrics.
    if matches!(output, "" | "# EOF\n") {
        return series;
    }
    let output = output.replace('\r', CARRIAGE_RETURN);
    let mut add = |metric: &str, labels: Result<LabelSet<'_>, _>, value: f64| {
        let labels = labels.unwrap_or_else(|error: openmetrics_parser::ParseError| panic!("{error}"));
        let labels = labels.iter().map(|(name, value)| (name.clone(), value.replace(CARRIAGE_RETURN, "\r")));
        let key = (metric.to_owned(), sorted(labels));
        assert_eq!(series.insert(key, value), None, "{metric} twice\n{output}");
    };
    if openmetrics {
        let read = openmetrics_parser::openmetrics::parse_openmetrics(&output);
        for (name, family) in &read.unwrap_or_else(|error| panic!("{error}\n{output}")).families {
            for sample in family.iter_samples() {
                if let OpenMetricsValue::Gauge(value) = &sample.value {
                    add(name, sample.get_labelset(), value.as_f64());
                }
            }
        }
    } else {
        let read = openmetrics_parser::prometheus::parse_prometheus(&output);
        for (name, family) in &read.unwrap_or_else(|error| panic!("{error}\n{output}")).families {
            for sample in family.iter_samples() {
                if let PrometheusValue::Gauge(value) = &sample.value {
                    add(name, sample.get_labelset(), value.as_f64());
                }
            }
        }
    }
    series
}

fn sorted(labels: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut labels: Vec<_> = labels.collect();
    labels.sort();
    labels
}
