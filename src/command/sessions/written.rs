//! Sessions for other programs: JSON and CSV, written row by row.

use std::io::{self, Write};

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Serializer as Json;

use super::order::Ordered;
use crate::qlik::qrs::Node;
use crate::sessions::{Pair, Session};
use crate::terminal::{EscapedJson, escaped};

/// Everything that is known of one session; the members are the keys of JSON and the columns of CSV.
#[derive(Serialize)]
struct Row<'a, N, A> {
    site: &'a str,
    proxy: &'a str,
    proxy_host: &'a str,
    virtual_proxy: &'a str,
    virtual_proxy_description: &'a str,
    session_cookie_header: &'a str,
    load_balancing_nodes: N,
    user_directory: &'a str,
    user_id: &'a str,
    user_name: Option<&'a str>,
    attributes: A,
    session_id: &'a str,
}

impl<'a, N, A> Row<'a, N, A> {
    fn new(pair: &'a Pair, session: Session<'a>, load_balancing_nodes: N, attributes: A) -> Self {
        let facts = pair.facts.as_ref();
        Self {
            site: &pair.site,
            proxy: &pair.proxy.name,
            proxy_host: &pair.proxy.host,
            virtual_proxy: pair.virtual_proxy.path(),
            virtual_proxy_description: facts.map_or("", |facts| &facts.description),
            session_cookie_header: facts.map_or("", |facts| &facts.session_cookie_header),
            load_balancing_nodes,
            user_directory: session.user.directory,
            user_id: session.user.id,
            user_name: session.user_name,
            attributes,
            session_id: session.session_id,
        }
    }
}

pub fn nodes(pair: &Pair) -> &[Node] {
    pair.facts.as_ref().map_or(&[], |facts| &facts.load_balancing_nodes)
}

/// An array of objects, a line each.
pub fn json(out: &mut impl Write, sessions: &Ordered<'_>) -> io::Result<()> {
    array(out, sessions, "\n")
}

/// The same in one line.
pub fn json_line(out: &mut impl Write, sessions: &Ordered<'_>) -> io::Result<()> {
    array(out, sessions, "")
}

fn array(out: &mut impl Write, sessions: &Ordered<'_>, line_end: &str) -> io::Result<()> {
    let mut separator = "[";
    for (_, pair, session) in sessions.iter() {
        out.write_all(separator.as_bytes())?;
        out.write_all(line_end.as_bytes())?;
        separator = ",";
        let row = Row::new(pair, session, Nodes(nodes(pair)), Attributes(session));
        row.serialize(&mut Json::with_formatter(&mut *out, EscapedJson)).map_err(io::Error::from)?;
    }
    match separator {
        "," => writeln!(out, "{line_end}]"),
        _ => writeln!(out, "[]"),
    }
}

/// Objects with the node's name and host.
struct Nodes<'a>(&'a [Node]);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Names<'a> {
            name: &'a str,
            host: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|node| Names { name: &node.name, host: &node.host }))
    }
}

/// As Qlik has them: objects of one member, since names repeat.
struct Attributes<'a>(Session<'a>);

struct Attribute<'a>(&'a str, &'a str);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (name, value) in self.0.attributes() {
            list.serialize_element(&Attribute(name, value))?;
        }
        list.end()
    }
}

impl Serialize for Attribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.0, self.1)?;
        object.end()
    }
}

/// One header line, then a record for each session. `to_terminal`: nothing that a terminal would obey.
pub fn csv(out: &mut impl Write, sessions: &Ordered<'_>, to_terminal: bool) -> io::Result<()> {
    csv_head(out, None)?;
    csv_rows(out, sessions, None, to_terminal)
}

/// The header line. `first` is a column before all others.
pub fn csv_head(out: &mut impl Write, first: Option<&str>) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(first.into_iter().chain(HEADER))?;
    csv.flush()
}

/// A line for each session. `first` is what stands in a column before all others.
pub fn csv_rows(
    out: &mut impl Write,
    sessions: &Ordered<'_>,
    first: Option<&str>,
    to_terminal: bool,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    for (_, pair, session) in sessions.iter() {
        let (nodes, attributes) = (nodes_in_words(pair), attributes_in_words(session));
        let row = Row::new(pair, session, &*nodes, &*attributes);
        let cells = [
            row.site,
            row.proxy,
            row.proxy_host,
            row.virtual_proxy,
            row.virtual_proxy_description,
            row.session_cookie_header,
            row.load_balancing_nodes,
            row.user_directory,
            row.user_id,
            row.user_name.unwrap_or_default(),
            row.attributes,
            row.session_id,
        ];
        for cell in first.into_iter().chain(cells) {
            let escaped = to_terminal.then(|| escaped(cell));
            let cell = escaped.as_deref().unwrap_or(cell);
            match is_formula(cell) {
                true => csv.write_field(format!("'{cell}"))?,
                false => csv.write_field(cell)?,
            }
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

const HEADER: [&str; 12] = [
    "site",
    "proxy",
    "proxy_host",
    "virtual_proxy",
    "virtual_proxy_description",
    "session_cookie_header",
    "load_balancing_nodes",
    "user_directory",
    "user_id",
    "user_name",
    "attributes",
    "session_id",
];

/// Whether a spreadsheet would run it: also behind blanks, which some skip.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['\t', '\r', '\n']) || cell.trim_start().starts_with(['=', '+', '-', '@'])
}

/// `Central (sense1.company.com), Node2 (sense2.company.com)`.
pub fn nodes_in_words(pair: &Pair) -> String {
    let words = |node: &Node| match (&*node.name, &*node.host) {
        (name, "") => name.to_owned(),
        ("", host) => host.to_owned(),
        (name, host) => format!("{name} ({host})"),
    };
    nodes(pair).iter().map(words).collect::<Vec<_>>().join(", ")
}

/// `group=Finance; group=EMEA; email=`.
pub fn attributes_in_words(session: Session<'_>) -> String {
    session.attributes().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_known() {
        for cell in ["=1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\n=1", "\u{a0}=1"] {
            assert!(is_formula(cell), "{cell:?}");
        }
        for cell in ["", "x", "a=1", "1", " x", "'=1"] {
            assert!(!is_formula(cell), "{cell:?}");
        }
    }
}
