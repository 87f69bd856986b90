//! A response body that notices when its last piece is handed to hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use crate::connection::Connection;
use crate::receipt::PendingDelivery;

/// The body of a session list, which hands its receipt to the connection together with its last piece.
pub(super) struct TrackedBody {
    body: Body,
    pending: Option<PendingDelivery>,
    connection: Connection,
}

impl TrackedBody {
    pub fn new(body: Body, pending: PendingDelivery, connection: Connection) -> Self {
        Self { body, pending: Some(pending), connection }
    }
}

impl hyper::body::Body for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if matches!(frame, Some(Err(_))) {
            self.pending = None;
        }
        // Before the client can have all of it, so that its next request is never in flight at the same time.
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(receipt) = self.pending.take().and_then(PendingDelivery::receipt)
        {
            self.connection.add_receipt(receipt);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
