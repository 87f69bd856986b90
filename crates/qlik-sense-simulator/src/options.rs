//! The options of a simulated site and their checks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;

/// More nodes than any real site has; each one uses an address and a port.
const MAX_NODES: u16 = 250;
/// The most virtual proxies of a site.
const MAX_VIRTUAL_PROXIES: usize = 500;
/// The most sessions, and the most users: about 1 GiB of memory.
const MAX_COUNT: usize = 10_000_000;
/// The most sessions that start per second; as many end.
const MAX_CHURN: f64 = 100_000.0;
/// How many addresses of nodes that are added later a new server certificate contains.
const SPARE_ADDRESSES: u16 = 16;
/// The longest prefix that Qlik accepts, in characters.
const MAX_PREFIX: usize = 100;

/// The options of a simulated site. `Default` is a small site on Qlik's own ports.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the certificates, which are created if there are none. `config.toml` is written there too.
    pub certs: PathBuf,
    /// The number of nodes, each with a proxy service.
    pub nodes: u16,
    /// The first node's address; the other nodes get the next addresses.
    pub host: IpAddr,
    /// The repository's port on the first node; 0 for any free port.
    pub qrs_port: u16,
    /// The proxy services' port; 0 for any free port, a different one on each node.
    pub qps_port: u16,
    /// The prefixes of the virtual proxies, without slashes around them; `""` or `/` is the default virtual proxy.
    pub virtual_proxies: Vec<String>,
    /// The prefixes that each node links, in the order of the nodes. A node without an entry links all.
    pub links: Vec<Vec<String>>,
    /// The host names of the nodes in the repository, in the order of the nodes. The host name of a node without an
    /// entry is its address. New server certificates include these names.
    pub host_names: Vec<String>,
    /// The number of sessions on the whole site at the start.
    pub sessions: usize,
    /// The number of users who may have sessions, besides the anonymous visitors.
    pub users: usize,
    /// The number of sessions that start per second on average; as many end.
    pub churn: f64,
    /// The delay of each response.
    pub latency: Duration,
    /// The seed of the site: the same seed gives the same users and sessions.
    pub seed: u64,
    /// Whether `config.toml` contains the repository's URL instead of every proxy service's.
    pub discovery: bool,
    /// The port of the control address on 127.0.0.1; 0 for any free port, `None` for no control address.
    pub control_port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            certs: PathBuf::from("simulated-site"),
            nodes: 2,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            qrs_port: 4242,
            qps_port: 4243,
            virtual_proxies: ["", "sales", "finance"].map(str::to_owned).to_vec(),
            links: Vec::new(),
            host_names: Vec::new(),
            sessions: 80,
            users: 45,
            churn: 0.5,
            latency: Duration::ZERO,
            seed: 1,
            discovery: false,
            control_port: None,
        }
    }
}

impl Options {
    /// Returns an error for the first invalid option.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.nodes == 0 || self.nodes > MAX_NODES {
            return Err(invalid_option("nodes", self.nodes.to_string(), "1 to 250"));
        }
        check_count("sessions", self.sessions)?;
        check_count("users", self.users)?;
        // No range contains NaN or an infinity.
        if !(0.0..=MAX_CHURN).contains(&self.churn) {
            return Err(invalid_option("churn", self.churn.to_string(), "0 to 100000 sessions per second"));
        }
        if self.qrs_port == self.qps_port && self.qrs_port != 0 {
            let expected = "another port than --qrs-port's, since both are on the first node";
            return Err(invalid_option("qps-port", self.qps_port.to_string(), expected));
        }
        self.check_prefixes()?;
        if self.host.is_unspecified() || self.host.is_multicast() {
            return Err(invalid_option(
                "host",
                self.host.to_string(),
                "an address that clients can connect to",
            ));
        }
        if nth_after(self.host, self.nodes - 1).is_none() {
            let found = format!("{} for the first of {} nodes", self.host, self.nodes);
            return Err(invalid_option("host", found, "an address with enough addresses after it"));
        }
        Ok(())
    }

    /// Returns the prefixes as Qlik stores them: that of the default virtual proxy is empty.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.virtual_proxies.iter().map(|p| if p == "/" { "" } else { p.as_str() })
    }

    /// Returns the names and addresses by which clients may connect to the site.
    pub(super) fn server_names(&self) -> Vec<String> {
        let addresses = (0..self.nodes).filter_map(|n| nth_after(self.host, n)).map(|a| a.to_string());
        addresses.chain(self.host_names.iter().cloned()).chain(["localhost".to_owned()]).collect()
    }

    /// Returns the addresses of nodes that may be added later.
    pub(super) fn spare_addresses(&self) -> Vec<String> {
        let spare = self.nodes..self.nodes.saturating_add(SPARE_ADDRESSES);
        spare.filter_map(|n| nth_after(self.host, n)).map(|address| address.to_string()).collect()
    }

    fn check_prefixes(&self) -> Result<(), Error> {
        let flag = "virtual-proxies";
        if self.virtual_proxies.is_empty() || self.virtual_proxies.len() > MAX_VIRTUAL_PROXIES {
            return Err(invalid_option(flag, self.virtual_proxies.len().to_string(), "1 to 500 prefixes"));
        }
        let mut seen = BTreeSet::new();
        for prefix in self.prefixes() {
            check_prefix(prefix)?;
            if !seen.insert(prefix) {
                return Err(invalid_option(flag, format!("{prefix:?} twice"), "each prefix once"));
            }
        }
        let unknown = self.links.iter().flatten().find(|link| !seen.contains(link.trim_matches('/')));
        unknown.map_or(Ok(()), |link| {
            Err(invalid_option(
                flag,
                format!("no {link:?}, which a node links"),
                "each prefix that is linked",
            ))
        })
    }
}

