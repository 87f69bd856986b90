//! Sessions for other programs: JSON and CSV, written row by row.

use std::io::{self, Write};

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Serializer as Json;

use super::order::Ordered;
use super::pieces;
use crate::sessions::{QueriedPair, Session};
use crate::terminal::{EscapedJson, escaped};
use qlik_sense::qrs::Node;

/// Where a session is: the first members of JSON and columns of CSV.
#[derive(Serialize)]
struct PairMembers<'a, N> {
    site: &'a str,
    proxy: &'a str,
    proxy_host: &'a str,
    virtual_proxy: &'a str,
    virtual_proxy_description: &'a str,
    session_cookie_header: &'a str,
    load_balancing_nodes: N,
}

impl<'a, N> PairMembers<'a, N> {
    fn new(pair: &'a QueriedPair, load_balancing_nodes: N) -> Self {
        let facts = pair.facts.as_ref();
        Self {
            site: &pair.site,
            proxy: &pair.proxy.name,
            proxy_host: &pair.proxy.host,
            virtual_proxy: pair.virtual_proxy.path(),
            virtual_proxy_description: facts.map_or("", |facts| &facts.description),
            session_cookie_header: facts.map_or("", |facts| &facts.session_cookie_header),
            load_balancing_nodes,
        }
    }
}

fn nodes(pair: &QueriedPair) -> &[Node] {
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

/// Rows that a thread makes at a time: some 100 KiB of text.
const ROWS: usize = 250;

fn array(out: &mut impl Write, sessions: &Ordered<'_>, line_end: &str) -> io::Result<()> {
    if sessions.len() == 0 {
        return writeln!(out, "[]");
    }
    // What all rows of a pair begin with is written once.
    let beginning = |(pair, _): (&QueriedPair, _)| {
        let mut object = line_end.as_bytes().to_vec();
        member(&mut object, "", &PairMembers::new(pair, Nodes(nodes(pair))))?;
        // In place of the brace at its end comes the rest of the row.
        object.pop();
        Ok(object)
    };
    let beginnings = sessions.pairs().map(beginning).collect::<io::Result<Vec<_>>>()?;
    write!(out, "[")?;
    pieces::write(out, (0..).zip(sessions.chunks(ROWS)), |(number, sessions)| {
        let mut rows = Vec::new();
        let mut separator: &[u8] = if number == 0 { b"" } else { b"," };
        for (place, _, session) in sessions {
            rows.extend_from_slice(separator);
            separator = b",";
            rows.extend_from_slice(beginnings.get(place).map(Vec::as_slice).unwrap_or_default());
            member(&mut rows, ",\"user_directory\":", session.user.directory)?;
            member(&mut rows, ",\"user_id\":", session.user.id)?;
            member(&mut rows, ",\"user_name\":", &session.user_name)?;
            member(&mut rows, ",\"attributes\":", &Attributes(session))?;
            member(&mut rows, ",\"session_id\":", session.session_id)?;
            rows.push(b'}');
        }
        Ok(rows)
    })?;
    writeln!(out, "{line_end}]")
}

/// A value behind the name that it has in an object.
fn member(out: &mut impl Write, name: &str, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    out.write_all(name.as_bytes())?;
    value.serialize(&mut Json::with_formatter(out, EscapedJson)).map_err(io::Error::from)
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
    csv.write_record(first.into_iter().chain(HEADER)).map_err(of_csv)?;
    csv.flush()
}

/// A line for each session. `first` is what stands in a column before all others.
pub fn csv_rows(
    out: &mut impl Write,
    sessions: &Ordered<'_>,
    first: Option<&str>,
    to_terminal: bool,
) -> io::Result<()> {
    write_rows(out, sessions, first, to_terminal).map_err(of_csv)
}

/// What went wrong below CSV: its own conversion hides the kind.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn write_rows(
    out: &mut impl Write,
    sessions: &Ordered<'_>,
    first: Option<&str>,
    to_terminal: bool,
) -> csv::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    for (_, pair, session) in sessions.iter() {
        let attributes = attributes_in_words(session);
        let nodes = nodes_in_words(pair);
        let place = PairMembers::new(pair, &*nodes);
        let cells = [
            place.site,
            place.proxy,
            place.proxy_host,
            place.virtual_proxy,
            place.virtual_proxy_description,
            place.session_cookie_header,
            place.load_balancing_nodes,
            session.user.directory,
            session.user.id,
            session.user_name.unwrap_or_default(),
            &attributes,
            session.session_id,
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
    Ok(csv.flush()?)
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
pub fn nodes_in_words(pair: &QueriedPair) -> String {
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
