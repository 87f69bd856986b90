//! Keys that take a list.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use figment::value::{Dict, Value};

use super::kind::{Kind, Read, ValueError, error, found, unexpected};
use super::scalars::Text;
use crate::config::key_path::KeyPath;
use crate::config::patterns::{Exclusion, VirtualProxyPattern};
use qlik_sense::VirtualProxy;
use qlik_sense::types::PrefixError;

/// Converts every item of a list, or returns what is wrong with any of them.
fn each<T>(kind: &impl Kind, value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let Some(items) = value.as_array() else { return kind.unexpected(value) };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (number, item) in items.iter().enumerate() {
        match read(item) {
            Ok(item) => good.push(item),
            Err(errors) => {
                let part = KeyPath::default().item(number);
                bad.extend(errors.into_iter().map(|error| error.in_part(&part)));
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Addresses to listen on.
#[derive(Debug)]
pub struct Addresses;

impl Kind for Addresses {
    type Value = Vec<SocketAddr>;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        r#"a list of addresses such as ["0.0.0.0:9877"]"#.into()
    }

    fn read(&self, value: &Value) -> Read<Vec<SocketAddr>> {
        let addresses = each(self, value, |item| {
            let parsed = item.as_str().map_or(Err(ADDRESS), address);
            parsed.or_else(|expected| unexpected(item, expected))
        })?;
        if addresses.is_empty() {
            return error("found an empty list, expected at least one address");
        }
        let mut seen = BTreeSet::new();
        for address in &addresses {
            if address.port() != 0 && !seen.insert(address) {
                return error(format!("found {address} twice, expected each address once"));
            }
        }
        Ok(addresses)
    }
}

/// How an address to listen on is written.
const ADDRESS: &str = r#"IP:PORT, localhost:PORT or :PORT, such as "0.0.0.0:9877" or "[::1]:9877""#;

/// Parses an address to listen on, or returns what was expected; `:PORT` is all IPv4 addresses of this host.
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

/// Returns what is expected instead of a host that is no IP address.
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

/// Prefixes of virtual proxies, each once, however often and in which way it is written.
#[derive(Debug)]
pub struct VirtualProxies;

impl Kind for VirtualProxies {
    type Value = Vec<VirtualProxy>;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        r#"a list of prefixes such as ["/", "/sales"]"#.into()
    }

    fn read(&self, value: &Value) -> Read<Vec<VirtualProxy>> {
        let mut found = each(self, value, |item| prefix(item, VirtualProxy::parse))?;
        let mut seen = BTreeSet::new();
        found.retain(|virtual_proxy| seen.insert(virtual_proxy.clone()));
        match found.is_empty() {
            true => error("found an empty list, expected at least one prefix"),
            false => Ok(found),
        }
    }
}

/// Prefixes in which `*` stands for any run of characters.
#[derive(Debug)]
pub struct Patterns {
    pub may_be_empty: bool,
}

impl Kind for Patterns {
    type Value = Vec<VirtualProxyPattern>;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        r#"a list of prefixes such as ["/", "/sales", "/test*"]"#.into()
    }

    fn read(&self, value: &Value) -> Read<Vec<VirtualProxyPattern>> {
        let patterns = each(self, value, |item| prefix(item, VirtualProxyPattern::parse))?;
        match patterns.is_empty() && !self.may_be_empty {
            true => error("found an empty list, expected at least one prefix, or no list for all"),
            false => Ok(patterns),
        }
    }
}

fn prefix<T>(item: &Value, parse: fn(&str) -> Result<T, PrefixError>) -> Read<T> {
    let Some(text) = item.as_str() else { return unexpected(item, "a prefix in quotes") };
    parse(text).or_else(|wrong| error(format!("found {}: {wrong}", found(item))))
}

/// Users without series of their own: tables with `directory` and `user_id`.
#[derive(Debug)]
pub struct Exclusions;

const DIRECTORY: &str = "directory";
const USER_ID: &str = "user_id";

impl Kind for Exclusions {
    type Value = Vec<Exclusion>;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        r#"a list such as [{ directory = "LAB", user_id = "svc_*" }]"#.into()
    }

    fn read(&self, value: &Value) -> Read<Vec<Exclusion>> {
        each(self, value, |item| match item.as_dict() {
            Some(members) => exclusion(members),
            None => unexpected(item, r#"{ directory = "…", user_id = "…" }"#),
        })
    }
}

fn exclusion(members: &Dict) -> Read<Exclusion> {
    let mut errors = Vec::new();
    for (name, value) in members {
        let found: Read<()> = match name.as_str() {
            DIRECTORY | USER_ID if value.as_str().is_some() => continue,
            DIRECTORY | USER_ID => unexpected(value, Text.expected()),
            _ => error("unknown, expected directory or user_id"),
        };
        let part = KeyPath::default().child(name);
        errors.extend(found.err().into_iter().flatten().map(|error| error.in_part(&part)));
    }
    if !members.contains_key(DIRECTORY) {
        errors.push(ValueError::new(r#"has no directory, expected { directory = "…" }"#));
    }
    let directory = members.get(DIRECTORY).and_then(Value::as_str);
    match directory {
        Some(directory) if errors.is_empty() => {
            Ok(Exclusion::new(directory, members.get(USER_ID).and_then(Value::as_str)))
        }
        _ => Err(errors),
    }
}
