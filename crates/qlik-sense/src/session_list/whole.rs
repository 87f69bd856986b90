//! A row of a session list with the user's name, and one with all members. Hand-written for the same reason as
//! [`Session`](super::Session).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::session::Member;
use super::text::Text;

/// A row of a session list with the user's name. `A` is the type of the attributes; by default they are skipped.
pub struct NamedSession<'a, A = IgnoredAny> {
    /// Empty when missing or null.
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    pub user_id: Cow<'a, str>,
    /// `None` when missing or null, as in many versions of Qlik Sense.
    pub user_name: Option<Cow<'a, str>>,
    /// Empty when missing or null.
    pub attributes: A,
    /// A secret: its holder can take over the session.
    pub session_id: Cow<'a, str>,
}

impl<'de: 'a, 'a, A: Deserialize<'de> + Default> Deserialize<'de> for NamedSession<'a, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedSessionVisitor(PhantomData))
    }
}

struct NamedSessionVisitor<A>(PhantomData<A>);

impl<'de, A: Deserialize<'de> + Default> Visitor<'de> for NamedSessionVisitor<A> {
    type Value = NamedSession<'de, A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let (mut user_directory, mut user_id, mut user_name, mut session_id) = (None, None, None, None);
        let mut attributes = None;
        while let Some(name) = members.next_key()? {
            let (member, nullable) = match name {
                Member::UserDirectory => (&mut user_directory, true),
                Member::UserId => (&mut user_id, true),
                Member::UserName => (&mut user_name, true),
                Member::SessionId => (&mut session_id, false),
                Member::Attributes => {
                    if attributes.replace(members.next_value()?).is_some() {
                        return Err(M::Error::custom("duplicate member"));
                    }
                    continue;
                }
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if member.replace(members.next_value_seed(Text { nullable })?).is_some() {
                return Err(M::Error::custom("duplicate member"));
            }
        }
        Ok(NamedSession {
            user_directory: user_directory.flatten().unwrap_or_default(),
            user_id: user_id.flatten().unwrap_or_default(),
            user_name: user_name.flatten(),
            attributes: attributes.unwrap_or_default(),
            session_id: session_id.flatten().ok_or_else(|| M::Error::missing_field("SessionId"))?,
        })
    }
}

/// A row of a session list with all members.
pub type WholeSession<'a> = NamedSession<'a, Attributes<'a>>;

/// The attributes of a session, in their order. Names may repeat.
#[derive(Default)]
pub struct Attributes<'a>(pub Vec<Attribute<'a>>);

/// An attribute of a session: its name and its value, which may be empty.
pub type Attribute<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Decodes a list of objects with any number of members each. A null instead of the list or of an object counts as
/// empty.
impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        deserializer.deserialize_any(AttributesVisitor { into: &mut found, in_list: false })?;
        Ok(Self(found))
    }
}

/// Visits the list and then each object in it; all attributes go into one vector.
struct AttributesVisitor<'v, 'de> {
    into: &'v mut Vec<Attribute<'de>>,
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for AttributesVisitor<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AttributesVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_list { "an object" } else { "a list of objects" })
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.in_list {
            return Err(A::Error::custom("a list in the list"));
        }
        while list.next_element_seed(AttributesVisitor { into: self.into, in_list: true })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        if !self.in_list {
            return Err(A::Error::custom("no list"));
        }
        while let Some(name) = object.next_key_seed(Text { nullable: false })? {
            let value = object.next_value_seed(Text { nullable: true })?;
            self.into.push((name.unwrap_or_default(), value.unwrap_or_default()));
        }
        Ok(())
    }
}
