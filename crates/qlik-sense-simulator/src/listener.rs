//! Sockets, TLS handshakes and connections of the site's services.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::connection::{Connection, Wire};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::site::{Node, Site};
use crate::tls::{Handshake, Tls};
use crate::{qps, qrs};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle; longer than usual query intervals, so that it can be reused.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a client whose handshake failed may take to read the alert.
const ALERT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many bytes to read after a failed handshake; more than clients send before they read.
const ALERT_BYTES: u64 = 64 * 1024;

/// One of the site's services.
#[derive(Clone)]
pub(super) struct Service {
    /// `qrs`, `qps-1`, …
    name: String,
    /// The option of the port, for error messages.
    flag: &'static str,
    /// The port of this option; 0 for any free port.
    configured_port: u16,
    endpoint: Arc<Endpoint>,
    router: Router,
    tls: Tls,
}

/// A listening service; its drop stops it.
pub(super) struct Listener {
    stop: CancellationToken,
    task: JoinHandle<TcpListener>,
}

impl Service {
    /// Returns the repository service, on the first node.
    pub fn qrs(site: &Arc<Site>, port: u16, tls: &Tls) -> Self {
        Self {
            name: "qrs".to_owned(),
            flag: "qrs-port",
            configured_port: port,
            endpoint: site.repository.clone(),
            router: qrs::router(site.clone()),
            tls: tls.clone(),
        }
    }

    /// Returns a node's proxy service.
    pub fn qps(site: &Arc<Site>, node: Arc<Node>, port: u16, tls: &Tls) -> Self {
        Self {
            name: format!("qps-{}", node.number),
            flag: "qps-port",
            configured_port: port,
            endpoint: node.endpoint.clone(),
            router: qps::router(site.clone(), node),
            tls: tls.clone(),
        }
    }

    /// Opens the port. Later calls use the same port, even if the system chose it.
    pub async fn bind(&self) -> Result<TcpListener, Error> {
        let port = if self.endpoint.port() == 0 { self.configured_port } else { self.endpoint.port() };
        let address = SocketAddr::new(self.endpoint.address, port);
        let listener = TcpListener::bind(address).await.map_err(|error| self.listen_error(address, error))?;
        let address = listener.local_addr().map_err(|error| self.listen_error(address, error))?;
        self.endpoint.set_port(address.port());
        Ok(listener)
    }

    fn listen_error(&self, address: SocketAddr, error: io::Error) -> Error {
        Error::Listen { name: self.name.clone(), address, flag: self.flag, error }
    }

    /// Serves requests on an open port until `stop` is cancelled.
    pub fn listen(&self, port: TcpListener, handshake: Handshake, stop: CancellationToken) -> Listener {
        let accept = accept(
            port,
            self.endpoint.clone(),
            self.tls.config(handshake),
            self.router.clone(),
            stop.clone(),
        );
        Listener { task: tokio::spawn(accept), stop }
    }
}

impl Listener {
    /// Closes every connection and returns the port, which is still open.
    pub async fn stop(mut self) -> Option<TcpListener> {
        self.stop.cancel();
        // The task ends by itself; only the end of the runtime aborts it.
        (&mut self.task).await.ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Accepts connections until `stop` is cancelled, then closes them and returns the port.
async fn accept(
    listener: TcpListener,
    endpoint: Arc<Endpoint>,
    tls: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) -> TcpListener {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (open, tls, router) = (endpoint.open_connection(), tls.clone(), router.clone());
                    connections.spawn(async {
                        serve(stream, tls, router).await;
                        drop(open);
                    });
                }
                // For instance too many open files, until connections end.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
        }
    }
    connections.shutdown().await;
    listener
}

/// Serves one connection from its handshake to its end.
async fn serve(stream: TcpStream, tls: Arc<ServerConfig>, router: Router) {
    // Only an optimization: without it a response in several pieces can wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let handshake = TlsAcceptor::from(tls).accept(stream).into_fallible();
    match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => {
            let connection = Connection::default();
            let request_connection = connection.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(request_connection.clone());
                router.clone().oneshot(request)
            });
            let wire = TokioIo::new(Wire::new(stream, connection.clone()));
            let mut http = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT)
                .serve_connection(wire, service);
            let response = tokio::select! {
                // A client may disconnect at any time: no error of the site.
                _ = &mut http => return,
                response = connection.taken_over() => response,
            };
            response.send(http.into_parts().io.into_inner().into_inner()).await;
        }
        Ok(Err((_, stream))) => close_after_alert(stream).await,
        Err(_) => {}
    }
}

/// Ends a connection whose handshake failed so that the client can read the alert: a socket that is closed with
/// unread bytes sends a reset, which can overtake the alert.
async fn close_after_alert(mut stream: TcpStream) {
    let _ = timeout(ALERT_TIMEOUT, async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(ALERT_BYTES), &mut tokio::io::sink()).await
    })
    .await;
}
