//! One value into its type: what was found, what was expected. No file is touched here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::{Num, Value};
use url::Url;

use super::file::PATH_ADVICE;
use super::keys::{Kind, without_quotes};
use super::patterns::{Exclusion, VirtualProxyPattern};
use qlik_sense::VirtualProxy;

/// What is wrong with a value, or with a part of it.
#[derive(Debug, PartialEq)]
pub struct Problem {
    /// The names and numbers from the value to its part.
    pub part: Vec<String>,
    /// The same as messages write it.
    pub shown: String,
    /// What was found, or all that there is to say.
    text: String,
    /// What was expected instead, as TOML has it.
    expected: Option<String>,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { part: Vec::new(), shown: String::new(), text: text.into(), expected: None }
    }

    /// What it says; `in_toml`: of a value that is written as TOML, and so in quotes.
    pub fn told(&self, in_toml: bool) -> String {
        let Self { text, expected, .. } = self;
        match expected {
            None => text.clone(),
            Some(expected) if in_toml => format!("{text}, expected {expected}"),
            Some(expected) => format!("{text}, expected {}", without_quotes(expected)),
        }
    }

    fn in_item(mut self, number: usize) -> Self {
        self.part.insert(0, number.to_string());
        self.shown.insert_str(0, &format!("[{number}]"));
        self
    }

    fn in_member(mut self, name: &str) -> Self {
        self.part.insert(0, name.to_owned());
        self.shown.insert_str(0, &format!(".{}", super::keys::shown(&[name])));
        self
    }
}

/// The value, or all that is wrong with it.
pub type Read<T> = Result<T, Vec<Problem>>;

fn problem<T>(text: impl Into<String>) -> Read<T> {
    Err(vec![Problem::new(text)])
}

/// "Found this, expected that"; `expected` in place of what the kind expects.
fn unexpected<T>(kind: &Kind, value: &Value, expected: Option<&str>) -> Read<T> {
    let expected = expected.map_or_else(|| kind.expected(), str::to_owned);
    let found = Problem::new(format!("found {}", found(kind, value)));
    Err(vec![Problem { expected: Some(expected), ..found }])
}

/// A value as messages show it: no secrets, not too long.
pub fn found(kind: &Kind, value: &Value) -> String {
    /// In characters: enough for every path of Windows' usual limit.
    const MAX: usize = 260;
    let is_secret = matches!(kind, Kind::SecretFile);
    match value {
        Value::String(_, text) if text.contains("-----BEGIN") => "the text of a PEM file".into(),
        Value::String(_, text) if text.chars().count() > MAX => {
            let start: String = shown_text(text).chars().take(MAX).collect();
            format!("{start:?}… ({} characters)", text.chars().count())
        }
        Value::String(_, text) => format!("{:?}", shown_text(text)),
        Value::Char(_, text) => format!("{text:?}"),
        Value::Bool(_, value) => format!("{value} (a boolean)"),
        Value::Num(..) if is_secret => "a number".into(),
        Value::Num(_, Num::F32(_) | Num::F64(_)) => {
            format!("{} (a number)", value.to_f64().unwrap_or(f64::NAN))
        }
        Value::Num(..) => format!("{} (an integer)", value.to_i128().unwrap_or_default()),
        Value::Empty(..) => "a date or time".into(),
        Value::Dict(..) => "a section".into(),
        Value::Array(..) => "a list".into(),
    }
}

