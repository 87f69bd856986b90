//! The sessions of one answer: all their texts in one string, no allocation per session.

use std::collections::BTreeSet;
use std::iter;

use super::filter::User;
use qlik_sense::UserKey;
use qlik_sense::session_list::Facts;

/// The sessions of one answer, in the order in which they were listed. Has no `Debug`: session ids are
/// secrets.
#[derive(Default)]
pub struct Sessions {
    /// Of each session: directory, id and name of the user, session id, then name and value of every attribute.
    texts: String,
    /// The length of each of these texts. Four bytes are enough, since rows are bounded, and take a fifth less memory
    /// than eight.
    lengths: Vec<u32>,
    /// Where each session starts.
    starts: Vec<Start>,
    /// Users whose sessions are not among them: their names differ by case alone from those that are wanted.
    pub other_case: BTreeSet<User>,
}

/// Stands for the length of a text that is missing.
const MISSING: u32 = u32::MAX;

struct Start {
    in_texts: usize,
    in_lengths: usize,
}

/// One session as its proxy service listed it. Has no `Debug`: its id is a secret.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    pub user: UserKey<'a>,
    /// None when missing, as on many versions.
    pub user_name: Option<&'a str>,
    pub session_id: &'a str,
    attributes: Texts<'a>,
}

/// Texts one after another.
#[derive(Clone, Copy)]
struct Texts<'a> {
    texts: &'a str,
    lengths: &'a [u32],
}

impl Sessions {
    pub(crate) fn push(&mut self, session: &Facts<'_>) {
        self.starts.push(Start { in_texts: self.texts.len(), in_lengths: self.lengths.len() });
        self.add(session.user.directory);
        self.add(session.user.id);
        match session.user_name {
            Some(name) => self.add(name),
            None => self.lengths.push(MISSING),
        }
        self.add(session.session_id);
        for (name, value) in session.attributes {
            self.add(name);
            self.add(value);
        }
    }

    fn add(&mut self, text: &str) {
        self.texts.push_str(text);
        self.lengths.push(u32::try_from(text.len()).unwrap_or(MISSING));
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns all of them, in the order in which they were listed.
    pub fn iter(&self) -> impl Iterator<Item = Session<'_>> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Returns the one at this place in that order.
    pub fn get(&self, place: usize) -> Option<Session<'_>> {
        let start = self.starts.get(place)?;
        let end = self.starts.get(place + 1).map_or(self.lengths.len(), |next| next.in_lengths);
        let mut texts = Texts {
            texts: self.texts.get(start.in_texts..)?,
            lengths: self.lengths.get(start.in_lengths..end)?,
        };
        Some(Session {
            user: UserKey { directory: texts.next()??, id: texts.next()?? },
            user_name: texts.next()?,
            session_id: texts.next()??,
            attributes: texts,
        })
    }
}

impl<'a> Texts<'a> {
    /// Returns the next text, or that it is missing.
    fn next(&mut self) -> Option<Option<&'a str>> {
        let (&length, lengths) = self.lengths.split_first()?;
        self.lengths = lengths;
        if length == MISSING {
            return Some(None);
        }
        let (text, texts) = self.texts.split_at_checked(usize::try_from(length).ok()?)?;
        self.texts = texts;
        Some(Some(text))
    }
}

impl<'a> Session<'a> {
    /// Returns names and values in their order; names may repeat, values may be empty.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut texts = self.attributes;
        iter::from_fn(move || Some((texts.next()??, texts.next()??)))
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
