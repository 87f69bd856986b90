//! Every key of the configuration, defined once: its section, name, type and default.

use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use figment::value::Value;

use super::key_path::{KeyPath, Part};
use super::kinds::{
    Addresses, Choice, DurationBetween, Exclusions, FilePath, HttpsUrl, Kind, Patterns, SizeBetween, Switch,
    Text, Unavailable, UrlPath, VirtualProxies, Whole,
};
use super::settings::{LogFormat, LogLevel};
use super::toml_value;
use qlik_sense::credentials::Verify;

/// What stands in a section's path for a name of the user's choice.
pub const NAME: &str = "*";

/// A key and the type of its value.
#[derive(Debug)]
pub struct Key<K> {
    pub info: KeyInfo,
    pub kind: K,
}

/// What is known of a key without its type.
#[derive(Debug)]
pub struct KeyInfo {
    /// The path of its section.
    section: &'static [&'static str],
    pub name: &'static str,
    /// As an environment variable would give it.
    pub default: Option<&'static str>,
    /// Whether an environment variable holds the text itself instead of TOML.
    pub takes_text: bool,
    /// False: known, but not available in this version.
    pub is_available: bool,
}

/// A section, and all keys in it.
#[derive(Debug)]
pub struct SectionKeys {
    /// The names from the top; [`NAME`] stands for one of the user's choice.
    pub path: &'static [&'static str],
    pub keys: &'static [&'static KeyInfo],
}

impl<K: Kind> Key<K> {
    const fn new(
        section: &'static [&'static str],
        name: &'static str,
        kind: K,
        default: Option<&'static str>,
    ) -> Self {
        let info =
            KeyInfo { section, name, default, takes_text: K::TAKES_TEXT, is_available: K::IS_AVAILABLE };
        Self { info, kind }
    }
}

impl KeyInfo {
    /// Converts the text of an environment variable. Text that is no TOML stays text, so that an error can show it.
    pub fn value_of(&self, text: &str) -> Value {
        match self.takes_text {
            true => Value::from(text),
            false => toml_value::parse(text.trim()).unwrap_or_else(|| Value::from(text)),
        }
    }

    /// Returns the flag that sets this key where a command has one.
    pub fn flag(&self) -> String {
        let name = self.name.replace('_', "-");
        match self.section {
            [] => format!("--web.{name}"),
            [_, NAME, ..] => flag(self.name),
            section => format!("--{}.{name}", section.join(".")),
        }
    }

    /// Returns the names from the top to the key.
    pub fn full_path(&self) -> Vec<&'static str> {
        [self.section, &[self.name]].concat()
    }

    /// Returns whether the key belongs to a site.
    pub fn is_of_site(&self) -> bool {
        self.section == site::SECTION.path
    }
}

/// Returns the flag that stands for a key of a site: `--user-id` for `user_id`.
pub fn flag(site_key: &str) -> String {
    format!("--{}", site_key.replace('_', "-"))
}

/// Defines the keys of a section, and the list of them.
macro_rules! section {
    ($module:ident, [$($path:expr),*]: $($key:ident: $kind:ty = $name:literal, $value:expr, $default:expr;)*) => {
        pub mod $module {
            use super::*;
            const PATH: &[&str] = &[$($path),*];
            $(pub static $key: Key<$kind> = Key::new(PATH, $name, $value, $default);)*
            pub static SECTION: SectionKeys = SectionKeys { path: PATH, keys: &[$(&$key.info),*] };
        }
    };
}

