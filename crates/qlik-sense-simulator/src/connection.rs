//! One connection beside what hyper does with it: when it has sent what it was given, and answers that are
//! written by hand because HTTP would not allow them.

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

use crate::receipt::{Listed, Receipt};

/// How long a client may take for an answer that is written by hand.
const BY_HAND_TIMEOUT: Duration = Duration::from_secs(120);

/// The connection that a request came in by; each request carries it.
#[derive(Clone, Default)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Of bodies that hyper has wholly taken and not yet wholly given to the socket.
    receipts: Mutex<Vec<Receipt>>,
    by_hand: Mutex<Option<ByHand>>,
    handed_over: Notify,
}

/// Bytes instead of hyper's answer, and how the connection ends after them.
pub(super) struct ByHand {
    pub bytes: Bytes,
    pub end: End,
    /// In flight as long as this is not carried out.
    pub listed: Option<Listed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A TCP reset.
    Reset,
    /// As usual.
    Close,
}

impl Connection {
    /// The last piece of a body was given to hyper in this very call.
    pub fn expect(&self, receipt: Receipt) {
        self.0.receipts.lock().push(receipt);
    }

    /// Takes the connection away from hyper. Ends only by being dropped with everything of hyper's.
    pub async fn take_over(&self, by_hand: ByHand) -> std::convert::Infallible {
        *self.0.by_hand.lock() = Some(by_hand);
        self.0.handed_over.notify_one();
        std::future::pending().await
    }

    /// Waits until somebody takes the connection over.
    pub async fn taken_over(&self) -> ByHand {
        loop {
            let by_hand = self.0.by_hand.lock().take();
            if let Some(by_hand) = by_hand {
                return by_hand;
            }
            self.0.handed_over.notified().await;
        }
    }

    fn flushed(&self) {
        for receipt in std::mem::take(&mut *self.0.receipts.lock()) {
            receipt.sent();
        }
    }
}

impl ByHand {
    pub async fn carry_out(self, mut stream: TlsStream<TcpStream>) {
        let sending = async {
            stream.write_all(&self.bytes).await?;
            stream.flush().await?;
            match self.end {
                End::Close => stream.shutdown().await,
                End::Reset => stream.get_ref().0.set_zero_linger(),
            }
        };
        // A client that goes away in the middle is none of the site's business.
        let _ = timeout(BY_HAND_TIMEOUT, sending).await;
        drop(self.listed);
    }
}

/// The stream between TLS and hyper, which tells the connection when everything written so far is sent.
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

    /// hyper flushes only when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
