//! Counts of the session lists that were sent completely, up to the last byte and without an error.

use serde::Serialize;

/// The numbers of a session list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The number of rows.
    pub sessions: usize,
    /// The number of distinct users, without anonymous ones.
    pub users: usize,
    /// The number of rows of anonymous users.
    pub anonymous_sessions: usize,
}

/// The session lists of one pair that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The number of session lists sent completely so far.
    pub full_bodies: u64,
    /// The counts of the last of these.
    pub last: Option<Counts>,
    /// The number of session lists whose last piece is being written to the socket. The client may have received them
    /// already, or may never. For an exact comparison, read again until this is 0.
    pub finishing: usize,
}
