//! What each fault of a proxy service must look like in a scrape: the specification.

use qlik_sense_simulator::{Fault, Session};

/// What a query that meets a fault comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A good answer: it is used, with the counts that were sent.
    Up,
    /// A failure, counted once with this reason.
    Fails(&'static str),
}

use Outcome::{Fails, Up};

/// Every fault of the simulated site with its outcome. Delays are far from the `request_timeout`s that tests
/// choose: a few seconds.
pub const SPECIFICATION: &[(&str, Outcome)] = &[
    ("hang", Fails("timeout")),
    ("hang-midway", Fails("timeout")),
    ("trickle", Fails("timeout")),
    ("500", Fails("http_status")),
    ("503", Fails("http_status")),
    ("403", Fails("denied")),
    ("401", Fails("denied")),
    ("404", Fails("http_status")),
    ("redirect", Fails("http_status")),
    ("refuse", Fails("connect")),
    ("refuse-handshake", Fails("tls")),
    ("wrong-certificate", Fails("tls")),
    ("reset", Fails("connect")),
    ("reset-midway", Fails("decode")),
    ("truncated", Fails("decode")),
    ("json-object", Fails("decode")),
    ("json-numbers", Fails("decode")),
    ("json-nulls", Fails("decode")),
    ("json-nested", Fails("decode")),
    ("html", Fails("decode")),
    ("empty", Fails("decode")),
    ("endless", Fails("too_large")),
    ("long-ids", Up),
    ("duplicate-ids", Up),
    ("camel-case", Up),
    ("gzip", Fails("decode")),
    ("length-too-long", Fails("decode")),
    ("length-too-short", Fails("decode")),
    ("latency:250ms", Up),
    ("latency:10s", Fails("timeout")),
    ("jitter:10ms..500ms", Up),
    // The first query hangs, the second is answered, and so on.
    ("every-second", Fails("timeout")),
];

/// The sessions as a fault with the outcome [`Up`] sends them.
pub fn as_sent(fault: Option<Fault>, mut sessions: Vec<Session>) -> Vec<Session> {
    const LONG: usize = 64 * 1024;
    match fault {
        Some(Fault::DuplicateIds) => [sessions.clone(), sessions].concat(),
        Some(Fault::LongIds) => {
            for Session { user_id, session_id, .. } in sessions.iter_mut().take(8) {
                for id in [user_id, session_id] {
                    *id += &"x".repeat(LONG - id.len());
                }
            }
            sessions
        }
        _ => sessions,
    }
}