section! { top, []:
    LISTEN_ADDRESS: Addresses = "listen_address", Addresses, Some(r#"["0.0.0.0:9877"]"#);
    CACHE_TTL: DurationBetween = "cache_ttl", milliseconds(0, 3_600_000), Some("10s");
    REQUEST_TIMEOUT: DurationBetween = "request_timeout", milliseconds(1, 600_000), Some("5s");
    SCRAPE_TIMEOUT_OFFSET: DurationBetween = "scrape_timeout_offset", milliseconds(0, 60_000), Some("500ms");
    MAX_REQUESTS_PER_PROXY: Whole<NonZeroUsize> = "max_requests_per_proxy", whole(1, 256), Some("4");
    MAX_RESPONSE_SIZE: SizeBetween = "max_response_size", SizeBetween(1 << 10..=4 << 30), Some("64MiB");
}

section! { users, ["users"]:
    LABEL: Choice<LabelKind> = "label", LABEL_CHOICE, Some("plain");
    HASH_KEY_FILE: FilePath = "hash_key_file", FilePath::OF_SECRET, None;
    SESSION_LIMIT: Whole<NonZeroU32> = "session_limit", whole(1, 1000), Some("5");
    MIN_SESSIONS: Whole<NonZeroU32> = "min_sessions", whole(1, 1_000_000), Some("1");
    MAX_SERIES: Whole<usize> = "max_series", whole(0, 10_000_000), Some("50000");
    EXCLUDE: Exclusions = "exclude", Exclusions, Some("[]");
}

section! { events, ["events"]:
    LISTEN_ADDRESS: Unavailable = "listen_address", Unavailable, None;
    ALLOW_FROM: Unavailable = "allow_from", Unavailable, None;
}

section! { web, ["web"]:
    TELEMETRY_PATH: UrlPath = "telemetry_path", UrlPath, Some("/metrics");
    ENABLE_LIFECYCLE: Switch = "enable_lifecycle", Switch, Some("false");
}

section! { log, ["log"]:
    LEVEL: Choice<LogLevel> = "level", LEVEL_CHOICE, Some("info");
    FORMAT: Choice<LogFormat> = "format", FORMAT_CHOICE, Some("logfmt");
    FILE: FilePath = "file", FilePath::PLAIN, None;
}

section! { site, ["site", NAME]:
    USER_DIRECTORY: Text = "user_directory", Text, Some("INTERNAL");
    USER_ID: Text = "user_id", Text, Some("sa_api");
    CERTIFICATE: FilePath = "certificate", FilePath::PLAIN, None;
    KEY: FilePath = "key", FilePath::PLAIN, None;
    KEY_PASSWORD_FILE: FilePath = "key_password_file", FilePath::OF_SECRET, None;
    CA: FilePath = "ca", FilePath::PLAIN, None;
    VERIFY: Choice<Verify> = "verify", VERIFY_CHOICE, Some("full");
    REPOSITORY: HttpsUrl = "repository", HttpsUrl { port: 4242 }, None;
    REPOSITORY_REFRESH: DurationBetween = "repository_refresh", milliseconds(1000, 86_400_000), Some("5m");
    VIRTUAL_PROXIES: Patterns = "virtual_proxies", Patterns { may_be_empty: false }, None;
    EXCLUDE_VIRTUAL_PROXIES: Patterns = "exclude_virtual_proxies", Patterns { may_be_empty: true }, Some("[]");
    EVENT_HOSTS: Unavailable = "event_hosts", Unavailable, None;
}

section! { proxy, ["site", NAME, "proxy", NAME]:
    URL: HttpsUrl = "url", HttpsUrl { port: 4243 }, None;
    VIRTUAL_PROXIES: VirtualProxies = "virtual_proxies", VirtualProxies, None;
}

/// Every section, in the order in which messages list them.
pub static SECTIONS: &[&SectionKeys] = &[
    &top::SECTION,
    &users::SECTION,
    &events::SECTION,
    &web::SECTION,
    &log::SECTION,
    &site::SECTION,
    &proxy::SECTION,
];

/// How users are named, without the key that `Hashed` needs.
#[derive(Debug, Clone, Copy)]
pub enum LabelKind {
    Plain,
    Hashed,
    Off,
}

const LABEL_CHOICE: Choice<LabelKind> =
    Choice(&[("plain", LabelKind::Plain), ("hashed", LabelKind::Hashed), ("off", LabelKind::Off)]);

const VERIFY_CHOICE: Choice<Verify> =
    Choice(&[("full", Verify::Full), ("ca", Verify::Ca), ("none", Verify::None)]);

const LEVEL_CHOICE: Choice<LogLevel> = Choice(&[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
]);

const FORMAT_CHOICE: Choice<LogFormat> = Choice(&[("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)]);

const fn milliseconds(least: u64, most: u64) -> DurationBetween {
    DurationBetween(Duration::from_millis(least)..=Duration::from_millis(most))
}

const fn whole<T>(least: u64, most: u64) -> Whole<T> {
    Whole { range: least..=most, number: PhantomData }
}

/// What stands at a path.
#[derive(Debug)]
pub enum Entry {
    Key(&'static KeyInfo),
    Section {
        /// Whether any key in it is available.
        is_available: bool,
        /// Whether its own name is of the user's choice.
        is_named: bool,
    },
    Unknown,
}

/// Returns what stands at `path`.
pub fn entry(path: &KeyPath) -> Entry {
    if let Some((around, name)) = path.split_last()
        && let Some(key) =
            section(&around).and_then(|section| section.keys.iter().find(|key| key.name == name))
    {
        return Entry::Key(key);
    }
    let length = path.parts().len();
    let mut within =
        SECTIONS.iter().filter(|section| section.path.get(..length).is_some_and(|p| fits(p, path)));
    let Some(first) = within.clone().next() else { return Entry::Unknown };
    let is_named = length.checked_sub(1).and_then(|last| first.path.get(last)) == Some(&NAME);
    let is_available = within.any(|section| section.keys.iter().any(|key| key.is_available));
    Entry::Section { is_available, is_named }
}

/// Returns the section at `path`, when keys may stand in it.
fn section(path: &KeyPath) -> Option<&'static SectionKeys> {
    SECTIONS.iter().find(|section| fits(section.path, path)).copied()
}

/// Returns the names that may stand in the section at `path`, those of the user's choice left out.
pub fn names_in(path: &KeyPath) -> Vec<&'static str> {
    let keys = section(path).into_iter().flat_map(|section| section.keys);
    let mut names: Vec<_> = keys.filter(|key| key.is_available).map(|key| key.name).collect();
    let length = path.parts().len();
    for section in SECTIONS.iter().filter(|section| section.keys.iter().any(|key| key.is_available)) {
        if let Some((around, [name, ..])) = section.path.split_at_checked(length)
            && fits(around, path)
            && *name != NAME
            && !names.contains(name)
        {
            names.push(name);
        }
    }
    names
}

/// Returns whether a path stands for this section, or for a part of the way to it.
fn fits(section: &[&str], path: &KeyPath) -> bool {
    let names = section.iter().zip(path.parts());
    section.len() == path.parts().len()
        && names.into_iter().all(|(name, part)| match part {
            Part::Name(given) => *name == NAME || name == given,
            Part::Item(_) => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<const N: usize>(names: [&str; N]) -> KeyPath {
        names.into_iter().collect()
    }

    #[test]
    fn path_is_a_key_a_section_or_unknown() {
        assert!(matches!(entry(&path(["cache_ttl"])), Entry::Key(key) if key.name == "cache_ttl"));
        assert!(matches!(entry(&path(["site", "x", "proxy", "y", "url"])), Entry::Key(_)));
        assert!(matches!(entry(&path(["users"])), Entry::Section { is_available: true, is_named: false }));
        assert!(matches!(entry(&path(["site", "x"])), Entry::Section { is_available: true, is_named: true }));
        assert!(matches!(entry(&path(["events"])), Entry::Section { is_available: false, .. }));
        assert!(matches!(entry(&path(["cache_ttl", "x"])), Entry::Unknown));
        assert!(matches!(entry(&path(["sites"])), Entry::Unknown));
    }

    #[test]
    fn names_of_a_section_leave_out_those_of_the_users_choice() {
        assert_eq!(names_in(&path(["site", "x", "proxy", "y"])), ["url", "virtual_proxies"]);
        assert_eq!(names_in(&path(["site"])), [""; 0]);
        assert!(names_in(&path([])).contains(&"users"));
        assert!(names_in(&path(["site", "x"])).contains(&"proxy"));
    }

    #[test]
    fn string_key_stays_a_string_and_other_values_are_read_as_toml() {
        assert_eq!(site::USER_ID.info.value_of("123").as_str(), Some("123"));
        assert_eq!(site::KEY.info.value_of(r"C:\certs").as_str(), Some(r"C:\certs"));
        assert_eq!(users::SESSION_LIMIT.info.value_of(" 10 ").to_i128(), Some(10));
        assert_eq!(users::SESSION_LIMIT.info.value_of("abc").as_str(), Some("abc"));
        let exclude = users::EXCLUDE.info.value_of(r#"[{directory="LAB"}]"#);
        let first = exclude.as_array().unwrap()[0].as_dict().unwrap();
        assert_eq!(first.get("directory").unwrap().as_str(), Some("LAB"));
    }
}
