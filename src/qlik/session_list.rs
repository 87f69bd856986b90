//! Decodes a session list while it arrives: rows are handed on one by one and forgotten.
//!
//! A list can be tens of megabytes, of which a few counters are wanted. Only the bytes of a row that is
//! not complete yet are kept between two pieces.

mod session;
mod text;
mod whole;

use std::marker::PhantomData;

use serde::Deserialize;

pub use session::Session;
pub use whole::{Attribute, NamedSession, WholeSession};

use super::vocabulary::UserKey;

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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<(String, String, String)>;

    fn decode(body: &[u8], piece: usize) -> Result<Rows, DecodeError> {
        let mut rows = Rows::new();
        let mut each = |s: Session<'_>| {
            rows.push((s.user_directory.into(), s.user_id.into(), s.session_id.into()));
        };
        let mut decoder = SessionListDecoder::<Counted>::default();
        for piece in body.chunks(piece) {
            decoder.push(piece, &mut each)?;
        }
        decoder.finish(&mut each)?;
        Ok(rows)
    }

    fn row(directory: &str, id: &str, session: &str) -> (String, String, String) {
        (directory.into(), id.into(), session.into())
    }

    #[test]
    fn both_spellings_of_members_and_unknown_ones_are_taken() {
        let body =
            br#" [ {"UserDirectory":"LAB","UserId":"a","Attributes":[{"g":"x"},{"g":""}],"SessionId":"1"},
            {"userDirectory":"lab","userId":"b","userName":null,"sessionId":"2","new":{"x":[1,2]}} ] "#;
        assert_eq!(decode(body, 7), Ok(vec![row("LAB", "a", "1"), row("lab", "b", "2")]));
    }

    #[test]
    fn a_member_that_is_not_wanted_may_have_any_bytes_for_a_name() {
        let body = b"[{\"UserDi\xf2ectory\":\"LAB\",\"UserId\":\"a\",\"SessionId\":\"1\"}]";
        for piece in [1, 1024] {
            assert_eq!(decode(body, piece), Ok(vec![row("", "a", "1")]));
        }
    }

    #[test]
    fn a_byte_order_mark_before_the_list_is_skipped_once() {
        let body = b"\xef\xbb\xbf [{\"SessionId\":\"1\"}]";
        for piece in 1..=body.len() {
            assert_eq!(decode(body, piece), Ok(vec![row("", "", "1")]), "{piece}");
        }
        let not_json = DecodeError::NotAList("something that is not JSON");
        for piece in [1, 2, 3, 1024] {
            assert_eq!(decode(b"\xef\xbb\xbf\xef\xbb\xbf[]", piece), Err(not_json.clone()));
            assert_eq!(decode(b" \xef\xbb\xbf[]", piece), Err(not_json.clone()));
            assert_eq!(decode(b"\xef\xbb\xbf", piece), Err(DecodeError::NotAList("an empty answer")));
        }
    }

    #[test]
    fn of_a_long_piece_only_some_bytes_are_copied_behind_a_row_that_was_cut() {
        let row = r#"{"UserId":"a","SessionId":"1"},"#;
        let body = format!("[{}", row.repeat(10_000));
        let (first, second) = body.as_bytes().split_at(10);
        let mut decoder = SessionListDecoder::<Counted>::default();
        let mut rows = 0;
        for piece in [first, second] {
            decoder.push(piece, &mut |_| rows += 1).unwrap();
        }
        assert_eq!(rows, 10_000);
        assert!(decoder.tail.capacity() <= 2 * TYPICAL_ROW, "{}", decoder.tail.capacity());
    }

    #[test]
    fn a_missing_or_null_user_is_empty() {
        let body = br#"[{"SessionId":"1"},{"UserDirectory":null,"UserId":null,"SessionId":"2"}]"#;
        assert_eq!(decode(body, 1024), Ok(vec![row("", "", "1"), row("", "", "2")]));
    }

    #[test]
    fn a_whole_row_has_name_and_attributes_in_their_order() {
        let whole = |body: &str, piece: usize| {
            let mut rows = Vec::new();
            let mut each = |s: WholeSession<'_>| {
                let attributes = s.attributes.0.into_iter().map(|(name, value)| format!("{name}={value}"));
                let attributes = attributes.collect::<Vec<_>>().join(" ");
                rows.push((s.user_id.into_owned(), s.user_name.map(Cow::into_owned), attributes));
            };
            let mut decoder = SessionListDecoder::<Whole>::default();
            body.as_bytes().chunks(piece).try_for_each(|piece| decoder.push(piece, &mut each))?;
            decoder.finish(&mut each)?;
            Ok(rows)
        };
        let body = r#"[{"UserId":"a","UserName":"A \u0041","SessionId":"1",
                "Attributes":[{"group":"x"},{"mail":""},{"group":null,"b":"\n"},{},null]},
            {"userId":"b","userName":null,"sessionId":"2","attributes":null},{"SessionId":"3"}]"#;
        let row = |id: &str, name: Option<&str>, attributes: &str| {
            (id.to_owned(), name.map(str::to_owned), attributes.to_owned())
        };
        let rows =
            vec![row("a", Some("A A"), "group=x mail= group= b=\n"), row("b", None, ""), row("", None, "")];
        for piece in [1, 7, 1024] {
            assert_eq!(whole(body, piece), Ok(rows.clone()), "in pieces of {piece}");
        }
        for wrong in
            [r#""UserName":7"#, r#""Attributes":{}"#, r#""Attributes":["x"]"#, r#""Attributes":[[]]"#]
        {
            let body = format!(r#"[{{"SessionId":"1",{wrong}}}]"#);
            assert_eq!(whole(&body, 1024), Err(DecodeError::NotASession(1)), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_session_list_is_told_as_that() {
        for (body, error) in [
            ("", DecodeError::NotAList("an empty answer")),
            ("<html>", DecodeError::NotAList("HTML or XML")),
            ("{}", DecodeError::NotAList("a JSON object")),
            ("[", DecodeError::CutOff),
            (r#"[{"SessionId":"1"}"#, DecodeError::CutOff),
            (r#"[{"SessionId":"1"},"#, DecodeError::CutOff),
            (r#"[{"SessionId":"1"},]"#, DecodeError::NotASession(2)),
            (r#"[{"SessionId":"1"} {"SessionId":"2"}]"#, DecodeError::NoComma(1)),
            (r#"[,{"SessionId":"1"}]"#, DecodeError::NotASession(1)),
            (r#"[{"UserId":"a"}]"#, DecodeError::NotASession(1)),
            (r#"[{"SessionId":null}]"#, DecodeError::NotASession(1)),
            (r#"[{"SessionId":7}]"#, DecodeError::NotASession(1)),
            (r#"[{"SessionId":"1","UserId":7}]"#, DecodeError::NotASession(1)),
            (r#"[{"SessionId":"1"},null]"#, DecodeError::NotASession(2)),
            (r#"[["LAB","a","1"]]"#, DecodeError::NotASession(1)),
            (r#"[{"SessionId":"1",}]"#, DecodeError::NotJson(1)),
            (r#"[] x"#, DecodeError::Trailing),
        ] {
            for piece in [1, 3, 1024] {
                assert_eq!(decode(body.as_bytes(), piece), Err(error.clone()), "{body} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn no_part_of_the_answer_is_told() {
        let error = decode(br#"[{"SessionId":["secret"]}]"#, 1024).unwrap_err();
        assert!(!error.to_string().contains("secret"));
        let error = decode(br#"[{"SessionId":"s","UserId":4711}]"#, 1024).unwrap_err();
        assert!(!error.to_string().contains("4711"));
    }

    #[test]
    fn a_row_without_end_is_not_waited_for() {
        let mut decoder = SessionListDecoder::<Counted>::default();
        let piece = vec![b'x'; 64 * 1024];
        decoder.push(br#"[{"SessionId":""#, &mut |_| {}).unwrap();
        let error = (0..100).find_map(|_| decoder.push(&piece, &mut |_| {}).err());
        assert_eq!(error, Some(DecodeError::RowTooLong(1)));
    }

    #[test]
    fn a_number_of_an_unknown_member_may_be_cut_anywhere() {
        let body = br#"[{"SessionId":"1","n":-10.25e-3},{"x":[1E+5,-0.5],"SessionId":"2"}]"#;
        for piece in 1..body.len() {
            assert_eq!(decode(body, piece), Ok(vec![row("", "", "1"), row("", "", "2")]), "{piece}");
        }
        for wrong in [r#"[{"SessionId":"1","n":-}]"#, r#"[{"SessionId":"1","n":1.}]"#, r#"[{"a":1e"#] {
            for piece in 1..=wrong.len() {
                assert!(decode(wrong.as_bytes(), piece).is_err(), "{wrong} {piece}");
            }
        }
    }

    #[test]
    fn a_row_beyond_the_limit_is_refused_in_one_piece_too() {
        let body = |padding: usize| format!(r#"[{{"SessionId":"{}"}}]"#, "x".repeat(padding));
        let around = r#"{"SessionId":""}"#.len();
        for piece in [64 * 1024, 2 * MAX_ROW] {
            assert_eq!(decode(body(MAX_ROW - around).as_bytes(), piece).unwrap().len(), 1);
            let longer = decode(body(MAX_ROW - around + 1).as_bytes(), piece);
            assert_eq!(longer, Err(DecodeError::RowTooLong(1)));
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_what_a_decoder_of_the_whole_gives(
            users in prop::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..20),
            piece in 1usize..200,
        ) {
            let values: Vec<_> = users
                .iter()
                .map(|(d, u, s)| serde_json::json!({"UserDirectory": d, "UserId": u, "SessionId": s}))
                .collect();
            let body = serde_json::to_vec(&values).unwrap();
            prop_assert_eq!(decode(&body, piece), Ok(users));
        }
    }
}
