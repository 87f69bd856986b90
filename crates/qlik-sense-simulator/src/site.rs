//! The state of a simulated site, all of it in one place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::ids::uuid;
use crate::options::nth_after;
use crate::sessions::{List, SessionTable};

/// Pages of a session list that are written while its sessions are locked: a few milliseconds.
const PAGES_AT_ONCE: usize = 8;
/// Twice what the largest list needs when nothing changes meanwhile.
const MAX_STEPS: usize = 5_000;

/// A site: its virtual proxies, its nodes, and how it behaves.
pub(super) struct Site {
    /// The repository service, on the first node.
    pub repository: Arc<Endpoint>,
    virtual_proxies: RwLock<Vec<Arc<VirtualProxy>>>,
    /// By number, from 1. A number is never used again.
    nodes: RwLock<BTreeMap<usize, Arc<Node>>>,
    last_number: AtomicUsize,
    /// Where the ids of what is added come from.
    ids: Mutex<Rng>,
    /// In nanoseconds.
    latency: AtomicU64,
}

/// A virtual proxy, as the repository stores it.
pub(super) struct VirtualProxy {
    pub id: String,
    /// Empty for the default one.
    pub prefix: String,
    pub description: String,
    pub session_cookie_header: String,
    /// In minutes.
    pub inactivity_timeout: u32,
}

/// A node of the site with its proxy service.
pub(super) struct Node {
    /// As in `qps-1`; the first is the central node.
    pub number: usize,
    /// `Central`, `Node2`, …
    pub name: String,
    /// What clients reach the node by. Real sites have names here; a simulated one has addresses unless told
    /// otherwise, so that clients that connect to what the repository told them reach it without any name
    /// service.
    pub host_name: String,
    /// Of the node's configuration, of its proxy service and of that one's settings.
    pub ids: [String; 3],
    pub endpoint: Arc<Endpoint>,
    /// The virtual proxies that this proxy service links, by prefix.
    pairs: RwLock<BTreeMap<String, Arc<Pair>>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// One proxy service and one virtual proxy that it links.
#[derive(Default)]
pub(super) struct Pair {
    table: Mutex<SessionTable>,
    list_queries: AtomicU64,
    /// Requests to end sessions so far.
    deletions: AtomicU64,
    deliveries: Mutex<Delivery>,
}

impl Site {
    /// A site without virtual proxies and nodes. The first node gets this address.
    pub fn new(first: IpAddr, latency: Duration, ids: Rng) -> Self {
        let site = Self {
            repository: Arc::new(Endpoint::new(first)),
            virtual_proxies: RwLock::default(),
            nodes: RwLock::default(),
            last_number: AtomicUsize::default(),
            ids: Mutex::new(ids),
            latency: AtomicU64::default(),
        };
        site.set_latency(latency);
        site
    }

    pub fn virtual_proxies(&self) -> Vec<Arc<VirtualProxy>> {
        self.virtual_proxies.read().clone()
    }

    /// A new virtual proxy that nobody links yet. False when there is one of that prefix.
    pub fn add_virtual_proxy(&self, prefix: &str) -> bool {
        let mut virtual_proxies = self.virtual_proxies.write();
        let is_new = virtual_proxies.iter().all(|found| found.prefix != prefix);
        if is_new {
            virtual_proxies.push(Arc::new(VirtualProxy::new(prefix, uuid(&mut self.ids.lock()))));
        }
        is_new
    }

    /// The virtual proxy goes, with its links and their sessions. False when there was none.
    pub fn remove_virtual_proxy(&self, prefix: &str) -> bool {
        let mut virtual_proxies = self.virtual_proxies.write();
        let before = virtual_proxies.len();
        virtual_proxies.retain(|found| found.prefix != prefix);
        for node in self.nodes() {
            node.unlink(prefix);
        }
        virtual_proxies.len() < before
    }

    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().values().cloned().collect()
    }

    /// The pairs of each node that has any: where sessions can be.
    pub fn linked_pairs(&self) -> Vec<Vec<Arc<Pair>>> {
        let nodes = self.nodes();
        let pairs = nodes.iter().map(|node| node.pairs().into_values().collect::<Vec<_>>());
        pairs.filter(|pairs| !pairs.is_empty()).collect()
    }

    /// A node by its number, from 1.
    pub fn node(&self, number: usize) -> Option<Arc<Node>> {
        self.nodes.read().get(&number).cloned()
    }

    /// A new node, at the address after the last one's; `None` when there is none. Without `links` it links
    /// every virtual proxy, else those of them that exist.
    pub fn add_node(&self, host_name: Option<&str>, links: Option<&[String]>) -> Option<Arc<Node>> {
        // In the order in which all take these two.
        let virtual_proxies = self.virtual_proxies.read();
        let mut nodes = self.nodes.write();
        let before = self.last_number.load(Ordering::Relaxed);
        let address = nth_after(self.repository.address, u16::try_from(before).ok()?)?;
        let number = before + 1;
        self.last_number.store(number, Ordering::Relaxed);

        let mut ids = self.ids.lock();
        let node = Node {
            number,
            name: if number == 1 { "Central".to_owned() } else { format!("Node{number}") },
            host_name: host_name.map_or_else(|| address.to_string(), str::to_owned),
            ids: [uuid(&mut ids), uuid(&mut ids), uuid(&mut ids)].map(String::from),
            endpoint: Arc::new(Endpoint::new(address)),
            pairs: RwLock::default(),
            in_flight: AtomicUsize::default(),
            most_in_flight: AtomicUsize::default(),
        };
        for virtual_proxy in virtual_proxies.iter() {
            if links.is_none_or(|links| links.iter().any(|link| *link == virtual_proxy.prefix)) {
                node.link(&virtual_proxy.prefix);
            }
        }
        let node = Arc::new(node);
        nodes.insert(number, node.clone());
        Some(node)
    }

