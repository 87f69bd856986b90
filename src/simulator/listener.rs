//! Sockets, TLS handshakes and connections of a simulated site.
//!
//! What goes wrong below HTTP belongs here, between `accept` and hyper: a connection that is refused or
//! reset, a handshake that fails, another certificate, bytes that trickle.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::site::{Node, Site};
use super::{Error, qps, qrs};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle; longer than any usual scrape interval, so that it is used again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a client that was refused may take to read why.
const PARTING: Duration = Duration::from_secs(1);
/// More than a refused client has sent before it reads; the rest is not waited for.
const PARTING_BYTES: u64 = 64 * 1024;

/// One of the site's services, running or not.
#[derive(Clone)]
pub(super) struct Service {
    /// `qrs`, `qps-1`, …
    pub name: String,
    /// The flag that chose the port.
    flag: &'static str,
    /// With port 0 until it has listened for the first time.
    address: SocketAddr,
    /// The node whose proxy service this is.
    node: Option<Arc<Node>>,
    router: Router,
    tls: Arc<ServerConfig>,
}

/// A service that listens. Dropped, it stops.
pub(super) struct Listener {
    pub url: Url,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Service {
    /// The repository service, on the first node.
    pub fn qrs(site: &Arc<Site>, port: u16, tls: &Arc<ServerConfig>) -> Option<Self> {
        let node = site.node(1)?;
        Some(Self {
            name: "qrs".to_owned(),
            flag: "qrs-port",
            address: SocketAddr::new(node.address, port),
            node: None,
            router: qrs::router(site.clone()),
            tls: tls.clone(),
        })
    }

    /// A node's proxy service.
    pub fn qps(site: &Arc<Site>, number: usize, node: Arc<Node>, port: u16, tls: &Arc<ServerConfig>) -> Self {
        Self {
            name: format!("qps-{number}"),
            flag: "qps-port",
            address: SocketAddr::new(node.address, port),
            router: qps::router(site.clone(), node.clone()),
            node: Some(node),
            tls: tls.clone(),
        }
    }

    /// Listens; a port that the system chose is kept from then on.
    pub async fn listen(&mut self) -> Result<Listener, Error> {
        let bound = async {
            let listener = TcpListener::bind(self.address).await?;
            let address = listener.local_addr()?;
            let url = Url::parse(&format!("https://{address}")).map_err(io::Error::other)?;
            Ok((listener, address, url))
        };
        let (listener, address, url) = bound.await.map_err(|source| Error::Listen {
            name: self.name.clone(),
            address: self.address,
            flag: self.flag,
            source,
        })?;
        self.address = address;
        if let Some(node) = &self.node {
            node.port.store(address.port(), Ordering::Relaxed);
        }
        let stop = CancellationToken::new();
        let task = tokio::spawn(accept(listener, self.tls.clone(), self.router.clone(), stop.clone()));
        Ok(Listener { url, stop, task })
    }
}

impl Listener {
    /// Closes the port and cuts every connection.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // The task ends by itself now; that it was aborted or panicked would change nothing here.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Owns the port and its connections until told to stop.
async fn accept(listener: TcpListener, tls: Arc<ServerConfig>, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, tls.clone(), router.clone()));
                }
                // Out of file descriptors, say: that passes when connections end.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// One connection, from its handshake to its end.
async fn serve(stream: TcpStream, tls: Arc<ServerConfig>, router: Router) {
    // Without it an answer in several pieces can wait for the client's acknowledgement; no more.
    let _ = stream.set_nodelay(true);
    let handshake = TlsAcceptor::from(tls).accept(stream).into_fallible();
    match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => {
            let service = TowerToHyperService::new(router);
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away in the middle is none of the site's business.
            let _ = connection.await;
        }
        Ok(Err((_, stream))) => part(stream).await,
        Err(_) => {}
    }
}

/// Ends a connection whose handshake failed such that the client can read the alert: closing a socket with
/// unread bytes resets it, and a reset overtakes the alert.
async fn part(mut stream: TcpStream) {
    let _ = timeout(PARTING, async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(PARTING_BYTES), &mut tokio::io::sink()).await
    })
    .await;
}
