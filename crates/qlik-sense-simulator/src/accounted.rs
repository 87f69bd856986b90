//! The response body that hands over its receipt at its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use crate::connection::Connection;
use crate::receipt::Listed;

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
