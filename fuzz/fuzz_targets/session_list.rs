//! A session list in pieces of any size gives what a plain decoder makes of the whole, and whoever wants more of
//! its rows gets the same rows.
//!
//! Input: a line whose characters are the sizes of the pieces (`!` is 1, `"` is 2, …), then the answer.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use qlik_sense::session_list::{Counted, DecodeError, Facts, Named, Row, SessionListDecoder, Whole};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

const WANTED: [&str; 6] = ["UserDirectory", "userDirectory", "UserId", "userId", "SessionId", "sessionId"];

/// Directory, id and session id of each row.
type Rows = Vec<[String; 3]>;

fuzz_target!(|data: &[u8]| {
    let line = data.iter().position(|byte| *byte == b'\n');
    let (sizes, body) = line.map_or((&[][..], data), |at| (&data[..at], &data[at + 1..]));
    let sizes: Vec<usize> = sizes.iter().map(|byte| byte.wrapping_sub(b' ').max(1).into()).collect();

    let whole = in_any_pieces::<Counted, _>(body, &sizes, ids);
    // A byte order mark before the list counts for nothing.
    let list = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    assert_eq!(whole.as_ref().ok(), skipping(list).as_ref(), "{whole:?}");
    // What the decoder skips is looked at less closely: numbers out of range, bytes that are no UTF-8. It
    // takes more than this one, and never less.
    if let Some(rows) = strict(list) {
        assert_eq!(whole.as_ref(), Ok(&rows));
    }
    // Who wants more may find more to be wrong.
    let more = [
        in_any_pieces::<Named, _>(body, &sizes, everything),
        in_any_pieces::<Whole, _>(body, &sizes, everything),
    ];
    for rows in more.into_iter().flatten() {
        let ids: Rows = rows.into_iter().map(|(ids, ..)| ids).collect();
        assert_eq!(whole.as_ref(), Ok(&ids));
    }
});

fn ids(session: &Facts<'_>) -> [String; 3] {
    [session.user.directory, session.user.id, session.session_id].map(Into::into)
}

fn everything(session: &Facts<'_>) -> ([String; 3], Option<String>, Vec<(String, String)>) {
    let attributes = session.attributes.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    (ids(session), session.user_name.map(Into::into), attributes.collect())
}

/// The decoder's rows, which are the same in pieces of these sizes and of one byte.
fn in_any_pieces<R: Row, T: PartialEq + Debug>(
    body: &[u8],
    sizes: &[usize],
    seen: fn(&Facts<'_>) -> T,
) -> Result<Vec<T>, DecodeError> {
    let whole = decode::<R, T>(body, &[], seen);
    for sizes in [sizes, &[1]] {
        let pieces = decode::<R, T>(body, sizes, seen);
        assert_eq!(pieces.as_ref().ok(), whole.as_ref().ok(), "in pieces {pieces:?}, whole {whole:?}");
    }
    whole
}

/// The decoder's rows; `sizes` are those of the pieces, again and again; the rest at once when there are none.
fn decode<R: Row, T>(body: &[u8], sizes: &[usize], seen: fn(&Facts<'_>) -> T) -> Result<Vec<T>, DecodeError> {
    let mut rows = Vec::new();
    let mut each = |row: R::Of<'_>| rows.push(seen(&R::facts(&row)));
    let mut decoder = SessionListDecoder::<R>::default();
    let (mut rest, mut sizes) = (body, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len()).min(rest.len());
        let (piece, after) = rest.split_at(size);
        decoder.push(piece, &mut each)?;
        rest = after;
    }
    decoder.finish(&mut each)?;
    Ok(rows)
}

/// The whole, with members that are not wanted skipped.
fn skipping(body: &[u8]) -> Option<Rows> {
    let rows: Vec<Members> = serde_json::from_slice(body).ok()?;
    rows.into_iter().map(|row| by_the_rules(row.wanted)).collect()
}

/// The whole, with every member decoded, and none standing twice.
fn strict(body: &[u8]) -> Option<Rows> {
    let objects: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(body).ok()?;
    let rows: Vec<Members> = serde_json::from_slice(body).ok()?;
    if objects.iter().zip(rows).any(|(object, row)| object.len() != row.members) {
        return None;
    }
    objects.into_iter().map(by_the_rules).collect()
}

/// A row, by the contract: both spellings of a member are one member, which may stand once; directory and id
/// may be missing or null; all are texts; others are ignored.
fn by_the_rules(members: impl IntoIterator<Item = (String, Value)>) -> Option<[String; 3]> {
    let [mut directory, mut id, mut session] = [None, None, None];
    for (name, value) in members {
        let wanted = match name.as_str() {
            "UserDirectory" | "userDirectory" => &mut directory,
            "UserId" | "userId" => &mut id,
            "SessionId" | "sessionId" => &mut session,
            _ => continue,
        };
        if wanted.replace(value).is_some() {
            return None;
        }
    }
    let user = |member: Option<Value>| match member {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text),
        Some(_) => None,
    };
    let Some(Value::String(session)) = session else { return None };
    Some([user(directory)?, user(id)?, session])
}

/// An object of which only the members that the rules name are decoded.
struct Members {
    /// How many there are, wanted or not.
    members: usize,
    /// In their order, repeated ones too.
    wanted: Vec<(String, Value)>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut row = Members { members: 0, wanted: Vec::new() };
                while let Some(Name(name)) = map.next_key()? {
                    row.members += 1;
                    let name = String::from_utf8(name).unwrap_or_default();
                    if WANTED.contains(&&*name) {
                        row.wanted.push((name, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A member's name. It is looked at less closely, too: what is no UTF-8 is nothing that is wanted.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
                Ok(Name(name.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
