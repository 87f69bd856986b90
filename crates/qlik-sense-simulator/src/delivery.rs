//! What was sent in full: bodies whose last byte went to the socket without an error.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::connection::Connection;
use super::site::{InFlight, Pair};

/// What a session list says, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows.
    pub sessions: usize,
    /// Distinct users, anonymous ones left out.
    pub users: usize,
    /// Rows of anonymous users.
    pub anonymous_sessions: usize,
}

/// How far a pair's session lists came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Session lists sent in full so far: the running number of the last one.
    pub full_bodies: u64,
    /// What the last one said.
    pub last: Option<Counts>,
    /// Session lists whose last piece is on its way to the socket: they may be in the client's hands already,
    /// or never get there. Who compares exactly looks again while this is not 0.
    pub finishing: usize,
}

/// What an answer with a session list is accounted for.
#[derive(Clone)]
pub(super) struct Listed {
    pub pair: Arc<Pair>,
    /// `None`: what is sent is no session list any more.
    pub counts: Option<Counts>,
    /// Ends with the last of its holders.
    pub _in_flight: Arc<InFlight>,
}

/// A session list whose last piece is on its way to the socket.
pub(super) struct Receipt {
    pair: Arc<Pair>,
    counts: Counts,
}

impl Receipt {
    fn new(pair: Arc<Pair>, counts: Counts) -> Self {
        pair.deliveries().finishing += 1;
        Self { pair, counts }
    }

    /// The last byte went to the socket.
    pub fn sent(self) {
        let mut deliveries = self.pair.deliveries();
        deliveries.full_bodies += 1;
        deliveries.last = Some(self.counts);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.pair.deliveries().finishing -= 1;
    }
}

impl Listed {
    /// `None` when what is sent is no session list.
    fn receipt(self) -> Option<Receipt> {
        Some(Receipt::new(self.pair, self.counts?))
    }
}

/// A body that reports its end.
pub(super) struct Accounted {
    body: Body,
    listed: Option<Listed>,
    connection: Connection,
}

impl Accounted {
    pub fn new(body: Body, listed: Listed, connection: Connection) -> Self {
        Self { body, listed: Some(listed), connection }
    }
}

impl hyper::body::Body for Accounted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if matches!(frame, Some(Err(_))) {
            self.listed = None;
        }
        // Before the client can have it all, so that its next request is never in flight beside this one.
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(receipt) = self.listed.take().and_then(Listed::receipt)
        {
            self.connection.expect(receipt);
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
