//! The part of a connection that hyper does not offer: when everything is sent, and raw responses that violate HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::receipt::{PendingDelivery, Receipt};

/// How long a client may take to receive a raw response.
const RAW_TIMEOUT: Duration = Duration::from_secs(120);

/// The connection of a request. An extension of every request.
#[derive(Clone, Default)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The receipts of bodies that hyper holds completely and has not flushed to the socket yet.
    receipts: Mutex<Vec<Receipt>>,
    raw_response: Mutex<Option<RawResponse>>,
    taken_over: Notify,
}

/// Bytes to send instead of hyper's response, and how to end the connection after them.
pub(super) struct RawResponse {
    pub bytes: Bytes,
    pub end: End,
    /// Keeps the response in flight until it is sent.
    pub pending: Option<PendingDelivery>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A TCP reset.
    Reset,
    /// An orderly end of TLS and TCP.
    Close,
}

impl Connection {
    /// Adds the receipt of a body whose last piece is handed to hyper in the current poll.
    pub fn add_receipt(&self, receipt: Receipt) {
        self.0.receipts.lock().push(receipt);
    }

    /// Takes the connection away from hyper and sends this response. Never returns: it is dropped together with
    /// hyper's part of the connection.
    pub async fn take_over(&self, response: RawResponse) -> std::convert::Infallible {
        *self.0.raw_response.lock() = Some(response);
        self.0.taken_over.notify_one();
        std::future::pending().await
    }

    /// Waits for [`Self::take_over`] and returns its response.
    pub async fn taken_over(&self) -> RawResponse {
        loop {
            let response = self.0.raw_response.lock().take();
            if let Some(response) = response {
                return response;
            }
            self.0.taken_over.notified().await;
        }
    }

    fn record_flush(&self) {
        for receipt in std::mem::take(&mut *self.0.receipts.lock()) {
            receipt.record_sent();
        }
    }
}

impl RawResponse {
    /// Sends the response and ends the connection.
    pub async fn send(self, mut stream: TlsStream<TcpStream>) {
        // A client may disconnect at any time: no error of the site.
        let _ = timeout(RAW_TIMEOUT, self.write(&mut stream)).await;
        drop(self.pending);
    }

    async fn write(&self, stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
        stream.write_all(&self.bytes).await?;
        stream.flush().await?;
        match self.end {
            End::Close => stream.shutdown().await,
            End::Reset => stream.get_ref().0.set_zero_linger(),
        }
    }
}

/// The stream between TLS and hyper, which notifies the connection when everything written so far is sent.
pub(super) struct Wire {
    stream: TlsStream<TcpStream>,
    connection: Connection,
}

impl Wire {
    pub fn new(stream: TlsStream<TcpStream>, connection: Connection) -> Self {
        Self { stream, connection }
    }

    pub fn into_inner(self) -> TlsStream<TcpStream> {
        self.stream
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes only after it has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.connection.record_flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
