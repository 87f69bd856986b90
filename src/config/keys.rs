//! The one table of everything that can be configured.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Whether events are taken in this version.
const EVENTS: bool = false;

/// One key: where it stands, what it takes, what holds without it.
#[derive(Debug)]
pub struct Key {
    /// The names from the top, with dots between them; `*` is a name of the user's choice.
    pub path: &'static str,
    pub kind: Kind,
    /// As an environment variable would give it.
    pub default: Option<&'static str>,
    /// False: known, and not yet available in this version.
    pub available: bool,
}

/// What a key takes.
#[derive(Debug)]
pub enum Kind {
    /// Any text but an empty one.
    Text,
    /// The path of a file.
    File,
    /// The path of a file with a secret: what stands here may be the secret itself by mistake.
    SecretFile,
    /// An address of a service, with the port that holds when none is named.
    Url {
        port: u16,
    },
    Choice(&'static [&'static str]),
    Duration(RangeInclusive<Duration>),
    /// A number of bytes.
    Size(RangeInclusive<u64>),
    Whole(RangeInclusive<u64>),
    /// A list of addresses to listen on.
    Addresses,
    /// A list of prefixes.
    VirtualProxies,
    /// A list of prefixes in which `*` stands for any run of characters.
    VirtualProxyPatterns,
    /// A list of tables with `directory` and `user_id`.
    Exclusions,
    /// A list of texts.
    Texts,
}

impl Kind {
    /// Whether an environment variable holds the text itself, and not TOML.
    pub fn is_text(&self) -> bool {
        use Kind::{Choice, Duration, File, SecretFile, Size, Text, Url};
        matches!(self, Text | File | SecretFile | Url { .. } | Choice(_) | Duration(_) | Size(_))
    }

    /// What a mistake says was expected.
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "a string in quotes".into(),
            Self::File | Self::SecretFile => "the path of a file in quotes".into(),
            Self::Url { port } => format!("an address such as \"https://sense1.company.com:{port}\""),
            Self::Choice(names) => format!("one of \"{}\"", names.join("\", \"")),
            Self::Duration(range) => {
                let shown = |duration: &Duration| humantime::format_duration(*duration).to_string();
                let (least, most) = (shown(range.start()), shown(range.end()));
                format!("a duration from {least} to {most}, such as \"10s\" or \"500ms\"")
            }
            Self::Size(range) => {
                let shown = |size: &u64| format!("{:.0}", bytesize::ByteSize::b(*size).display().iec());
                let (least, most) = (shown(range.start()), shown(range.end()));
                format!("a size from {least} to {most}, such as \"64MiB\"")
            }
            Self::Whole(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Addresses => r#"a list of addresses such as ["0.0.0.0:9877"]"#.into(),
            Self::VirtualProxies => r#"a list of prefixes such as ["/", "/sales"]"#.into(),
            Self::VirtualProxyPatterns => r#"a list of prefixes such as ["/", "/sales", "/test*"]"#.into(),
            Self::Exclusions => r#"a list such as [{ directory = "LAB", user_id = "svc_*" }]"#.into(),
            Self::Texts => r#"a list of strings such as ["a", "b"]"#.into(),
        }
    }
}

/// What was expected of a text that is written as it is, as in a flag: TOML's quotes would be part of it.
pub fn without_quotes(expected: &str) -> String {
    expected.replace(" in quotes", "").replace('"', "")
}

const fn key(path: &'static str, kind: Kind, default: Option<&'static str>) -> Key {
    Key { path, kind, default, available: true }
}

/// A key that is not in every version.
const fn key_if(available: bool, path: &'static str, kind: Kind, default: Option<&'static str>) -> Key {
    Key { path, kind, default, available }
}

const fn milliseconds(least: u64, most: u64) -> Kind {
    Kind::Duration(Duration::from_millis(least)..=Duration::from_millis(most))
}

