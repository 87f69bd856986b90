//! What is known of a service whatever it serves: its address, who is connected, what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use url::Url;

use crate::faults::switches::Switches;

/// The repository service, or a node's proxy service, as its clients and its listener see it.
pub(super) struct Endpoint {
    pub address: IpAddr,
    /// 0 before it has listened for the first time; kept from then on.
    port: AtomicU16,
    connections: AtomicUsize,
    pub faults: Switches,
}

impl Endpoint {
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            port: AtomicU16::default(),
            connections: AtomicUsize::default(),
            faults: Switches::default(),
        }
    }

    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    pub fn set_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// `None` before it has listened for the first time.
    pub fn url(&self) -> Option<Url> {
        let address = SocketAddr::new(self.address, self.port());
        Url::parse(&format!("https://{address}")).ok().filter(|_| address.port() != 0)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Counts a connection as open until the result is dropped.
    pub fn connection_opens(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::SeqCst);
        OpenConnection(self.clone())
    }
}

/// An open connection to a service.
pub(super) struct OpenConnection(Arc<Endpoint>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}
