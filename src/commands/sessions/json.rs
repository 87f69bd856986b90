//! Writes sessions as JSON.

use std::io::{self, Write};

use rayon::prelude::*;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Serializer as JsonSerializer;

use super::order::{AnsweredPair, OrderedSession, OrderedSessions, SessionIndex};
use crate::sessions::{QueriedPair, Session};
use crate::terminal::EscapedJson;

/// The members of a session that all sessions of its pair share.
#[derive(Serialize)]
struct PairMembers<'a> {
    site: &'a str,
    proxy: &'a str,
    proxy_host: &'a str,
    virtual_proxy: &'a str,
    virtual_proxy_description: &'a str,
    session_cookie_header: &'a str,
    load_balancing_nodes: Vec<NodeMembers<'a>>,
}

#[derive(Serialize)]
struct NodeMembers<'a> {
    name: &'a str,
    host: &'a str,
}

/// The other members of a session.
#[derive(Serialize)]
struct SessionMembers<'a> {
    user_directory: &'a str,
    user_id: &'a str,
    user_name: Option<&'a str>,
    #[serde(serialize_with = "serialize_attributes")]
    attributes: Session<'a>,
    session_id: &'a str,
}

impl<'a> PairMembers<'a> {
    fn new(pair: &'a QueriedPair) -> Self {
        let mut members = Self {
            site: &pair.site,
            proxy: &pair.proxy.name,
            proxy_host: &pair.proxy.host,
            virtual_proxy: pair.virtual_proxy.path(),
            virtual_proxy_description: "",
            session_cookie_header: "",
            load_balancing_nodes: Vec::new(),
        };
        if let Some(facts) = &pair.facts {
            members.virtual_proxy_description = &facts.description;
            members.session_cookie_header = &facts.session_cookie_header;
            for node in &facts.load_balancing_nodes {
                members.load_balancing_nodes.push(NodeMembers { name: &node.name, host: &node.host });
            }
        }
        members
    }
}

impl<'a> SessionMembers<'a> {
    fn new(session: Session<'a>) -> Self {
        Self {
            user_directory: session.user.directory,
            user_id: session.user.id,
            user_name: session.user_name,
            attributes: session,
            session_id: session.session_id,
        }
    }
}

/// Serializes attributes as Qlik does: objects of one member, because names repeat.
fn serialize_attributes<S: Serializer>(session: &Session<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(session.attributes().map(|(name, value)| Attribute { name, value }))
}

struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
}

impl Serialize for Attribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.name, self.value)?;
        object.end()
    }
}

/// Writes an array with one object per line.
pub fn write(out: &mut impl Write, sessions: &OrderedSessions<'_>) -> io::Result<()> {
    write_array(out, sessions, "\n")
}

/// Writes an array in one line.
pub fn write_line(out: &mut impl Write, sessions: &OrderedSessions<'_>) -> io::Result<()> {
    write_array(out, sessions, "")
}

/// The number of sessions that a thread serializes at a time, about 100 KiB of text.
const CHUNK: usize = 250;

/// The number of sessions that are in memory as text while the text of as many before them is written.
const WINDOW: usize = 16 * CHUNK;

fn write_array(out: &mut impl Write, sessions: &OrderedSessions<'_>, line_end: &str) -> io::Result<()> {
    if sessions.len() == 0 {
        return writeln!(out, "[]");
    }
    let rows = RowSerializer::new(sessions, line_end)?;
    let mut separator: &[u8] = b"[";
    let mut ready: Vec<io::Result<Vec<u8>>> = Vec::new();
    // The last round only writes.
    for window in sessions.order().chunks(WINDOW).chain([&[][..]]) {
        let mut next = Vec::new();
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| {
                window.par_chunks(CHUNK).map(|chunk| rows.serialize(chunk)).collect_into_vec(&mut next);
            });
            for text in ready.drain(..) {
                out.write_all(separator)?;
                out.write_all(&text?)?;
                separator = b",";
            }
            io::Result::Ok(())
        })?;
        ready = next;
    }
    writeln!(out, "{line_end}]")
}

/// Serializes sessions. The members of a pair are serialized once: they are half of the text of each session.
struct RowSerializer<'r> {
    sessions: &'r OrderedSessions<'r>,
    /// The beginning of the object of each session, by pair.
    beginnings: Vec<Vec<u8>>,
}

impl<'r> RowSerializer<'r> {
    fn new(sessions: &'r OrderedSessions<'r>, line_end: &str) -> io::Result<Self> {
        let mut beginnings = Vec::new();
        for AnsweredPair { pair, .. } in sessions.pairs() {
            let mut beginning = line_end.as_bytes().to_vec();
            serialize(&mut beginning, &PairMembers::new(pair))?;
            // The members of the session follow in place of the closing brace.
            beginning.pop();
            beginnings.push(beginning);
        }
        Ok(Self { sessions, beginnings })
    }

    /// Returns the objects of these sessions, separated by commas.
    fn serialize(&self, chunk: &[SessionIndex]) -> io::Result<Vec<u8>> {
        let mut rows = Vec::new();
        for index in chunk {
            let Some(OrderedSession { pair_index, session, .. }) = self.sessions.get(*index) else {
                continue;
            };
            if !rows.is_empty() {
                rows.push(b',');
            }
            rows.extend_from_slice(self.beginnings.get(pair_index).map(Vec::as_slice).unwrap_or_default());
            let brace = rows.len();
            serialize(&mut rows, &SessionMembers::new(session))?;
            if let Some(brace) = rows.get_mut(brace) {
                *brace = b',';
            }
        }
        Ok(rows)
    }
}

fn serialize(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut JsonSerializer::with_formatter(out, EscapedJson)).map_err(io::Error::from)
}
