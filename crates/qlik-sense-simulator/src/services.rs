//! The site's services, running or not.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpSocket;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::faults::Fault;
use crate::listener::{Listener, Service};
use crate::options::Options;
use crate::site::{Node, Site};
use crate::tls::{Handshake, Tls};

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
    Open(Listener, Handshake),
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
        if let Some(Running { port: Port::Open(listener, _), .. }) = self.running.lock().await.remove(&number)
        {
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

    /// Sets or clears the fault of a node's proxy service, or of one virtual proxy there. False when there was
    /// none to clear. Returns when it acts.
    pub async fn set_fault(
        &self,
        number: usize,
        prefix: Option<&str>,
        fault: Option<Fault>,
    ) -> Result<bool, Error> {
        let node = self.site.node_or_error(number)?;
        if let Some(prefix) = prefix {
            node.link_or_error(prefix)?;
        }
        if let Some(fault) = fault
            && prefix.is_some()
            && fault.is_of_whole_node()
        {
            return Err(Error::WholeNodeOnly { fault });
        }
        let changed = node.endpoint.faults.set(prefix, fault);
        self.settle(number).await?;
        Ok(changed)
    }

    /// The same for the repository.
    pub async fn set_repository_fault(&self, fault: Option<Fault>) -> Result<bool, Error> {
        let changed = self.site.repository.faults.set(None, fault);
        self.settle(REPOSITORY).await?;
        Ok(changed)
    }

    /// Clears every fault of every service.
    pub async fn clear_faults(&self) -> Result<(), Error> {
        let mut all = self.running.lock().await;
        for running in all.values_mut() {
            running.endpoint.faults.clear();
        }
        // All are tried, whatever one of them says.
        let mut result = Ok(());
        for running in all.values_mut() {
            result = result.and(running.settle(&self.stop).await);
        }
        result
    }

    /// Cancelled when everything stops.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Stops everything, at once.
    pub fn cut(&self) {
        self.stop.cancel();
    }

    /// The same, and waits until it has stopped.
    pub async fn shutdown(&self) {
        self.cut();
        for running in std::mem::take(&mut *self.running.lock().await).into_values() {
            if let Port::Open(listener, _) = running.port {
                listener.stop().await;
            }
        }
    }

    async fn settle(&self, number: usize) -> Result<(), Error> {
        match self.running.lock().await.get_mut(&number) {
            Some(running) => running.settle(&self.stop).await,
            None => Ok(()),
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
    /// Brings the port to what it should be. Connections of another handshake are cut.
    async fn settle(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let wanted = self.wanted();
        match (&self.port, wanted) {
            (Port::Open(_, handshake), Some(wanted)) if *handshake == wanted => return Ok(()),
            (Port::Reserved(_), None) => return Ok(()),
            _ => {}
        }
        // Cancelled in the middle, this leaves the port closed, and the next call opens it.
        let open = match std::mem::replace(&mut self.port, Port::Closed) {
            Port::Open(listener, _) => listener.stop().await,
            Port::Reserved(socket) => socket.listen(BACKLOG).ok(),
            Port::Closed => None,
        };
        let Some(handshake) = wanted else {
            drop(open);
            self.port = self.reserve().map_or(Port::Closed, Port::Reserved);
            return Ok(());
        };
        let open = match open {
            Some(open) => open,
            None => self.service.bind().await?,
        };
        self.port = Port::Open(self.service.listen(open, handshake, stop.child_token()), handshake);
        Ok(())
    }

    /// `None`: connections are refused.
    fn wanted(&self) -> Option<Handshake> {
        match self.endpoint.faults.of_all() {
            _ if self.stopped => None,
            Some(Fault::Refuse) => None,
            Some(Fault::RefuseHandshake) => Some(Handshake::Refused),
            Some(Fault::WrongCertificate) => Some(Handshake::Foreign),
            _ => Some(Handshake::Own),
        }
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
