//! Writes sessions as CSV.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{ErrorKind, Writer, WriterBuilder};
use serde::Serialize;

use super::order::{OrderedSession, OrderedSessions};
use super::session_text::{attributes_text, nodes_text};
use crate::terminal::escaped;

/// A record. The names of the fields are the header.
#[derive(Default, Serialize)]
struct SessionRecord<'a> {
    /// Only where lists follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    site: Cow<'a, str>,
    proxy: Cow<'a, str>,
    proxy_host: Cow<'a, str>,
    virtual_proxy: Cow<'a, str>,
    virtual_proxy_description: Cow<'a, str>,
    session_cookie_header: Cow<'a, str>,
    load_balancing_nodes: Cow<'a, str>,
    user_directory: Cow<'a, str>,
    user_id: Cow<'a, str>,
    user_name: Cow<'a, str>,
    attributes: Cow<'a, str>,
    session_id: Cow<'a, str>,
}

impl<'a> SessionRecord<'a> {
    fn new(ordered: OrderedSession<'a>, time: Option<&'a str>, to_terminal: bool) -> Self {
        let OrderedSession { pair, session, .. } = ordered;
        let (mut description, mut cookie_header) = ("", "");
        if let Some(facts) = &pair.facts {
            (description, cookie_header) = (&facts.description, &facts.session_cookie_header);
        }
        Self {
            time,
            site: cell(&*pair.site, to_terminal),
            proxy: cell(&*pair.proxy.name, to_terminal),
            proxy_host: cell(&*pair.proxy.host, to_terminal),
            virtual_proxy: cell(pair.virtual_proxy.path(), to_terminal),
            virtual_proxy_description: cell(description, to_terminal),
            session_cookie_header: cell(cookie_header, to_terminal),
            load_balancing_nodes: cell(nodes_text(pair), to_terminal),
            user_directory: cell(session.user.directory, to_terminal),
            user_id: cell(session.user.id, to_terminal),
            user_name: cell(session.user_name.unwrap_or_default(), to_terminal),
            attributes: cell(attributes_text(session), to_terminal),
            session_id: cell(session.session_id, to_terminal),
        }
    }
}

/// Returns the text of a cell, escaped for a terminal and disarmed for spreadsheets.
fn cell<'a>(text: impl Into<Cow<'a, str>>, to_terminal: bool) -> Cow<'a, str> {
    let mut text = text.into();
    if to_terminal {
        text = escaped(&text).into();
    }
    if is_formula(&text) { format!("'{text}").into() } else { text }
}

/// Returns whether a spreadsheet would run the cell, also behind blanks, which some skip.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['\t', '\r', '\n']) || cell.trim_start().starts_with(['=', '+', '-', '@'])
}

/// Writes the header line and a record for each session. `to_terminal`: without control characters.
pub fn write(out: &mut impl Write, sessions: &OrderedSessions<'_>, to_terminal: bool) -> io::Result<()> {
    write_header(out, None).map_err(io_error)?;
    write_records(out, sessions, None, to_terminal).map_err(io_error)
}

/// Writes records that begin with a time, and before them, if wanted, the header line.
pub fn write_at(
    out: &mut impl Write,
    sessions: &OrderedSessions<'_>,
    time: &str,
    with_header: bool,
    to_terminal: bool,
) -> io::Result<()> {
    if with_header {
        write_header(out, Some(time)).map_err(io_error)?;
    }
    write_records(out, sessions, Some(time), to_terminal).map_err(io_error)
}

/// Writes the header line of an empty record, for there may be no session.
fn write_header(out: &mut impl Write, time: Option<&str>) -> ::csv::Result<()> {
    let mut csv = Writer::from_writer(Vec::new());
    csv.serialize(SessionRecord { time, ..SessionRecord::default() })?;
    let lines = csv.into_inner().map_err(|error| error.into_error())?;
    let header = lines.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(out.write_all(header)?)
}

fn write_records(
    out: &mut impl Write,
    sessions: &OrderedSessions<'_>,
    time: Option<&str>,
    to_terminal: bool,
) -> ::csv::Result<()> {
    let mut csv = WriterBuilder::new().has_headers(false).from_writer(out);
    for session in sessions.iter() {
        csv.serialize(SessionRecord::new(session, time, to_terminal))?;
    }
    Ok(csv.flush()?)
}

/// Returns the error of the writer below: csv's own conversion hides its kind.
fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_recognized() {
        for cell in ["=1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\n=1", "\u{a0}=1"] {
            assert!(is_formula(cell), "{cell:?}");
        }
        for cell in ["", "x", "a=1", "1", " x", "'=1"] {
            assert!(!is_formula(cell), "{cell:?}");
        }
    }
}
