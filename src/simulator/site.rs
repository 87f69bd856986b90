//! The state of a simulated site, all of it in one place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::sessions::{List, SessionTable};

/// Pages of a session list that are written while its sessions are locked: a few milliseconds.
const PAGES_AT_ONCE: usize = 8;
/// Twice what the largest list needs when nothing changes meanwhile.
const MAX_STEPS: usize = 5_000;

/// A site: its virtual proxies, its nodes, and how it behaves.
pub(super) struct Site {
    pub virtual_proxies: Vec<VirtualProxy>,
    nodes: RwLock<Vec<Arc<Node>>>,
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
    /// `Central`, `Node2`, …
    pub name: String,
    /// Of the node's configuration, of its proxy service and of that one's settings.
    pub ids: [String; 3],
    pub address: IpAddr,
    /// The proxy service's port; 0 before it has listened for the first time.
    pub port: AtomicU16,
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
}

impl Site {
    pub fn new(virtual_proxies: Vec<VirtualProxy>, nodes: Vec<Node>, latency: Duration) -> Self {
        let nodes = RwLock::new(nodes.into_iter().map(Arc::new).collect());
        let site = Self { virtual_proxies, nodes, latency: AtomicU64::default() };
        site.set_latency(latency);
        site
    }

    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A node by its number, from 1.
    pub fn node(&self, number: usize) -> Option<Arc<Node>> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.get(number.checked_sub(1)?).cloned()
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

impl Node {
    pub fn new(name: String, ids: [String; 3], address: IpAddr, prefixes: &[String]) -> Self {
        let pairs = prefixes.iter().map(|prefix| (prefix.clone(), Arc::default())).collect();
        Self {
            name,
            ids,
            address,
            port: AtomicU16::default(),
            pairs: RwLock::new(pairs),
            in_flight: AtomicUsize::default(),
            most_in_flight: AtomicUsize::default(),
        }
    }

    /// What clients reach the node by. Real sites have names here; a simulated one has addresses, so that
    /// clients that connect to what the repository told them reach it without any name service.
    pub fn host_name(&self) -> String {
        self.address.to_string()
    }

    pub fn pair(&self, prefix: &str) -> Option<Arc<Pair>> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).get(prefix).cloned()
    }

    pub fn pairs(&self) -> BTreeMap<String, Arc<Pair>> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    /// Counts a session list as on its way until the result is dropped.
    pub fn list_begins(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// A session list on its way to a client.
pub(super) struct InFlight(Arc<Node>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pair {
    /// The sessions. Never held across an await, and never for longer than a few pages take to write.
    pub fn table(&self) -> MutexGuard<'_, SessionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn list_queries(&self) -> u64 {
        self.list_queries.load(Ordering::SeqCst)
    }

    pub fn count_list_query(&self) {
        self.list_queries.fetch_add(1, Ordering::SeqCst);
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