/// A text without the user name and password that an address may hold.
fn shown_text(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", text.get(..scheme + 3).unwrap_or_default(), text.get(at..).unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// A text that is neither empty nor holds control characters.
pub fn text(kind: &Kind, value: &Value) -> Read<String> {
    let Some(text) = value.as_str() else { return unexpected(kind, value, None) };
    let is_path = matches!(kind, Kind::File | Kind::SecretFile);
    if text.trim().is_empty() {
        let expected = format!("{}, not an empty one", kind.expected());
        return unexpected(kind, value, Some(&expected));
    }
    if is_path && text.contains("-----BEGIN") {
        return unexpected(kind, value, Some("the path of the file that holds it"));
    }
    if text.chars().any(char::is_control) {
        let advice = if is_path { PATH_ADVICE } else { "" };
        let expected = format!("{} without control characters; {advice}", kind.expected());
        return unexpected(kind, value, Some(expected.trim_end_matches([' ', ';'])));
    }
    Ok(text.to_owned())
}

/// One of the names that the kind knows.
pub fn choice(kind: &Kind, value: &Value) -> Read<&'static str> {
    let names = if let Kind::Choice(names) = kind { *names } else { &[] };
    let chosen = value.as_str().and_then(|text| names.iter().find(|name| **name == text));
    chosen.map_or_else(|| unexpected(kind, value, None), |name| Ok(*name))
}

pub fn whole(kind: &Kind, value: &Value) -> Read<u64> {
    let number = match value {
        Value::Num(_, Num::F32(_) | Num::F64(_)) => None,
        other => other.to_i128().and_then(|number| u64::try_from(number).ok()),
    };
    match (number, kind) {
        (Some(number), Kind::Whole(range)) if range.contains(&number) => Ok(number),
        _ => unexpected(kind, value, None),
    }
}

pub fn duration(kind: &Kind, value: &Value) -> Read<Duration> {
    let duration = value.as_str().and_then(|text| humantime::parse_duration(text.trim()).ok());
    match (duration, kind) {
        (Some(duration), Kind::Duration(range)) if range.contains(&duration) => Ok(duration),
        _ => unexpected(kind, value, None),
    }
}

pub fn size(kind: &Kind, value: &Value) -> Read<u64> {
    let size = value.as_str().and_then(|text| text.trim().parse::<ByteSize>().ok());
    match (size, kind) {
        (Some(ByteSize(size)), Kind::Size(range)) if range.contains(&size) => Ok(size),
        _ => unexpected(kind, value, None),
    }
}

