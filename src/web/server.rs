//! Listens, and serves connections within limits: in number, in time and at shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

/// Connections that are served at the same time; further ones get status 503.
const CONNECTIONS: usize = 1000;

/// Connections that get status 503 at the same time; further ones are closed.
const REFUSALS: usize = 100;

/// The time to receive the head of a request, idle time on a kept connection included: longer than usual scrape
/// intervals.
const HEAD: Duration = Duration::from_secs(90);

/// The same for a connection that gets status 503.
const REFUSED_HEAD: Duration = Duration::from_secs(5);

/// The time in which a client must read something.
const WRITE: Duration = Duration::from_secs(10);

/// The time that open scrapes have to complete at shutdown.
const GRACE: Duration = Duration::from_millis(1500);

/// The pause after a failed accept, as when the process has too many open files.
const NO_SOCKET: Duration = Duration::from_millis(200);

/// Connections that the operating system queues until they are accepted.
const BACKLOG: i32 = 1024;

/// Open files allowed: more than the connections from clients and to proxy services together. On many systems the
/// default limit is 1024.
const FILES: u64 = 4096;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}: {} (--web.listen-address chooses another)", advice(.error))]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

/// Returns the likely cause.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => "this host has no such address",
        io::ErrorKind::PermissionDenied if cfg!(windows) => {
            "the port may be reserved by Windows, see netsh interface ipv4 show excludedportrange tcp"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 may require privileges",
        _ => "another program may be using it",
    }
}

/// Binds all addresses, or none.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    allow_files();
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = listen(address).map_err(|error| ListenError { address, error })?;
        debug!(address = %listener.local_addr().unwrap_or(address), "listening");
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Binds an address. An IPv6 address accepts IPv6 only, on every operating system: otherwise on Linux `[::]` would occupy
/// the port of `0.0.0.0` too.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The port can be bound again right after a restart. On Windows the option would let other programs bind it too.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Raises the limit of open files: otherwise idle client connections could use up those for the proxy services.
fn allow_files() {
    match rlimit::increase_nofile_limit(FILES) {
        Ok(allowed) if allowed >= FILES => {}
        Ok(allowed) => warn!(allowed, wanted = FILES, "open file limit is low"),
        Err(error) => warn!(%error, wanted = FILES, "raising the open file limit failed"),
    }
}

/// Serves until `stop`, then gives open requests a moment to complete.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, stop: CancellationToken) {
    let served = Arc::new(Semaphore::new(CONNECTIONS));
    let refused = Arc::new(Semaphore::new(REFUSALS));
    let listeners = listeners
        .into_iter()
        .map(|listener| accept(listener, router.clone(), served.clone(), refused.clone(), stop.clone()));
    futures::future::join_all(listeners).await;
}

async fn accept(
    listener: TcpListener,
    router: Router,
    served: Arc<Semaphore>,
    refused: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "accept failed");
                    sleep(NO_SOCKET).await;
                    continue;
                }
            },
        };
        // The connection's task holds a permit until it ends.
        if let Ok(permit) = served.clone().try_acquire_owned() {
            let router = router.clone();
            let service =
                service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
            let connection = http(HEAD).serve_connection(with_timeout(stream), service);
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                let _permit = permit;
                if let Err(error) = connection.await {
                    debug!(%error, "connection failed");
                }
            });
        } else if let Ok(permit) = refused.clone().try_acquire_owned() {
            let service = service_fn(|_| async { Ok::<_, Infallible>(too_many()) });
            let connection =
                http(REFUSED_HEAD).keep_alive(false).serve_connection(with_timeout(stream), service);
            connections.spawn(async move {
                let _permit = permit;
                let _ = connection.await;
            });
        }
    }
    drop(listener);
    // Connections that are still open after this are dropped.
    let _ = timeout(GRACE, graceful.shutdown()).await;
}

fn http(head: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head);
    builder
}

fn with_timeout(stream: TcpStream) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
    // The pieces are large, so that Nagle's algorithm would only delay the last one.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE));
    TokioIo::new(Box::pin(stream))
}

fn too_many() -> Response<Body> {
    let body = "too many connections\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    /// Returns a client of a server with an endless body at `/`. The server runs as long as the test does.
    async fn client() -> TcpStream {
        let listeners = bind(&[([127, 0, 0, 1], 0).into()]).await.unwrap();
        let address = listeners[0].local_addr().unwrap();
        tokio::spawn(serve(listeners, Router::new().route("/", get(endless)), CancellationToken::new()));
        TcpStream::connect(address).await.unwrap()
    }

    async fn endless() -> Body {
        Body::from_stream(futures::stream::repeat_with(|| {
            Ok::<_, Infallible>(Bytes::from_static(&[0; 4096]))
        }))
    }

    /// Returns the time until the server closes the connection of a client that reads everything.
    async fn time_to_close(mut client: TcpStream) -> Duration {
        let start = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        while !matches!(client.read(&mut buffer).await, Ok(0) | Err(_)) {}
        start.elapsed()
    }

    #[tokio::test]
    async fn both_families_can_have_the_same_port() {
        let first = bind(&[([0, 0, 0, 0], 0).into()]).await.unwrap();
        let port = first[0].local_addr().unwrap().port();
        let any = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port);
        // Some machines have no IPv6 at all.
        if let Err(error) = bind(&[any]).await {
            assert_ne!(error.error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
    }

    #[tokio::test]
    async fn address_of_another_host_is_reported() {
        // Of a block for documentation.
        let error = bind(&[([192, 0, 2, 1], 0).into()]).await.unwrap_err().to_string();
        assert!(error.contains("this host has no such address"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_half_a_head_is_disconnected() {
        let mut client = client().await;
        client.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        let time = time_to_close(client).await;
        assert!((HEAD..HEAD + Duration::from_secs(1)).contains(&time), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_reads_nothing_is_disconnected() {
        let mut client = client().await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        client.readable().await.unwrap();
        sleep(WRITE + Duration::from_secs(1)).await;
        // Reads what is in the sockets' buffers, then the end of the connection.
        time_to_close(client).await;
    }
}
