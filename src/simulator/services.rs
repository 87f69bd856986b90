//! The site's services, running or not.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpSocket;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::listener::{Listener, Service};
use super::site::{Node, Site};
use super::tls::Tls;
use super::{Error, Options};

/// Where the repository stands among the nodes, which count from 1.
const REPOSITORY: usize = 0;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Every service of a site.
pub(super) struct Services {
    site: Arc<Site>,
    tls: Tls,
    qps_port: u16,
    /// By node number.
    running: Mutex<BTreeMap<usize, Running>>,
    stop: CancellationToken,
}

struct Running {
    service: Service,
    endpoint: Arc<Endpoint>,
    port: Port,
    /// Stopped as long as nobody starts it again.
    stopped: bool,
}

enum Port {
    Open(Listener),
    /// Nobody listens, so that connections are refused, and nobody else can take the port meanwhile.
    Reserved(TcpSocket),
    Closed,
}

impl Services {
    pub fn new(site: Arc<Site>, tls: Tls, options: &Options) -> Self {
        let stop = CancellationToken::new();
        Self { site, tls, qps_port: options.qps_port, running: Mutex::default(), stop }
    }

    /// Starts the repository and every node's proxy service.
    pub async fn start_all(&self, qrs_port: u16) -> Result<(), Error> {
        let service = Service::qrs(&self.site, qrs_port, &self.tls);
        self.add(REPOSITORY, service, self.site.repository.clone()).await?;
        for node in self.site.nodes() {
            self.add_node(node).await?;
        }
        Ok(())
    }

    /// Starts the proxy service of a node.
    pub async fn add_node(&self, node: Arc<Node>) -> Result<(), Error> {
        let (number, endpoint) = (node.number, node.endpoint.clone());
        self.add(number, Service::qps(&self.site, node, self.qps_port, &self.tls), endpoint).await
    }

    /// Ends the proxy service of a node that goes.
    pub async fn remove_node(&self, number: usize) {
        if let Some(Running { port: Port::Open(listener), .. }) = self.running.lock().await.remove(&number) {
            listener.stop().await;
        }
    }

    /// Refuses connections to a node, or no longer.
    pub async fn set_stopped(&self, number: usize, stopped: bool) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        let Some(running) = running.get_mut(&number) else { return Ok(()) };
        running.stopped = stopped;
        running.settle(&self.stop).await
    }

    /// Stops everything, at once.
    pub fn cut(&self) {
        self.stop.cancel();
    }

    /// The same, and waits until it has stopped.
    pub async fn shutdown(&self) {
        self.cut();
        for running in std::mem::take(&mut *self.running.lock().await).into_values() {
            if let Port::Open(listener) = running.port {
                listener.stop().await;
            }
        }
    }

    async fn add(&self, number: usize, service: Service, endpoint: Arc<Endpoint>) -> Result<(), Error> {
        let mut running = Running { service, endpoint, port: Port::Closed, stopped: false };
        running.settle(&self.stop).await?;
        self.running.lock().await.insert(number, running);
        Ok(())
    }
}

impl Running {
    /// Brings the port to what it should be.
    async fn settle(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        match (&self.port, self.stopped) {
            (Port::Open(_), false) | (Port::Reserved(_), true) => return Ok(()),
            _ => {}
        }
        // Cancelled in the middle, this leaves the port closed, and the next call opens it.
        let open = match std::mem::replace(&mut self.port, Port::Closed) {
            Port::Open(listener) => listener.stop().await,
            // A listener needs no second `bind` here.
            Port::Reserved(socket) => socket.listen(BACKLOG).ok(),
            Port::Closed => None,
        };
        if self.stopped {
            drop(open);
            self.port = self.reserve().map_or(Port::Closed, Port::Reserved);
        } else {
            let open = match open {
                Some(open) => open,
                None => self.service.bind().await?,
            };
            self.port = Port::Open(self.service.listen(open, stop.child_token()));
        }
        Ok(())
    }

    fn reserve(&self) -> io::Result<TcpSocket> {
        let address = SocketAddr::new(self.endpoint.address, self.endpoint.port());
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Else the connections that were cut keep the port; Windows needs no permission for that.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    }
}
