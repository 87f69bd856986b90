//! Decodes a session list while it arrives: rows are handed on one by one and forgotten.
//!
//! A list can be tens of megabytes, of which a few counters are wanted. Only the bytes of a row that is
//! not complete yet are kept between two pieces.

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

/// The longest row that is waited for, in bytes. Qlik's rows have some hundred bytes.
const MAX_ROW: usize = 1024 * 1024;

/// What most rows do not exceed, in bytes.
const TYPICAL_ROW: usize = 512;

/// What some programs put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is decoded of a row: the less that is, the sooner it is done, and the less can be wrong with it.
pub trait Row {
    /// It borrows from the piece that holds it.
    type Of<'a>: Deserialize<'a>;

    fn facts<'r>(row: &'r Self::Of<'_>) -> Facts<'r>;
}

/// What is known of a session, as far as it was decoded.
pub struct Facts<'r> {
    pub user: UserKey<'r>,
    /// None when missing, as on many versions.
    pub user_name: Option<&'r str>,
    /// A secret: whoever has it can take the session over.
    pub session_id: &'r str,
    pub attributes: &'r [Attribute<'r>],
}

/// Rows as far as they are counted.
pub struct Counted;

impl Row for Counted {
    type Of<'a> = Session<'a>;

    fn facts<'r>(row: &'r Session<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        Facts { user, user_name: None, session_id: &row.session_id, attributes: &[] }
    }
}

/// Rows with the user's name.
pub struct Named;

impl Row for Named {
    type Of<'a> = NamedSession<'a>;

    fn facts<'r>(row: &'r NamedSession<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        let user_name = row.user_name.as_deref();
        Facts { user, user_name, session_id: &row.session_id, attributes: &[] }
    }
}

/// Rows with everything that Qlik tells of a session.
pub struct Whole;

impl Row for Whole {
    type Of<'a> = WholeSession<'a>;

    fn facts<'r>(row: &'r WholeSession<'_>) -> Facts<'r> {
        let user = UserKey { directory: &row.user_directory, id: &row.user_id };
        let user_name = row.user_name.as_deref();
        Facts { user, user_name, session_id: &row.session_id, attributes: &row.attributes.0 }
    }
}

/// Why an answer is no session list. Never holds a part of the answer: it could be a session id.
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

/// What may come next, besides white space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The list, or a byte order mark before it.
    Start,
    List,
    FirstRowOrEnd,
    CommaOrEnd,
    Row,
    Nothing,
}

/// Takes a session list in pieces of any size.
pub struct SessionListDecoder<R> {
    /// The bytes of a row that is not complete yet.
    tail: Vec<u8>,
    /// The length at which decoding `tail` is tried again. It doubles, so that a long row in small
    /// pieces costs time in proportion to its length and not to its square.
    retry_at: usize,
    expect: Expect,
    /// Rows decoded so far.
    rows: u64,
    row: PhantomData<R>,
}

impl<R> Default for SessionListDecoder<R> {
    fn default() -> Self {
        Self { tail: Vec::new(), retry_at: 0, expect: Expect::Start, rows: 0, row: PhantomData }
    }
}

impl<R: Row> SessionListDecoder<R> {
    /// Decodes the rows that this piece completes.
    pub fn push(&mut self, mut piece: &[u8], each: &mut impl FnMut(R::Of<'_>)) -> Result<(), DecodeError> {
        while !self.tail.is_empty() && !piece.is_empty() {
            piece = self.complete(piece, each)?;
        }
        let used = self.decode(piece, each)?;
        self.keep(piece.get(used..).unwrap_or_default())
    }

    /// Puts as many bytes behind the row that was cut as it may need, and returns the piece without those that are
    /// used. Never all of the piece, which would be copied with it: hyper's have up to 408 KiB.
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

    /// Keeps what belongs to a row that is not complete, behind what is kept already.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > MAX_ROW {
            return Err(DecodeError::RowTooLong(self.rows + 1));
        }
        self.retry_at = (2 * self.tail.len()).clamp(TYPICAL_ROW, MAX_ROW + 1);
        Ok(())
    }

    /// To be called at the end of the answer: tells whether the list was whole.
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

    /// The number of bytes used, which are not kept any more.
    fn decode_tail(&mut self, each: &mut impl FnMut(R::Of<'_>)) -> Result<usize, DecodeError> {
        let mut tail = std::mem::take(&mut self.tail);
        let used = self.decode(&tail, each)?;
        tail.drain(..used);
        self.tail = tail;
        Ok(used)
    }

    /// Decodes as many whole rows as there are and returns the number of bytes used.
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
                // serde would take an array for a session too, member by member.
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

/// Whether a number may go on after this. Where serde_json skips a number that the end of the piece cuts here,
/// it calls the number wrong, not cut off.
fn ends_within_number(bytes: &[u8]) -> bool {
    matches!(bytes.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// What an answer is, by its first byte, when it is not what was expected.
pub(super) fn describe(first: u8) -> &'static str {
    match first {
        b'[' => "a JSON array",
        b'<' => HTML,
        b'{' => "a JSON object",
        b'"' => "a JSON text",
        b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => "another JSON value or plain text",
        0x1f => "compressed data that was not asked for",
        _ => NO_JSON,
    }
}

/// What comes from anybody but Qlik's services.
pub(super) const HTML: &str = "HTML or XML";
pub(super) const NO_JSON: &str = "something that is not JSON";
