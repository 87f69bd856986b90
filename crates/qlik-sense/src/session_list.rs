//! Decoder of session lists, which passes on each row as soon as it has arrived.
//!
//! A list can have tens of megabytes, although a caller that counts needs a few numbers only. The decoder keeps
//! nothing but the bytes of an incomplete row between two pieces.

mod session;
#[cfg(test)]
mod tests;
mod text;
mod whole;

use std::marker::PhantomData;

use serde::Deserialize;

pub use session::Session;
pub use whole::{Attribute, NamedSession, WholeSession};

use crate::types::UserKey;

/// The longest row that is accepted, in bytes. Qlik's rows have a few hundred bytes.
const MAX_ROW: usize = 1024 * 1024;

/// The length that most rows do not exceed, in bytes.
const TYPICAL_ROW: usize = 512;

/// The byte order mark that some programs put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The members of a row that are decoded. Fewer members decode faster, and leave fewer reasons to fail.
pub trait Row {
    /// The decoded row, which borrows from the piece that holds it.
    type Of<'a>: Deserialize<'a>;

    /// Returns the decoded members in the form common to all kinds of rows.
    fn facts<'r>(row: &'r Self::Of<'_>) -> Facts<'r>;
}

/// The members of a session that were decoded; the others are empty.
pub struct Facts<'r> {
    pub user: UserKey<'r>,
    /// `None` when missing: many versions of Qlik Sense leave it out.
    pub user_name: Option<&'r str>,
    /// A secret: its holder can take over the session.
    pub session_id: &'r str,
    pub attributes: &'r [Attribute<'r>],
}

/// Decodes the members that are needed to count sessions and users.
pub struct Counted;

impl Row for Counted {
    type Of<'a> = Session<'a>;

    fn facts<'r>(row: &'r Session<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        Facts { user, user_name: None, session_id: &row.session_id, attributes: &[] }
    }
}

/// Decodes these and the user's name.
pub struct Named;

impl Row for Named {
    type Of<'a> = NamedSession<'a>;

    fn facts<'r>(row: &'r NamedSession<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        let user_name = row.user_name.as_deref();
        Facts { user, user_name, session_id: &row.session_id, attributes: &[] }
    }
}

/// Decodes all members: these, the user's name and the attributes.
pub struct Whole;

impl Row for Whole {
    type Of<'a> = WholeSession<'a>;

    fn facts<'r>(row: &'r WholeSession<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        let user_name = row.user_name.as_deref();
        Facts { user, user_name, session_id: &row.session_id, attributes: &row.attributes.0 }
    }
}

/// Why a response is no session list. Never quotes the response, which could reveal a session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("expected a JSON array, found {0}")]
    NotAList(&'static str),
    #[error("row {0} is not JSON")]
    NotJson(u64),
    #[error("row {0} is no session (no object, no SessionId, or a member of a wrong type)")]
    NotASession(u64),
    #[error("row {0} is longer than {MAX_ROW} bytes")]
    RowTooLong(u64),
    #[error("expected a comma or the end of the list after row {0}")]
    NoComma(u64),
    #[error("more bytes follow after the end of the list")]
    Trailing,
    #[error("it was cut off")]
    CutOff,
}

/// What may follow, besides white space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The list or a byte order mark.
    Start,
    List,
    FirstRowOrEnd,
    CommaOrEnd,
    Row,
    Nothing,
}

/// Decodes a session list from pieces of any size.
pub struct SessionListDecoder<R> {
    /// The bytes of the incomplete row at the end of the last piece.
    tail: Vec<u8>,
    /// The length of `tail` at which it is decoded again. It doubles, so that the time for a long row in small
    /// pieces grows with its length and not with its square.
    retry_at: usize,
    expect: Expect,
    /// The number of rows decoded so far.
    rows: u64,
    row: PhantomData<R>,
}

impl<R> Default for SessionListDecoder<R> {
    fn default() -> Self {
        Self { tail: Vec::new(), retry_at: 0, expect: Expect::Start, rows: 0, row: PhantomData }
    }
}

impl<R: Row> SessionListDecoder<R> {
    /// Decodes the rows that end in this piece and passes them to `each`.
    ///
    /// # Errors
    /// When the bytes so far cannot be the start of a session list.
    pub fn push(&mut self, mut piece: &[u8], each: &mut impl FnMut(R::Of<'_>)) -> Result<(), DecodeError> {
        while !self.tail.is_empty() && !piece.is_empty() {
            piece = self.complete(piece, each)?;
        }
        let used = self.decode(piece, each)?;
        self.keep(piece.get(used..).unwrap_or_default())
    }

    /// Appends bytes to the incomplete row and returns the rest of the piece. Appends as few as the row may need:
    /// a whole piece of hyper's has up to 408 KiB, and all of it would be copied.
    fn complete<'p>(
        &mut self,
        piece: &'p [u8],
        each: &mut impl FnMut(R::Of<'_>),
    ) -> Result<&'p [u8], DecodeError> {
        let cut = self.tail.len();
        let missing = self.retry_at.saturating_sub(cut);
        let (more, rest) = piece.split_at_checked(missing).unwrap_or((piece, &[]));
        self.tail.extend_from_slice(more);
        if self.tail.len() < self.retry_at {
            return Ok(rest);
        }
        let used = self.decode_tail(each)?;
        if used > cut {
            self.tail.clear();
            return Ok(piece.get(used - cut..).unwrap_or_default());
        }
        self.keep(&[])?;
        Ok(rest)
    }

