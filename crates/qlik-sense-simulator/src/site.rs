//! The state of a simulated site: nodes, virtual proxies, links, counters, latency.

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
use crate::sessions::{SessionList, SessionTable};

/// How many pages of a session list are written while the sessions are locked: a few milliseconds.
const PAGES_AT_ONCE: usize = 8;
/// The number of steps after which a list is written at once: twice what the largest list needs without changes.
const MAX_STEPS: usize = 5_000;

/// A site: its virtual proxies, nodes and latency.
pub(super) struct Site {
    /// The repository service, on the first node.
    pub repository: Arc<Endpoint>,
    virtual_proxies: RwLock<Vec<Arc<VirtualProxy>>>,
    /// By number, from 1. Numbers of removed nodes are not reused.
    nodes: RwLock<BTreeMap<usize, Arc<Node>>>,
    last_number: AtomicUsize,
    /// The source of new ids.
    ids: Mutex<Rng>,
    /// In nanoseconds.
    latency: AtomicU64,
}

/// A virtual proxy with the settings that the repository stores.
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
    /// The number in `qps-1`; node 1 is the central node.
    pub number: usize,
    /// `Central`, `Node2`, …
    pub name: String,
    /// The host name in the repository. Real sites have names here; a simulated site has addresses by default, so that
    /// clients can connect to them without a name service.
    pub host_name: String,
    pub ids: NodeIds,
    pub endpoint: Arc<Endpoint>,
    /// The links of this proxy service, by the prefix of the virtual proxy.
    pairs: RwLock<BTreeMap<String, Arc<Pair>>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// The ids of a node's objects in the repository.
pub(super) struct NodeIds {
    pub server_node: String,
    pub proxy_service: String,
    pub settings: String,
}

/// One proxy service and one virtual proxy that it links.
#[derive(Default)]
pub(super) struct Pair {
    table: Mutex<SessionTable>,
    list_queries: AtomicU64,
    /// The number of requests to delete sessions so far.
    deletions: AtomicU64,
    delivery: Mutex<Delivery>,
}

impl Site {
    /// Returns a site without virtual proxies and nodes. Its first node will get the address `first`.
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

    /// Returns all virtual proxies, linked or not.
    pub fn virtual_proxies(&self) -> Vec<Arc<VirtualProxy>> {
        self.virtual_proxies.read().clone()
    }

    /// Adds a virtual proxy that no node links yet. Returns false if the prefix is in use.
    pub fn add_virtual_proxy(&self, prefix: &str) -> bool {
        let mut virtual_proxies = self.virtual_proxies.write();
        let is_new = virtual_proxies.iter().all(|found| found.prefix != prefix);
        if is_new {
            virtual_proxies.push(Arc::new(VirtualProxy::new(prefix, uuid(&mut self.ids.lock()))));
        }
        is_new
    }

    /// Removes a virtual proxy with its links and their sessions. Returns false if there was none.
    pub fn remove_virtual_proxy(&self, prefix: &str) -> bool {
        let mut virtual_proxies = self.virtual_proxies.write();
        let before = virtual_proxies.len();
        virtual_proxies.retain(|found| found.prefix != prefix);
        for node in self.nodes() {
            node.unlink(prefix);
        }
        virtual_proxies.len() < before
    }