/// `https`, a host, a port or the kind's; nothing else.
pub fn url(kind: &Kind, value: &Value) -> Read<Url> {
    let written = text(kind, value)?;
    let wrong = |expected: &str| unexpected(kind, value, Some(&format!("{expected}: {}", kind.expected())));
    let scheme = written.get(..8).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("https://") {
        return wrong("https");
    }
    let mut url = match Url::parse(&written) {
        Ok(url) => url,
        Err(error) => return wrong(&format!("an address ({error})")),
    };
    if !url.username().is_empty() || url.password().is_some() || written.contains('@') {
        return wrong("no user name or password in it");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || written.contains('\\') {
        return wrong("nothing after host and port");
    }
    // Url hides a port that is the scheme's own, 443: only the text tells whether it was written.
    let authority = written.get(8..).unwrap_or_default().trim_end_matches('/');
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    let has_port = after_host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
    if let (false, Kind::Url { port }) = (has_port, kind)
        && url.set_port(Some(*port)).is_err()
    {
        return wrong("a host");
    }
    if url.port_or_known_default() == Some(0) {
        return wrong("a port from 1 to 65535");
    }
    Ok(url)
}

/// Every item of a list, or all that is wrong with any.
fn each<T>(kind: &Kind, value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let Some(items) = value.as_array() else { return unexpected(kind, value, None) };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (number, item) in items.iter().enumerate() {
        match read(item) {
            Ok(item) => good.push(item),
            Err(problems) => bad.extend(problems.into_iter().map(|problem| problem.in_item(number))),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Addresses to listen on.
pub fn addresses(kind: &Kind, value: &Value) -> Read<Vec<SocketAddr>> {
    let addresses = each(kind, value, |item| {
        let parsed = item.as_str().map_or(Err(ADDRESS), address);
        parsed.or_else(|expected| unexpected(kind, item, Some(expected)))
    })?;
    let mut seen = BTreeSet::new();
    let twice = |address: &&SocketAddr| address.port() != 0 && !seen.insert(**address);
    match addresses.iter().find(twice) {
        _ if addresses.is_empty() => problem("found an empty list, expected at least one address"),
        Some(address) => problem(format!("found {address} twice, expected each address once")),
        None => Ok(addresses),
    }
}

/// How an address to listen on is written.
const ADDRESS: &str = r#"IP:PORT, localhost:PORT or :PORT, such as "0.0.0.0:9877" or "[::1]:9877""#;

/// One address to listen on, or what was expected instead; `:PORT` is all IPv4 addresses of this host.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or(ADDRESS)?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ADDRESS);
    }
    let port: u16 = port.parse().map_err(|_| "a port from 0 to 65535")?;
    let ip = match host {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return text.parse().map_err(|_| not_an_ip(host)),
    };
    Ok((ip, port).into())
}

/// What is expected instead of a host that is no IP address.
fn not_an_ip(host: &str) -> &'static str {
    let is_name = host.contains(char::is_alphabetic)
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'));
    match (is_name, host.parse::<Ipv6Addr>()) {
        (true, _) => {
            r#"an IP address of this host instead of a name, such as "0.0.0.0:9877" for all of them"#
        }
        (_, Ok(_)) => r#"an IPv6 address in brackets, such as "[::1]:9877""#,
        _ => ADDRESS,
    }
}

/// Prefixes, each once, however often and in which way it is written.
pub fn virtual_proxies(kind: &Kind, value: &Value) -> Read<Vec<VirtualProxy>> {
    let mut seen = BTreeSet::new();
    let mut found =
        prefixes(kind, value, |text| VirtualProxy::parse(text).map_err(|error| error.to_string()))?;
    found.retain(|virtual_proxy| seen.insert(virtual_proxy.clone()));
    match found.is_empty() {
        true => problem("found an empty list, expected at least one prefix"),
        false => Ok(found),
    }
}

/// Patterns of the only virtual proxies that are asked.
pub fn some_virtual_proxy_patterns(kind: &Kind, value: &Value) -> Read<Vec<VirtualProxyPattern>> {
    match virtual_proxy_patterns(kind, value)? {
        none if none.is_empty() => {
            problem("found an empty list, expected at least one prefix, or no list for all")
        }
        some => Ok(some),
    }
}

pub fn virtual_proxy_patterns(kind: &Kind, value: &Value) -> Read<Vec<VirtualProxyPattern>> {
    prefixes(kind, value, |text| VirtualProxyPattern::parse(text).map_err(|error| error.to_string()))
}

fn prefixes<T>(kind: &Kind, value: &Value, parse: impl Fn(&str) -> Result<T, String>) -> Read<Vec<T>> {
    each(kind, value, |item| match item.as_str().map(&parse) {
        Some(Ok(prefix)) => Ok(prefix),
        Some(Err(error)) => problem(format!("found {}: {error}", found(kind, item))),
        None => unexpected(kind, item, Some("a prefix in quotes")),
    })
}

/// Users without series of their own.
pub fn exclusions(kind: &Kind, value: &Value) -> Read<Vec<Exclusion>> {
    each(kind, value, |item| {
        let Some(members) = item.as_dict() else {
            return unexpected(kind, item, Some(r#"{ directory = "…", user_id = "…" }"#));
        };
        let mut problems = Vec::new();
        let mut pattern = |name: &str| {
            let value = members.get(name)?;
            let text = value.as_str();
            if text.is_none() {
                let text = format!("found {}, expected a string in quotes", found(kind, value));
                problems.push(Problem::new(text).in_member(name));
            }
            text
        };
        let (directory, user_id) = (pattern("directory"), pattern("user_id"));
        for name in members.keys().filter(|name| !matches!(name.as_str(), "directory" | "user_id")) {
            problems.push(Problem::new("unknown, expected directory or user_id").in_member(name));
        }
        match directory {
            Some(directory) if problems.is_empty() => Ok(Exclusion::new(directory, user_id)),
            None if !members.contains_key("directory") => {
                problems.push(Problem::new(r#"has no directory, expected { directory = "…" }"#));
                Err(problems)
            }
            _ => Err(problems),
        }
    })
}

#[cfg(test)]
mod tests;
