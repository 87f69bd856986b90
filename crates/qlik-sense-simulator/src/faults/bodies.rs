//! The bodies that faults send instead of a session list.

use std::collections::HashSet;
use std::io::Write;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::Fault;
use crate::delivery::Counts;
use crate::session::is_anonymous;

/// The length of a long id, in bytes.
const LONG_ID: usize = 64 * 1024;
/// The number of rows with long ids: enough to have an effect, few enough for any size of list.
const LONG_ROWS: usize = 8;
/// The number of rows in each piece of an endless list.
const ENDLESS_ROWS: usize = 128;

/// The JSON that a fault made of a body.
#[derive(Debug, PartialEq)]
pub(super) struct Rewritten {
    pub body: Bytes,
    /// `None` if it is no session list any more.
    pub counts: Option<Counts>,
}

/// Rewrites a JSON body; returns `None` if it is no JSON.
pub(super) fn rewrite(fault: Fault, text: &[u8]) -> Option<Rewritten> {
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
    Some(Rewritten { body: value.to_string().into(), counts })
}

/// Compresses a body.
pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// Returns rows with a comma after each: a piece of an endless list.
pub(super) fn endless_rows() -> Bytes {
    let row = r#"{"UserDirectory":"LAB","UserId":"endless","UserName":null,"Attributes":[],"SessionId":"0b5e2f4e-7d38-4f6a-8a4c-6e1f5f9f2d10"},"#;
    row.repeat(ENDLESS_ROWS).into()
}

fn numbers() -> Value {
    json!({ "UserDirectory": 1, "UserId": 2, "UserName": null, "Attributes": [], "SessionId": 3 })
}

fn long_ids(mut list: Value) -> Value {
    for row in list.as_array_mut().into_iter().flatten().take(LONG_ROWS) {
        for member in ["SessionId", "UserId"] {
            if let Some(Value::String(id)) = row.get_mut(member) {
                id.extend(std::iter::repeat_n('x', LONG_ID.saturating_sub(id.len())));
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
    match value {
        Value::Array(rows) => rows.into_iter().map(camel_case).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (lower_first(&name), value));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

/// Counts the rows of a list independently of the site's own counts.
fn counts(rows: &[Value]) -> Counts {
    let mut counts = Counts { sessions: rows.len(), ..Counts::default() };
    let mut users = HashSet::new();
    for row in rows {
        let directory = member(row, ["UserDirectory", "userDirectory"]);
        let id = member(row, ["UserId", "userId"]);
        if is_anonymous(&directory, &id) {
            counts.anonymous_sessions += 1;
        } else {
            users.insert((directory, id));
        }
    }
    counts.users = users.len();
    counts
}

fn member(row: &Value, names: [&str; 2]) -> String {
    let member = names.into_iter().find_map(|name| row.get(name)?.as_str());
    member.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"UserDirectory":"LAB","UserId":"anna","Attributes":[{"Group":"A"}],"SessionId":"1"},
        {"UserDirectory":"LAB","UserId":"anna","SessionId":"2"},
        {"UserDirectory":"NONE","UserId":"anonymous7","SessionId":"3"}]"#;

    fn rewritten(fault: Fault) -> (Value, Option<Counts>) {
        let Rewritten { body, counts } = rewrite(fault, LIST.as_bytes()).unwrap();
        (serde_json::from_slice(&body).unwrap(), counts)
    }

    #[test]
    fn a_rewritten_list_is_counted_as_it_is_sent() {
        let twice = Counts { sessions: 6, users: 1, anonymous_sessions: 2 };
        let once = Counts { sessions: 3, users: 1, anonymous_sessions: 1 };
        assert_eq!(rewritten(Fault::DuplicateIds).1, Some(twice));
        assert_eq!(rewritten(Fault::CamelCase).1, Some(once));
        assert_eq!(rewritten(Fault::LongIds).1, Some(once));
        for fault in [Fault::JsonObject, Fault::JsonNumbers, Fault::JsonNulls, Fault::JsonNested] {
            assert_eq!(rewritten(fault).1, None, "{fault}");
        }
    }

    #[test]
    fn camel_case_changes_the_names_of_members_only() {
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
    fn an_object_of_the_repository_is_rewritten_and_plain_text_is_not() {
        let rewritten = rewrite(Fault::JsonObject, br#"{"buildVersion":"1"}"#).unwrap();
        assert_eq!(&rewritten.body[..], br#"{"Sessions":{"buildVersion":"1"}}"#);
        assert_eq!(rewritten.counts, None);
        assert_eq!(rewrite(Fault::CamelCase, b"XSRF prevention check failed."), None);
    }
}
