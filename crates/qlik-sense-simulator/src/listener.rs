//! Sockets, TLS handshakes and connections of a simulated site.

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
/// How long a connection may be idle; longer than any usual scrape interval, so that it is used again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a client that was refused may take to read why.
const PARTING: Duration = Duration::from_secs(1);
/// More than a refused client has sent before it reads; the rest is not waited for.
const PARTING_BYTES: u64 = 64 * 1024;

/// One of the site's services.
#[derive(Clone)]
pub(super) struct Service {
    /// `qrs`, `qps-1`, …
    name: String,
    /// The flag that chose the port, and the port that it chose.
    flag: &'static str,
    chosen: u16,
    endpoint: Arc<Endpoint>,
    router: Router,
    tls: Tls,
}

/// A service that listens. Dropped, it stops.
pub(super) struct Listener {
    stop: CancellationToken,
    task: JoinHandle<TcpListener>,
}

impl Service {
    /// The repository service, on the first node.
    pub fn qrs(site: &Arc<Site>, port: u16, tls: &Tls) -> Self {
        Self {
            name: "qrs".to_owned(),
            flag: "qrs-port",
            chosen: port,
            endpoint: site.repository.clone(),
            router: qrs::router(site.clone()),
            tls: tls.clone(),
        }
    }

    /// A node's proxy service.
    pub fn qps(site: &Arc<Site>, node: Arc<Node>, port: u16, tls: &Tls) -> Self {
        Self {
            name: format!("qps-{}", node.number),
            flag: "qps-port",
            chosen: port,
            endpoint: node.endpoint.clone(),
            router: qps::router(site.clone(), node),
            tls: tls.clone(),
        }
    }

    /// Opens the port; one that the system chose is kept from then on.
    pub async fn bind(&self) -> Result<TcpListener, Error> {
        let port = if self.endpoint.port() == 0 { self.chosen } else { self.endpoint.port() };
        let address = SocketAddr::new(self.endpoint.address, port);
        let failed = |error| Error::Listen { name: self.name.clone(), address, flag: self.flag, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        self.endpoint.set_port(listener.local_addr().map_err(failed)?.port());
        Ok(listener)
    }

    /// Answers on an open port until `stop`.
    pub fn listen(&self, port: TcpListener, handshake: Handshake, stop: CancellationToken) -> Listener {
        let accept =
            accept(port, self.endpoint.clone(), self.tls.of(handshake), self.router.clone(), stop.clone());
        Listener { task: tokio::spawn(accept), stop }
    }
}

impl Listener {
    /// Cuts every connection. Gives the port back, still open; it is closed when that is dropped.
    pub async fn stop(mut self) -> Option<TcpListener> {
        self.stop.cancel();
        // The task ends by itself now; it is aborted only together with the runtime.
        (&mut self.task).await.ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Owns the port and its connections until told to stop.
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
                    let (open, tls, router) = (endpoint.connection_opens(), tls.clone(), router.clone());
                    connections.spawn(async {
                        serve(stream, tls, router).await;
                        drop(open);
                    });
                }
                // Out of file descriptors, say: that passes when connections end.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
        }
    }
    connections.shutdown().await;
    listener
}

/// One connection, from its handshake to its end.
async fn serve(stream: TcpStream, tls: Arc<ServerConfig>, router: Router) {
    // Without it an answer in several pieces can wait for the client's acknowledgement; no more.
    let _ = stream.set_nodelay(true);
    let handshake = TlsAcceptor::from(tls).accept(stream).into_fallible();
    match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => {
            let connection = Connection::default();
            let answered = connection.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(answered.clone());
                router.clone().oneshot(request)
            });
            let wire = TokioIo::new(Wire::new(stream, connection.clone()));
            let mut http = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT)
                .serve_connection(wire, service);
            let by_hand = tokio::select! {
                // A client that goes away in the middle is none of the site's business.
                _ = &mut http => return,
                by_hand = connection.taken_over() => by_hand,
            };
            by_hand.carry_out(http.into_parts().io.into_inner().into_inner()).await;
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
