//! One session, and its JSON.

use std::fmt;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

/// A proxy session with the members that the proxy service returns.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub user_directory: String,
    pub user_id: String,
    pub user_name: Option<String>,
    /// Names and values. Names may repeat, values may be empty.
    pub attributes: Vec<(String, String)>,
    pub session_id: String,
}

impl fmt::Debug for Session {
    /// Writes the user without the session id, whose holder can take over the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}\\{})", self.user_directory, self.user_id)
    }
}

/// The user of sessions, shared by all sessions of this user.
pub(super) struct User {
    pub directory: Box<str>,
    pub id: Box<str>,
    pub name: Option<Box<str>>,
    pub attributes: Vec<(String, String)>,
}

/// Returns whether this is an anonymous visitor.
pub(super) fn is_anonymous(directory: &str, id: &str) -> bool {
    directory == "NONE" && id.starts_with("anonymous")
}

/// Combines an id and a user to a session.
pub(super) fn session(id: &str, user: &User) -> Session {
    Session {
        user_directory: user.directory.to_string(),
        user_id: user.id.to_string(),
        user_name: user.name.as_deref().map(str::to_owned),
        attributes: user.attributes.clone(),
        session_id: id.to_owned(),
    }
}

/// The members of a session in the order of Qlik's documentation.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionMembers<'a> {
    user_directory: &'a str,
    user_id: &'a str,
    user_name: Option<&'a str>,
    attributes: Attributes<'a>,
    session_id: &'a str,
}

/// An array of objects with one member each.
struct Attributes<'a>(&'a [(String, String)]);

struct Attribute<'a>(&'a str, &'a str);

/// A session as a row of a list, which borrows its members.
pub(super) struct Row<'a> {
    pub user: &'a User,
    pub id: &'a str,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SessionMembers {
            user_directory: &self.user.directory,
            user_id: &self.user.id,
            user_name: self.user.name.as_deref(),
            attributes: Attributes(&self.user.attributes),
            session_id: self.id,
        }
        .serialize(serializer)
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SessionMembers {
            user_directory: &self.user_directory,
            user_id: &self.user_id,
            user_name: self.user_name.as_deref(),
            attributes: Attributes(&self.attributes),
            session_id: &self.session_id,
        }
        .serialize(serializer)
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in self.0 {
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

/// A session that a client sends; the members' names may begin with a small letter.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PostedSession {
    #[serde(alias = "userDirectory")]
    user_directory: String,
    #[serde(alias = "userId")]
    user_id: String,
    #[serde(alias = "userName", default)]
    user_name: Option<String>,
    #[serde(alias = "attributes", default)]
    attributes: Option<Vec<serde_json::Map<String, serde_json::Value>>>,
    #[serde(alias = "sessionId")]
    session_id: String,
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let posted = PostedSession::deserialize(deserializer)?;
        if posted.session_id.is_empty() {
            return Err(serde::de::Error::custom("an empty SessionId"));
        }
        let attributes = posted.attributes.unwrap_or_default().into_iter().flatten();
        Ok(Self {
            user_directory: posted.user_directory,
            user_id: posted.user_id,
            user_name: posted.user_name,
            attributes: attributes.map(|(name, value)| (name, attribute_text(value))).collect(),
            session_id: posted.session_id,
        })
    }
}

fn attribute_text(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna(id: &str) -> Session {
        Session {
            user_directory: "LAB".into(),
            user_id: "anna".into(),
            user_name: None,
            attributes: vec![("group".into(), "Finance".into()), ("group".into(), "".into())],
            session_id: id.into(),
        }
    }

    #[test]
    fn a_posted_session_may_be_in_either_case_and_lack_optional_members() {
        let camel = r#"{"userDirectory":"LAB","userId":"anna","sessionId":"1","more":{}}"#;
        let session: Session = serde_json::from_str(camel).unwrap();
        assert_eq!(session, Session { attributes: vec![], ..anna("1") });
        let null = r#"{"UserDirectory":"LAB","UserId":"anna","Attributes":null,"SessionId":"1"}"#;
        assert_eq!(serde_json::from_str::<Session>(null).unwrap(), session);
    }

    #[test]
    fn debug_output_shows_no_session_id() {
        assert_eq!(format!("{:?}", anna("secret")), r"Session(LAB\anna)");
    }
}
