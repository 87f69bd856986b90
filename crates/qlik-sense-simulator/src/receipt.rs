//! Records a session list as delivered once its last byte is sent.

use std::sync::Arc;

use crate::delivery::Counts;
use crate::site::{InFlight, Pair};

/// The delivery of a session list that has begun. An extension of the response that carries it.
#[derive(Clone)]
pub(super) struct PendingDelivery {
    pub pair: Arc<Pair>,
    /// `None` if a fault turned the response into something other than a session list.
    pub counts: Option<Counts>,
    /// Keeps the response in flight as long as a clone of this exists.
    pub _in_flight: Arc<InFlight>,
}

/// A session list whose last piece is being written to the socket.
pub(super) struct Receipt {
    pair: Arc<Pair>,
    counts: Counts,
}

impl Receipt {
    fn new(pair: Arc<Pair>, counts: Counts) -> Self {
        pair.delivery().finishing += 1;
        Self { pair, counts }
    }

    /// Records that the last byte was written to the socket.
    pub fn record_sent(self) {
        let mut delivery = self.pair.delivery();
        delivery.full_bodies += 1;
        delivery.last = Some(self.counts);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.pair.delivery().finishing -= 1;
    }
}

impl PendingDelivery {
    /// Returns the receipt for the last piece; `None` when the response is no session list.
    pub fn receipt(self) -> Option<Receipt> {
        Some(Receipt::new(self.pair, self.counts?))
    }
}