    /// The node goes, with its sessions. False when there was none.
    pub fn remove_node(&self, number: usize) -> bool {
        self.nodes.write().remove(&number).is_some()
    }

    /// Lets a node link a virtual proxy, without sessions at first. False when one of the two is not there.
    pub fn link(&self, number: usize, prefix: &str) -> bool {
        // Held, so that the virtual proxy does not go meanwhile and leave a link to nothing.
        let virtual_proxies = self.virtual_proxies.read();
        let node = self.node(number).filter(|_| virtual_proxies.iter().any(|found| found.prefix == prefix));
        node.map(|node| node.link(prefix)).is_some()
    }

    /// The same, or which nodes there are.
    pub fn node_or_error(&self, number: usize) -> Result<Arc<Node>, Error> {
        let nodes = self.nodes.read();
        let found = nodes.get(&number).cloned();
        found.ok_or_else(|| Error::NoSuchNode { number, known: nodes.keys().copied().collect() })
    }

    /// Every pair of the site, node by node.
    #[cfg(test)]
    pub fn pairs(&self) -> Vec<Arc<Pair>> {
        self.nodes().iter().flat_map(|node| node.pairs().into_values()).collect()
    }

    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency.load(Ordering::Relaxed))
    }

    pub fn set_latency(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.store(nanoseconds, Ordering::Relaxed);
    }
}

impl VirtualProxy {
    fn new(prefix: &str, id: Box<str>) -> Self {
        let (description, session_cookie_header) = if prefix.is_empty() {
            ("Central Proxy (Default)".to_owned(), "X-Qlik-Session".to_owned())
        } else {
            (format!("{prefix} virtual proxy"), format!("X-Qlik-Session-{}", prefix.replace('/', "-")))
        };
        Self {
            id: id.into(),
            prefix: prefix.to_owned(),
            description,
            session_cookie_header,
            inactivity_timeout: 30,
        }
    }
}

impl Node {
    pub fn pair(&self, prefix: &str) -> Option<Arc<Pair>> {
        self.pairs.read().get(prefix).cloned()
    }

    pub fn pairs(&self) -> BTreeMap<String, Arc<Pair>> {
        self.pairs.read().clone()
    }

    /// The same, or which virtual proxies it links.
    pub fn link_or_error(&self, prefix: &str) -> Result<Arc<Pair>, Error> {
        self.pair(prefix).ok_or_else(|| Error::NoSuchLink {
            number: self.number,
            prefix: prefix.to_owned(),
            known: self.pairs().into_keys().collect(),
        })
    }

    fn link(&self, prefix: &str) {
        self.pairs.write().entry(prefix.to_owned()).or_default();
    }

    /// The link and its sessions go. False when there was none.
    pub fn unlink(&self, prefix: &str) -> bool {
        self.pairs.write().remove(prefix).is_some()
    }

    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    /// Counts an answer as on its way until the result is dropped.
    pub fn answer_begins(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// An answer on its way to a client: a session list, or the end of a session.
pub(super) struct InFlight(Arc<Node>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pair {
    /// The sessions. Never held across an await, and never for longer than a few pages take to write.
    pub fn table(&self) -> MutexGuard<'_, SessionTable> {
        self.table.lock()
    }

    /// Held for a moment only.
    pub fn deliveries(&self) -> MutexGuard<'_, Delivery> {
        self.deliveries.lock()
    }

    pub fn list_queries(&self) -> u64 {
        self.list_queries.load(Ordering::SeqCst)
    }

    pub fn count_list_query(&self) {
        self.list_queries.fetch_add(1, Ordering::SeqCst);
    }

    pub fn deletions(&self) -> u64 {
        self.deletions.load(Ordering::SeqCst)
    }

    pub fn count_deletion(&self) {
        self.deletions.fetch_add(1, Ordering::SeqCst);
    }

    /// The session list as it is at one moment; written beside the runtime's workers when that is much.
    /// `None` when the runtime is going down.
    pub async fn list(self: Arc<Self>) -> Option<List> {
        let first = self.table().list(PAGES_AT_ONCE);
        match first {
            Some(list) => Some(list),
            None => tokio::task::spawn_blocking(move || self.list_in_steps()).await.ok(),
        }
    }

    /// Lets others at the sessions between any few pages. When they change as fast as they are written, the
    /// end is forced.
    fn list_in_steps(&self) -> List {
        let mut steps = 0;
        loop {
            let most = if steps < MAX_STEPS { PAGES_AT_ONCE } else { usize::MAX };
            if let Some(list) = self.table().list(most) {
                return list;
            }
            steps += 1;
            std::thread::yield_now();
        }
    }
}