/// Every key there is.
pub static KEYS: &[Key] = &[
    key("listen_address", Kind::Addresses, Some(r#"["0.0.0.0:9877"]"#)),
    key("cache_ttl", milliseconds(0, 3_600_000), Some("10s")),
    key("request_timeout", milliseconds(1, 600_000), Some("5s")),
    key("scrape_timeout_offset", milliseconds(0, 60_000), Some("500ms")),
    key("max_requests_per_proxy", Kind::Whole(1..=256), Some("4")),
    key("max_response_size", Kind::Size(1 << 10..=4 << 30), Some("64MiB")),
    key("users.label", Kind::Choice(&["plain", "hashed", "off"]), Some("plain")),
    key("users.hash_key_file", Kind::SecretFile, None),
    key("users.session_limit", Kind::Whole(1..=1000), Some("5")),
    key("users.min_sessions", Kind::Whole(1..=1_000_000), Some("1")),
    key("users.max_series", Kind::Whole(0..=10_000_000), Some("50000")),
    key("users.exclude", Kind::Exclusions, Some("[]")),
    key_if(EVENTS, "events.listen_address", Kind::Addresses, None),
    key_if(EVENTS, "events.allow_from", Kind::Texts, None),
    key("site.*.user_directory", Kind::Text, Some("INTERNAL")),
    key("site.*.user_id", Kind::Text, Some("sa_api")),
    key("site.*.certificate", Kind::File, None),
    key("site.*.key", Kind::File, None),
    key("site.*.key_password_file", Kind::SecretFile, None),
    key("site.*.ca", Kind::File, None),
    key("site.*.verify", Kind::Choice(&["full", "ca", "none"]), Some("full")),
    key("site.*.repository", Kind::Url { port: 4242 }, None),
    key("site.*.repository_refresh", milliseconds(1000, 86_400_000), Some("5m")),
    key("site.*.virtual_proxies", Kind::VirtualProxyPatterns, None),
    key("site.*.exclude_virtual_proxies", Kind::VirtualProxyPatterns, Some("[]")),
    key_if(EVENTS, "site.*.event_hosts", Kind::Texts, None),
    key("site.*.proxy.*.url", Kind::Url { port: 4243 }, None),
    key("site.*.proxy.*.virtual_proxies", Kind::VirtualProxies, None),
];

/// What stands at a path.
#[derive(Debug)]
pub enum Place {
    Key(&'static Key),
    /// A table; whether any key in it is available.
    Section {
        available: bool,
        /// Whether its own name is of the user's choice.
        named: bool,
    },
    Unknown,
}

/// What stands at `path`.
pub fn place(path: &[impl AsRef<str>]) -> Place {
    let mut section: Option<(bool, bool)> = None;
    for key in KEYS {
        let mut names = key.path.split('.');
        let mut last = "";
        let fits = path.iter().all(|part| {
            names.next().is_some_and(|name| {
                last = name;
                name == "*" || name == part.as_ref()
            })
        });
        match (fits, names.next()) {
            (true, None) => return Place::Key(key),
            (true, Some(_)) => {
                let (available, _) = section.unwrap_or_default();
                section = Some((available || key.available, last == "*"));
            }
            (false, _) => {}
        }
    }
    section.map_or(Place::Unknown, |(available, named)| Place::Section { available, named })
}

/// The key at `path`, when there is one.
pub fn find(path: &[impl AsRef<str>]) -> Option<&'static Key> {
    match place(path) {
        Place::Key(key) => Some(key),
        _ => None,
    }
}

/// The names that may stand in the section at `path`, without those of the user's choice.
pub fn names_in(path: &[impl AsRef<str>]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for key in KEYS.iter().filter(|key| key.available) {
        let mut names = key.path.split('.');
        let fits =
            path.iter().all(|part| names.next().is_some_and(|name| name == "*" || name == part.as_ref()));
        if let (true, Some(name)) = (fits, names.next())
            && name != "*"
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

/// A path as messages write it.
pub fn shown(path: &[impl AsRef<str>]) -> String {
    let is_bare =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let parts: Vec<String> = path
        .iter()
        .map(|part| match part.as_ref() {
            part if is_bare(part) => part.to_owned(),
            part => format!("{part:?}"),
        })
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_key_a_section_or_nothing() {
        assert!(matches!(place(&["cache_ttl"]), Place::Key(key) if key.path == "cache_ttl"));
        assert!(matches!(place(&["site", "x", "proxy", "y", "url"]), Place::Key(_)));
        assert!(matches!(place(&["users"]), Place::Section { available: true, named: false }));
        assert!(matches!(place(&["site", "x"]), Place::Section { available: true, named: true }));
        assert!(matches!(place(&["events"]), Place::Section { available: EVENTS, .. }));
        assert!(matches!(place(&["cache_ttl", "x"]), Place::Unknown));
        assert!(matches!(place(&["sites"]), Place::Unknown));
    }

    #[test]
    fn names_of_a_section_are_known_without_those_of_the_users_choice() {
        assert_eq!(names_in(&["site", "x", "proxy", "y"]), ["url", "virtual_proxies"]);
        assert_eq!(names_in(&["site"]), [""; 0]);
        assert!(names_in(&[""; 0]).contains(&"users"));
    }

    #[test]
    fn a_path_is_shown_as_toml_would_write_it() {
        assert_eq!(shown(&["site", "my site", "key"]), r#"site."my site".key"#);
        assert_eq!(shown(&["site", "a.b", ""]), r#"site."a.b"."""#);
    }
}