/// Returns an error for a prefix that Qlik would not accept.
pub(super) fn check_prefix(prefix: &str) -> Result<(), Error> {
    if is_prefix(prefix) {
        return Ok(());
    }
    let expected = "prefixes of a-z 0-9 - . _ ~ and inner slashes, 100 characters at most";
    Err(invalid_option("virtual-proxies", format!("{prefix:?}"), expected))
}

fn check_count(flag: &'static str, found: usize) -> Result<(), Error> {
    if found > MAX_COUNT {
        return Err(invalid_option(flag, found.to_string(), "10000000 at most"));
    }
    Ok(())
}

pub(super) fn invalid_option(flag: &'static str, found: String, expected: &'static str) -> Error {
    Error::Option { flag, found, expected }
}

fn is_prefix(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= MAX_PREFIX
            && text.chars().all(is_allowed)
            && text.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/".contains(c)
}

/// Returns the address that follows `first` by `n`; `None` after the last address.
pub(super) fn nth_after(first: IpAddr, n: u16) -> Option<IpAddr> {
    Some(match first {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits().checked_add(n.into())?)),
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits().checked_add(n.into())?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn nodes_get_consecutive_addresses() {
        let options = Options { nodes: 3, host: [127, 0, 0, 254].into(), ..Options::default() };
        options.check().unwrap();
        assert_eq!(options.server_names(), ["127.0.0.254", "127.0.0.255", "127.0.1.0", "localhost"]);
        assert_eq!(options.spare_addresses().first().map(String::as_str), Some("127.0.1.1"));
    }

    #[test]
    fn a_host_with_too_few_addresses_after_it_is_refused() {
        let found = message(|o| o.host = [255, 255, 255, 255].into());
        assert_eq!(
            found,
            "--host: found 255.255.255.255 for the first of 2 nodes, expected an address with enough \
             addresses after it"
        );
    }

    #[test]
    fn an_address_that_clients_cannot_connect_to_is_refused() {
        assert!(message(|o| o.host = [0, 0, 0, 0].into()).contains("clients can connect to"));
    }

    #[test]
    fn a_churn_that_is_not_a_rate_is_refused() {
        for churn in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(message(|o| o.churn = churn).starts_with("--churn"), "{churn}");
        }
    }

    #[test]
    fn the_default_virtual_proxy_twice_is_refused() {
        let found = message(|o| o.virtual_proxies = vec!["".into(), "/".into()]);
        assert_eq!(found, "--virtual-proxies: found \"\" twice, expected each prefix once");
    }

    #[test]
    fn a_prefix_that_qlik_would_refuse_is_refused() {
        for prefix in ["Sales", "a b", "/sales", "a//b", "a/../b", &"x".repeat(101)] {
            let found = message(|o| o.virtual_proxies = vec![prefix.to_owned()]);
            assert!(found.starts_with("--virtual-proxies"), "{prefix}");
        }
    }

    #[test]
    fn a_link_to_an_unknown_virtual_proxy_is_refused() {
        assert!(Options { links: vec![vec!["/".into()], vec![]], ..Options::default() }.check().is_ok());
        let found = message(|o| o.links = vec![vec!["hr".into()]]);
        assert_eq!(
            found,
            "--virtual-proxies: found no \"hr\", which a node links, expected each prefix that is linked"
        );
    }

    #[test]
    fn no_node_and_too_many_nodes_are_refused() {
        assert!(message(|o| o.nodes = 0).starts_with("--nodes"));
        assert!(message(|o| o.nodes = 251).starts_with("--nodes"));
    }

    #[test]
    fn the_same_port_for_both_services_is_refused_unless_it_is_0() {
        assert!(message(|o| o.qrs_port = o.qps_port).starts_with("--qps-port"));
        assert!(Options { qrs_port: 0, qps_port: 0, ..Options::default() }.check().is_ok());
    }
}
