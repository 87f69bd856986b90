//! What can be chosen about a simulated site.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;

/// More nodes than any site has; each takes an address and a port.
const MAX_NODES: u16 = 250;
/// Virtual proxies, per site.
const MAX_VIRTUAL_PROXIES: usize = 500;
/// Sessions and users: about 1 GiB of memory.
const MAX_PEOPLE: usize = 10_000_000;
/// Sessions started, and as many ended, in a second.
const MAX_CHURN: f64 = 100_000.0;
/// Nodes that can be added to a running site and are named in the certificate that it made.
const SPARE_ADDRESSES: u16 = 16;
/// The longest prefix that Qlik accepts, in characters.
const MAX_PREFIX: usize = 100;

/// What can be chosen about a simulated site. `Default` is a small site on Qlik's own ports.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the certificates are, or are put when there are none; `config.toml` is written there too.
    pub certs: PathBuf,
    /// How many nodes run a proxy service.
    pub nodes: u16,
    /// The first node's address; the next nodes take the next addresses.
    pub host: IpAddr,
    /// The repository's port on the first node; 0: any free one.
    pub qrs_port: u16,
    /// The proxy services' port; 0: any free one, another on each node.
    pub qps_port: u16,
    /// Prefixes without slashes around them; `""` or `/` is the default virtual proxy.
    pub virtual_proxies: Vec<String>,
    /// Which virtual proxies each node links, the first node's first; a node without an entry links all.
    pub links: Vec<Vec<String>>,
    /// The nodes' host names as the repository tells them, the first node's first; a node without an entry
    /// has its address as its host name. New server certificates are for these names too.
    pub host_names: Vec<String>,
    /// Sessions on the whole site at the start.
    pub sessions: usize,
    /// People who may have sessions, beside the anonymous visitors.
    pub users: usize,
    /// Sessions that start, and as many that end, per second on average.
    pub churn: f64,
    /// How long each answer is held back.
    pub latency: Duration,
    /// The same seed makes the same site.
    pub seed: u64,
    /// Whether the written configuration names the repository alone, instead of every proxy service.
    pub discovery: bool,
    /// The port of the control address on 127.0.0.1, 0 for any free one; `None`: there is none.
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
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        let at_most = |flag, found: usize, most: usize, expected| {
            if found > most { Err(refused(flag, found.to_string(), expected)) } else { Ok(()) }
        };
        if self.nodes == 0 || self.nodes > MAX_NODES {
            return Err(refused("nodes", self.nodes.to_string(), "1 to 250"));
        }
        at_most("sessions", self.sessions, MAX_PEOPLE, "10000000 at most")?;
        at_most("users", self.users, MAX_PEOPLE, "10000000 at most")?;
        // Neither NaN nor an infinity is within a range.
        if !(0.0..=MAX_CHURN).contains(&self.churn) {
            return Err(refused("churn", self.churn.to_string(), "0 to 100000 sessions per second"));
        }
        if self.qrs_port == self.qps_port && self.qrs_port != 0 {
            let expected = "another port than --qrs-port's, since both are on the first node";
            return Err(refused("qps-port", self.qps_port.to_string(), expected));
        }
        self.check_prefixes()?;
        if self.host.is_unspecified() || self.host.is_multicast() {
            return Err(refused("host", self.host.to_string(), "an address that clients can connect to"));
        }
        if nth_after(self.host, self.nodes - 1).is_none() {
            let found = format!("{} for the first of {} nodes", self.host, self.nodes);
            return Err(refused("host", found, "an address with enough addresses after it"));
        }
        Ok(())
    }

    /// The prefixes as Qlik stores them: the default one is empty.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.virtual_proxies.iter().map(|p| if p == "/" { "" } else { p.as_str() })
    }

    /// What clients may call the site's servers.
    pub(super) fn server_names(&self) -> Vec<String> {
        let addresses = (0..self.nodes).filter_map(|n| nth_after(self.host, n)).map(|a| a.to_string());
        addresses.chain(self.host_names.iter().cloned()).chain(["localhost".to_owned()]).collect()
    }

    /// The addresses of nodes that may be added later.
    pub(super) fn spare_addresses(&self) -> Vec<String> {
        let spare = self.nodes..self.nodes.saturating_add(SPARE_ADDRESSES);
        spare.filter_map(|n| nth_after(self.host, n)).map(|address| address.to_string()).collect()
    }

    fn check_prefixes(&self) -> Result<(), Error> {
        let flag = "virtual-proxies";
        if self.virtual_proxies.is_empty() || self.virtual_proxies.len() > MAX_VIRTUAL_PROXIES {
            return Err(refused(flag, self.virtual_proxies.len().to_string(), "1 to 500 prefixes"));
        }
        let mut seen = BTreeSet::new();
        for prefix in self.prefixes() {
            check_prefix(prefix)?;
            if !seen.insert(prefix) {
                return Err(refused(flag, format!("{prefix:?} twice"), "each prefix once"));
            }
        }
        let unknown = self.links.iter().flatten().find(|link| !seen.contains(link.trim_matches('/')));
        unknown.map_or(Ok(()), |link| {
            Err(refused(flag, format!("no {link:?}, which a node links"), "each prefix that is linked"))
        })
    }
}

/// Refuses what Qlik would not accept as a prefix.
pub(super) fn check_prefix(prefix: &str) -> Result<(), Error> {
    let expected = "prefixes of a-z 0-9 - . _ ~ and inner slashes, 100 characters at most";
    let refusal = || refused("virtual-proxies", format!("{prefix:?}"), expected);
    if is_prefix(prefix) { Ok(()) } else { Err(refusal()) }
}

pub(super) fn refused(flag: &'static str, found: String, expected: &'static str) -> Error {
    Error::Option { flag, found, expected }
}

fn is_prefix(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/".contains(c);
    text.is_empty()
        || (text.len() <= MAX_PREFIX
            && text.chars().all(allowed)
            && text.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// The address so many after this one.
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
    fn the_next_nodes_take_the_next_addresses() {
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
    fn an_address_nobody_can_connect_to_is_refused() {
        assert!(message(|o| o.host = [0, 0, 0, 0].into()).contains("clients can connect to"));
    }

    #[test]
    fn a_churn_that_is_no_rate_is_refused() {
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
    fn a_link_to_a_virtual_proxy_that_is_not_there_is_refused() {
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
    fn one_port_for_both_services_is_refused_unless_it_is_any() {
        assert!(message(|o| o.qrs_port = o.qps_port).starts_with("--qps-port"));
        assert!(Options { qrs_port: 0, qps_port: 0, ..Options::default() }.check().is_ok());
    }
}
