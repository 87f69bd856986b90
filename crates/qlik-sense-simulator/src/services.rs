//! Starts and stops the site's services, and sets their faults.

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

/// The repository's key among the services; nodes are numbered from 1.
const REPOSITORY: usize = 0;
/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// All services of a site.
pub(super) struct Services {
    site: Arc<Site>,
    tls: Tls,
    qps_port: u16,
    /// By node number.
    services: Mutex<BTreeMap<usize, ManagedService>>,
    stop: CancellationToken,
}

struct ManagedService {
    service: Service,
    endpoint: Arc<Endpoint>,
    port: Port,
    /// Whether it was stopped through the handle.
    stopped: bool,
}

enum Port {
    Open(Listener, Handshake),
    /// Bound without listening: connections are refused, and no other program can use the port.
    Reserved(TcpSocket),
    Closed,
}

impl Services {
    pub fn new(site: Arc<Site>, tls: Tls, options: &Options) -> Self {
        let stop = CancellationToken::new();
        Self { site, tls, qps_port: options.qps_port, services: Mutex::default(), stop }
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

    /// Starts the proxy service of a new node.
    pub async fn add_node(&self, node: Arc<Node>) -> Result<(), Error> {
        let (number, endpoint) = (node.number, node.endpoint.clone());
        self.add(number, Service::qps(&self.site, node, self.qps_port, &self.tls), endpoint).await
    }

    /// Stops the proxy service of a removed node.
    pub async fn remove_node(&self, number: usize) {
        let removed = self.services.lock().await.remove(&number);
        if let Some(ManagedService { port: Port::Open(listener, _), .. }) = removed {
            listener.stop().await;
        }
    }

    /// Stops or restarts a node's proxy service. A stopped one refuses connections.
    pub async fn set_stopped(&self, number: usize, stopped: bool) -> Result<(), Error> {
        let mut services = self.services.lock().await;
        let Some(service) = services.get_mut(&number) else { return Ok(()) };
        service.stopped = stopped;
        service.update_port(&self.stop).await
    }

    /// Sets or clears the fault of a node's proxy service, or of one virtual proxy there. Returns false if there was
    /// no fault to clear. The change is in effect when this returns.
    pub async fn set_fault(
        &self,
        number: usize,
        prefix: Option<&str>,
        fault: Option<Fault>,
    ) -> Result<bool, Error> {
        let node = self.site.node_or_error(number)?;
        if let Some(prefix) = prefix {
            node.pair_or_error(prefix)?;
        }
        if let Some(fault) = fault
            && prefix.is_some()
            && fault.is_of_whole_node()
        {
            return Err(Error::WholeNodeOnly { fault });
        }
        let changed = node.endpoint.faults.set(prefix, fault);
        self.update_port(number).await?;
        Ok(changed)
    }

    /// Sets or clears the fault of the repository; see [`Self::set_fault`].
    pub async fn set_repository_fault(&self, fault: Option<Fault>) -> Result<bool, Error> {
        let changed = self.site.repository.faults.set(None, fault);
        self.update_port(REPOSITORY).await?;
        Ok(changed)
    }

    /// Clears every fault of every service.
    pub async fn clear_faults(&self) -> Result<(), Error> {
        let mut services = self.services.lock().await;
        for service in services.values_mut() {
            service.endpoint.faults.clear();
        }
        // An error of one service does not keep the others from being updated.
        let mut result = Ok(());
        for service in services.values_mut() {
            result = result.and(service.update_port(&self.stop).await);
        }
        result
    }

    /// Returns a token that is cancelled when the services stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Stops all services without waiting.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops all services and waits until they have stopped.
    pub async fn shutdown(&self) {
        self.stop();
        for service in std::mem::take(&mut *self.services.lock().await).into_values() {
            if let Port::Open(listener, _) = service.port {
                listener.stop().await;
            }
        }
    }

    async fn update_port(&self, number: usize) -> Result<(), Error> {
        match self.services.lock().await.get_mut(&number) {
            Some(service) => service.update_port(&self.stop).await,
            None => Ok(()),
        }
    }

    async fn add(&self, number: usize, service: Service, endpoint: Arc<Endpoint>) -> Result<(), Error> {
        let mut service = ManagedService { service, endpoint, port: Port::Closed, stopped: false };
        service.update_port(&self.stop).await?;
        self.services.lock().await.insert(number, service);
        Ok(())
    }
}

impl ManagedService {
    /// Opens, reserves or reopens the port as faults and stops require. Closes the connections if the handling
    /// of handshakes changes.
    async fn update_port(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let required = self.required_handshake();
        match (&self.port, required) {
            (Port::Open(_, handshake), Some(required)) if *handshake == required => return Ok(()),
            (Port::Reserved(_), None) => return Ok(()),
            _ => {}
        }
        // If this future is dropped below, the port stays closed until the next call.
        let open = match std::mem::replace(&mut self.port, Port::Closed) {
            Port::Open(listener, _) => listener.stop().await,
            Port::Reserved(socket) => socket.listen(BACKLOG).ok(),
            Port::Closed => None,
        };
        let Some(handshake) = required else {
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

    /// Returns how to handle handshakes; `None` to refuse connections.
    fn required_handshake(&self) -> Option<Handshake> {
        match self.endpoint.faults.of_service() {
            _ if self.stopped => None,
            Some(Fault::Refuse) => None,
            Some(Fault::RefuseHandshake) => Some(Handshake::Refused),
            Some(Fault::WrongCertificate) => Some(Handshake::Foreign),
            _ => Some(Handshake::Own),
        }
    }

    /// Binds the port without listening.
    fn reserve(&self) -> io::Result<TcpSocket> {
        let address = SocketAddr::new(self.endpoint.address, self.endpoint.port());
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Otherwise the closed connections keep the port in use; Windows allows it without this option.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    }
}
