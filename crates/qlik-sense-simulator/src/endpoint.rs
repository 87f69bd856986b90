//! The state that QRS and QPS services have in common: address, connections, faults.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use url::Url;

use crate::faults::switches::Switches;

/// The repository service or a node's proxy service: its address, open connections and faults.
pub(super) struct Endpoint {
    pub address: IpAddr,
    /// 0 before the service first listens; constant afterwards.
    port: AtomicU16,
    connections: AtomicUsize,
    pub faults: Switches,
}

impl Endpoint {
    /// Returns an endpoint that has no port yet.
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            port: AtomicU16::default(),
            connections: AtomicUsize::default(),
            faults: Switches::default(),
        }
    }

    /// Returns the port; 0 before the service first listens.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    pub fn set_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Returns the service's URL; `None` before it first listens.
    pub fn url(&self) -> Option<Url> {
        let address = SocketAddr::new(self.address, self.port());
        Url::parse(&format!("https://{address}")).ok().filter(|_| address.port() != 0)
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Counts a connection as open until the result is dropped.
    pub fn open_connection(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::SeqCst);
        OpenConnection(self.clone())
    }
}

/// An open connection; its drop decrements the count.
pub(super) struct OpenConnection(Arc<Endpoint>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}
