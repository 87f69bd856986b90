//! The sessions of one answer: all their texts one after another, no allocation per session.

use std::collections::BTreeSet;
use std::ops::Range;

use super::filter::User;
use crate::qlik::UserKey;
use crate::qlik::session_list::Facts;

/// The sessions of one answer, in the order in which they were listed. Has no `Debug`: session ids are
/// secrets.
#[derive(Default)]
pub struct Sessions {
    texts: String,
    rows: Vec<Row>,
    /// The ends of name and value of every attribute.
    attributes: Vec<(usize, usize)>,
    /// Users whose sessions are not among them: their names differ by case from those that are wanted.
    pub other_case: BTreeSet<User>,
}

/// Where a session's texts end: they follow each other.
struct Row {
    start: usize,
    directory: usize,
    id: usize,
    name: Option<usize>,
    session: usize,
    attributes: Range<usize>,
}

/// One session as its proxy service listed it. Has no `Debug`: its id is a secret.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    pub user: UserKey<'a>,
    /// None when missing, as on many versions.
    pub user_name: Option<&'a str>,
    pub session_id: &'a str,
    sessions: &'a Sessions,
    row: &'a Row,
}

impl Sessions {
    pub(crate) fn push(&mut self, session: &Facts<'_>) {
        let start = self.texts.len();
        let directory = self.add(session.user.directory);
        let id = self.add(session.user.id);
        let name = session.user_name.map(|name| self.add(name));
        let end_of_session = self.add(session.session_id);
        let first = self.attributes.len();
        for (name, value) in session.attributes {
            let ends = (self.add(name), self.add(value));
            self.attributes.push(ends);
        }
        let attributes = first..self.attributes.len();
        self.rows.push(Row { start, directory, id, name, session: end_of_session, attributes });
    }

    /// Where the text ends that is added.
    fn add(&mut self, text: &str) -> usize {
        self.texts.push_str(text);
        self.texts.len()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them, in the order in which they were listed.
    pub fn iter(&self) -> impl Iterator<Item = Session<'_>> {
        self.rows.iter().map(|row| self.session(row))
    }

    /// The one at this place in that order.
    pub fn get(&self, place: usize) -> Option<Session<'_>> {
        self.rows.get(place).map(|row| self.session(row))
    }

    fn session<'a>(&'a self, row: &'a Row) -> Session<'a> {
        let after_id = row.name.unwrap_or(row.id);
        Session {
            user: UserKey {
                directory: self.text(row.start, row.directory),
                id: self.text(row.directory, row.id),
            },
            user_name: row.name.map(|end| self.text(row.id, end)),
            session_id: self.text(after_id, row.session),
            sessions: self,
            row,
        }
    }

    fn text(&self, start: usize, end: usize) -> &str {
        self.texts.get(start..end).unwrap_or_default()
    }
}

impl<'a> Session<'a> {
    /// Names and values in their order; names may repeat, values may be empty.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let Self { sessions, row, .. } = self;
        let ends = sessions.attributes.get(row.attributes.clone()).unwrap_or_default();
        let mut start = row.session;
        ends.iter().map(move |&(name, value)| {
            let attribute = (sessions.text(start, name), sessions.text(name, value));
            start = value;
            attribute
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_is_there_again() {
        let mut sessions = Sessions::default();
        for name in [None, Some(""), Some("Anna Å")] {
            sessions.push(&Facts {
                user: UserKey { directory: "LAB", id: "ännä" },
                user_name: name,
                session_id: "1/2",
                attributes: &[("group".into(), "a".into()), ("group".into(), "".into())],
            });
        }
        assert_eq!(sessions.len(), 3);
        for (session, name) in sessions.iter().zip([None, Some(""), Some("Anna Å")]) {
            assert_eq!((session.user.directory, session.user.id), ("LAB", "ännä"));
            assert_eq!((session.user_name, session.session_id), (name, "1/2"));
            assert_eq!(session.attributes().collect::<Vec<_>>(), [("group", "a"), ("group", "")]);
        }
    }
}
