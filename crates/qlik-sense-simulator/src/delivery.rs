//! Counts of the session lists that were sent in full: their last byte went to the socket without an error.

use serde::Serialize;

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
