//! What is sent instead of a session list.

use std::collections::HashSet;
use std::io::Write;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::Fault;
use crate::delivery::Counts;
use crate::session::is_anonymous;

/// Of an id that is long.
const LONG: usize = 64 * 1024;
/// Rows with such ids: enough to be met, few enough for any size of list.
const LONG_ROWS: usize = 8;
/// Rows in a piece of a list without end.
const ROWS: usize = 128;

/// Another JSON text in place of this one, and what it says if it is a session list still. `None` when the
/// text is no JSON.
pub(super) fn rewrite(fault: Fault, text: &[u8]) -> Option<(Bytes, Option<Counts>)> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let (value, is_list) = match fault {
        Fault::JsonObject => (json!({ "Sessions": value }), false),
        Fault::JsonNumbers => (json!([numbers()]), false),
        Fault::JsonNulls => (json!([null, null]), false),
        Fault::JsonNested => (json!([value]), false),
        Fault::LongIds => (long_ids(value), true),
        Fault::DuplicateIds => (duplicated(value), true),
        Fault::CamelCase => (camel_case(value), true),
        _ => (value, true),
    };
    let counts = value.as_array().filter(|_| is_list).map(|rows| counts(rows));
    Some((value.to_string().into(), counts))
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// Rows and a comma after each: a piece of a list that goes on and on.
pub(super) fn rows_without_end() -> Bytes {
    let row = r#"{"UserDirectory":"LAB","UserId":"endless","UserName":null,"Attributes":[],"SessionId":"0b5e2f4e-7d38-4f6a-8a4c-6e1f5f9f2d10"},"#;
    row.repeat(ROWS).into()
}

fn numbers() -> Value {
    json!({ "UserDirectory": 1, "UserId": 2, "UserName": null, "Attributes": [], "SessionId": 3 })
}

fn long_ids(mut list: Value) -> Value {
    for row in list.as_array_mut().into_iter().flatten().take(LONG_ROWS) {
        for member in ["SessionId", "UserId"] {
            if let Some(Value::String(id)) = row.get_mut(member) {
                id.extend(std::iter::repeat_n('x', LONG.saturating_sub(id.len())));
            }
        }
    }
    list
}

fn duplicated(list: Value) -> Value {
    match list {
        Value::Array(rows) => rows.iter().chain(&rows).cloned().collect(),
        other => other,
    }
}

fn camel_case(value: Value) -> Value {
    let small = |name: String| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    match value {
        Value::Array(rows) => rows.into_iter().map(camel_case).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (small(name), value));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Counted the slow way, without regard to what the site knows.
fn counts(rows: &[Value]) -> Counts {
    let text = |row: &Value, names: [&str; 2]| {
        let member = names.into_iter().find_map(|name| row.get(name)?.as_str());
        member.unwrap_or_default().to_owned()
    };
    let mut counts = Counts { sessions: rows.len(), ..Counts::default() };
    let mut users = HashSet::new();
    for row in rows {
        let directory = text(row, ["UserDirectory", "userDirectory"]);
        let id = text(row, ["UserId", "userId"]);
        if is_anonymous(&directory, &id) {
            counts.anonymous_sessions += 1;
        } else {
            users.insert((directory, id));
        }
    }
    counts.users = users.len();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"UserDirectory":"LAB","UserId":"anna","Attributes":[{"Group":"A"}],"SessionId":"1"},
        {"UserDirectory":"LAB","UserId":"anna","SessionId":"2"},
        {"UserDirectory":"NONE","UserId":"anonymous7","SessionId":"3"}]"#;

    fn rewritten(fault: Fault) -> (Value, Option<Counts>) {
        let (text, counts) = rewrite(fault, LIST.as_bytes()).unwrap();
        (serde_json::from_slice(&text).unwrap(), counts)
    }

    #[test]
    fn a_list_that_is_still_one_is_counted_as_it_is_sent() {
        let sent = |sessions, users, anonymous_sessions| Some(Counts { sessions, users, anonymous_sessions });
        assert_eq!(rewritten(Fault::DuplicateIds).1, sent(6, 1, 2));
        assert_eq!(rewritten(Fault::CamelCase).1, sent(3, 1, 1));
        assert_eq!(rewritten(Fault::LongIds).1, sent(3, 1, 1));
        for fault in [Fault::JsonObject, Fault::JsonNumbers, Fault::JsonNulls, Fault::JsonNested] {
            assert_eq!(rewritten(fault).1, None, "{fault}");
        }
    }

    #[test]
    fn members_begin_with_a_small_letter_and_values_stay() {
        let (list, _) = rewritten(Fault::CamelCase);
        let first = json!({ "userDirectory": "LAB", "userId": "anna", "attributes": [{ "Group": "A" }],
                            "sessionId": "1" });
        assert_eq!(list[0], first);
    }

    #[test]
    fn long_ids_are_64_kib() {
        let (list, _) = rewritten(Fault::LongIds);
        for member in ["SessionId", "UserId"] {
            assert_eq!(list[0][member].as_str().unwrap().len(), 64 * 1024);
        }
        assert_ne!(list[0]["SessionId"], list[1]["SessionId"]);
    }

    #[test]
    fn an_object_of_the_repository_becomes_a_wrong_shape_too_and_text_stays_text() {
        let (text, counts) = rewrite(Fault::JsonObject, br#"{"buildVersion":"1"}"#).unwrap();
        assert_eq!((&text[..], counts), (&br#"{"Sessions":{"buildVersion":"1"}}"#[..], None));
        assert_eq!(rewrite(Fault::CamelCase, b"XSRF prevention check failed."), None);
    }
}
