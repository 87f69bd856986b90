//! Records a session list as delivered once its last byte is sent.

use std::sync::Arc;

use crate::delivery::Counts;
use crate::site::{InFlight, Pair};

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
    pub fn receipt(self) -> Option<Receipt> {
        Some(Receipt::new(self.pair, self.counts?))
    }
}
