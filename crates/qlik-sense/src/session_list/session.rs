//! A row of a session list with the members that are needed for counting.
//!
//! Hand-written instead of derived: serde's derive checks that every member's name is UTF-8, which takes an eighth
//! of the decoding time, and most of the time of a query is decoding.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::text::Text;

/// A row of a session list with the members that are needed for counting.
pub struct Session<'a> {
    /// Empty when missing or null.
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    pub user_id: Cow<'a, str>,
    /// A secret: its holder can take over the session.
    pub session_id: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Session<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SessionVisitor)
    }
}

struct SessionVisitor;

impl<'de> Visitor<'de> for SessionVisitor {
    type Value = Session<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut user_directory, mut user_id, mut session_id) = (None, None, None);
        while let Some(name) = members.next_key()? {
            let (member, nullable) = match name {
                Member::UserDirectory => (&mut user_directory, true),
                Member::UserId => (&mut user_id, true),
                Member::SessionId => (&mut session_id, false),
                Member::UserName | Member::Attributes | Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if member.replace(members.next_value_seed(Text { nullable })?).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Session {
            user_directory: user_directory.flatten().unwrap_or_default(),
            user_id: user_id.flatten().unwrap_or_default(),
            session_id: session_id.flatten().ok_or_else(|| A::Error::missing_field("SessionId"))?,
        })
    }
}

/// A member of a row: its name begins with a capital or a small letter, depending on the version.
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
        deserializer.deserialize_bytes(MemberVisitor)
    }
}

struct MemberVisitor;

impl Visitor<'_> for MemberVisitor {
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