    /// Returns all nodes, by number.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().values().cloned().collect()
    }

    /// Returns the pairs of each node that links a virtual proxy.
    pub fn linked_pairs(&self) -> Vec<Vec<Arc<Pair>>> {
        let nodes = self.nodes();
        let pairs = nodes.iter().map(|node| node.pairs().into_values().collect::<Vec<_>>());
        pairs.filter(|pairs| !pairs.is_empty()).collect()
    }

    /// Returns a node by its number, from 1.
    pub fn node(&self, number: usize) -> Option<Arc<Node>> {
        self.nodes.read().get(&number).cloned()
    }

    /// Adds a node at the address after the last one's; returns `None` if there is no such address. It links the
    /// virtual proxies in `links`, or all without `links`.
    pub fn add_node(&self, host_name: Option<&str>, links: Option<&[String]>) -> Option<Arc<Node>> {
        // Always lock virtual proxies before nodes.
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
            ids: NodeIds {
                server_node: uuid(&mut ids).into(),
                proxy_service: uuid(&mut ids).into(),
                settings: uuid(&mut ids).into(),
            },
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

    /// Removes a node with its sessions. Returns false if there was none.
    pub fn remove_node(&self, number: usize) -> bool {
        self.nodes.write().remove(&number).is_some()
    }

    /// Links a virtual proxy to a node, without sessions at first. Returns false if either does not exist.
    pub fn link(&self, number: usize, prefix: &str) -> bool {
        // Locked during the change, so that no link to a removed virtual proxy remains.
        let virtual_proxies = self.virtual_proxies.read();
        let node = self.node(number).filter(|_| virtual_proxies.iter().any(|found| found.prefix == prefix));
        node.map(|node| node.link(prefix)).is_some()
    }

    /// Returns a node by its number, or an error that lists the nodes.
    pub fn node_or_error(&self, number: usize) -> Result<Arc<Node>, Error> {
        let nodes = self.nodes.read();
        let found = nodes.get(&number).cloned();
        found.ok_or_else(|| Error::NoSuchNode { number, known: nodes.keys().copied().collect() })
    }

    /// Returns every pair of the site, node by node.
    #[cfg(test)]
    pub fn pairs(&self) -> Vec<Arc<Pair>> {
        self.nodes().iter().flat_map(|node| node.pairs().into_values()).collect()
    }

    /// Returns the delay of each response.
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
    /// Returns the pair of this node and a virtual proxy that it links.
    pub fn pair(&self, prefix: &str) -> Option<Arc<Pair>> {
        self.pairs.read().get(prefix).cloned()
    }

    /// Returns the pairs of this node by prefix.
    pub fn pairs(&self) -> BTreeMap<String, Arc<Pair>> {
        self.pairs.read().clone()
    }

    /// Returns the pair of this node and a virtual proxy, or an error that lists the linked ones.
    pub fn pair_or_error(&self, prefix: &str) -> Result<Arc<Pair>, Error> {
        self.pair(prefix).ok_or_else(|| Error::NoSuchLink {
            number: self.number,
            prefix: prefix.to_owned(),
            known: self.pairs().into_keys().collect(),
        })
    }

    fn link(&self, prefix: &str) {
        self.pairs.write().entry(prefix.to_owned()).or_default();
    }

    /// Removes a link with its sessions. Returns false if there was none.
    pub fn unlink(&self, prefix: &str) -> bool {
        self.pairs.write().remove(prefix).is_some()
    }

    /// Returns the largest number of responses that were in flight at once.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    /// Counts a response as in flight until the result is dropped.
    pub fn begin_response(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// A response in flight: a session list or the deletion of a session. Its drop decrements the count.
pub(super) struct InFlight(Arc<Node>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pair {
    /// Locks and returns the sessions. Never hold the lock across an await, or longer than it takes to write a few
    /// pages.
    pub fn table(&self) -> MutexGuard<'_, SessionTable> {
        self.table.lock()
    }

    /// Locks and returns the delivery counts. Release the lock at once.
    pub fn delivery(&self) -> MutexGuard<'_, Delivery> {
        self.delivery.lock()
    }

    /// Returns the number of requests for the session list so far.
    pub fn list_queries(&self) -> u64 {
        self.list_queries.load(Ordering::SeqCst)
    }

    pub fn count_list_query(&self) {
        self.list_queries.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of requests to delete sessions so far.
    pub fn deletions(&self) -> u64 {
        self.deletions.load(Ordering::SeqCst)
    }

    pub fn count_deletion(&self) {
        self.deletions.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the session list at one moment; `None` when the runtime is shutting down. Writes a long one outside
    /// the runtime's workers.
    pub async fn list(self: Arc<Self>) -> Option<SessionList> {
        let first = self.table().list(PAGES_AT_ONCE);
        match first {
            Some(list) => Some(list),
            None => tokio::task::spawn_blocking(move || self.list_in_steps()).await.ok(),
        }
    }

    /// Writes the list a few pages at a time and unlocks the sessions in between. If the pages become stale as fast as
    /// they are written, finally writes all of them in one step.
    fn list_in_steps(&self) -> SessionList {
        let mut steps = 0;
        loop {
            let max_pages = if steps < MAX_STEPS { PAGES_AT_ONCE } else { usize::MAX };
            if let Some(list) = self.table().list(max_pages) {
                return list;
            }
            steps += 1;
            std::thread::yield_now();
        }
    }
}
