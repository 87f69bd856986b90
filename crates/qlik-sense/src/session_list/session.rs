//! One row of a session list, as far as it is counted.
//!
//! Decoded by hand and not by serde's derive, which checks for every member whether its name is UTF-8: an eighth
//! of the time that decoding takes, and decoding is the greatest part of a scrape.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::text::Text;

/// One row of a session list, as far as it is counted.
pub struct Session<'a> {
    /// Empty when missing or null.
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    pub user_id: Cow<'a, str>,
    /// A secret: whoever has it can take the session over.
    pub session_id: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Session<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Session<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut user_directory, mut user_id, mut session_id) = (None, None, None);
        while let Some(name) = members.next_key()? {
            let (wanted, null) = match name {
                Member::UserDirectory => (&mut user_directory, true),
                Member::UserId => (&mut user_id, true),
                Member::SessionId => (&mut session_id, false),
                Member::UserName | Member::Attributes | Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if wanted.replace(members.next_value_seed(Text { null })?).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Session {
            user_directory: user_directory.flatten().unwrap_or_default(),
            user_id: user_id.flatten().unwrap_or_default(),
            session_id: session_id.flatten().ok_or_else(|| A::Error::missing_field("SessionId"))?,
        })
    }
}

/// What a member is, by its name in either spelling.
pub enum Member {
    UserDirectory,
    UserId,
    UserName,
    Attributes,
    SessionId,
    Other,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(AnyName)
    }
}

struct AnyName;

impl Visitor<'_> for AnyName {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Member, E> {
        Ok(match name {
            b"UserDirectory" | b"userDirectory" => Member::UserDirectory,
            b"UserId" | b"userId" => Member::UserId,
            b"UserName" | b"userName" => Member::UserName,
            b"Attributes" | b"attributes" => Member::Attributes,
            b"SessionId" | b"sessionId" => Member::SessionId,
            _ => Member::Other,
        })
    }
}