    /// Appends the bytes of an incomplete row to those kept so far.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > MAX_ROW {
            return Err(DecodeError::RowTooLong(self.rows + 1));
        }
        self.retry_at = (2 * self.tail.len()).clamp(TYPICAL_ROW, MAX_ROW + 1);
        Ok(())
    }

    /// Ends the decoding. Call it at the end of the response.
    ///
    /// # Errors
    /// When the list is incomplete.
    pub fn finish(mut self, each: &mut impl FnMut(R::Of<'_>)) -> Result<(), DecodeError> {
        self.decode_tail(each)?;
        match self.expect {
            Expect::Nothing => Ok(()),
            Expect::Start | Expect::List if self.tail.is_empty() => {
                Err(DecodeError::NotAList("an empty answer"))
            }
            _ => Err(DecodeError::CutOff),
        }
    }

    /// Decodes the complete rows of `tail`, drops their bytes and returns how many these were.
    fn decode_tail(&mut self, each: &mut impl FnMut(R::Of<'_>)) -> Result<usize, DecodeError> {
        let mut tail = std::mem::take(&mut self.tail);
        let used = self.decode(&tail, each)?;
        tail.drain(..used);
        self.tail = tail;
        Ok(used)
    }

    /// Decodes the complete rows and returns the number of bytes used.
    fn decode(&mut self, bytes: &[u8], each: &mut impl FnMut(R::Of<'_>)) -> Result<usize, DecodeError> {
        let mut used = 0;
        if self.expect == Expect::Start {
            if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) {
                return Ok(0);
            }
            if bytes.starts_with(BYTE_ORDER_MARK) {
                used = BYTE_ORDER_MARK.len();
            }
            self.expect = Expect::List;
        }
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(blanks) = rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')) else {
                return Ok(bytes.len());
            };
            used += blanks;
            let rest = rest.get(blanks..).unwrap_or_default();
            let first = rest.first().copied().unwrap_or_default();
            self.expect = match (self.expect, first) {
                (Expect::List, b'[') => Expect::FirstRowOrEnd,
                (Expect::Start | Expect::List, other) => return Err(DecodeError::NotAList(describe(other))),
                (Expect::FirstRowOrEnd | Expect::CommaOrEnd, b']') => Expect::Nothing,
                (Expect::CommaOrEnd, b',') => Expect::Row,
                (Expect::CommaOrEnd, _) => return Err(DecodeError::NoComma(self.rows)),
                // Only objects: a derived `Deserialize` accepts an array of the members' values, too.
                (Expect::FirstRowOrEnd | Expect::Row, b'{') => {
                    let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<R::Of<'_>>();
                    match stream.next() {
                        Some(Ok(_)) if stream.byte_offset() > MAX_ROW => {
                            return Err(DecodeError::RowTooLong(self.rows + 1));
                        }
                        Some(Ok(session)) => each(session),
                        Some(Err(error)) if error.is_data() => {
                            return Err(DecodeError::NotASession(self.rows + 1));
                        }
                        Some(Err(error)) if error.is_eof() || ends_within_number(rest) => return Ok(used),
                        Some(Err(_)) | None => return Err(DecodeError::NotJson(self.rows + 1)),
                    }
                    self.rows += 1;
                    used += stream.byte_offset();
                    self.expect = Expect::CommaOrEnd;
                    continue;
                }
                (Expect::FirstRowOrEnd | Expect::Row, _) => {
                    return Err(DecodeError::NotASession(self.rows + 1));
                }
                (Expect::Nothing, _) => return Err(DecodeError::Trailing),
            };
            used += 1;
        }
    }
}

/// Returns whether the bytes end within a number. serde_json reports a number that the end of the piece cuts here
/// as wrong and not as cut off.
fn ends_within_number(bytes: &[u8]) -> bool {
    matches!(bytes.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Describes an unexpected response by its first byte.
pub(super) fn describe(first: u8) -> &'static str {
    match first {
        b'[' => "a JSON array",
        b'<' => HTML,
        b'{' => "a JSON object",
        b'"' => "a JSON text",
        b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => "another JSON value or plain text",
        0x1f => "compressed data that was not requested",
        _ => NOT_JSON,
    }
}

/// Descriptions of responses that do not come from a Qlik service.
pub(super) const HTML: &str = "HTML or XML";
pub(super) const NOT_JSON: &str = "something that is not JSON";
