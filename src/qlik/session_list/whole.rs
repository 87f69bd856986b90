//! One row of a session list, with the user's name, and with everything that is known of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::{AnyText, text, text_if_any, text_or_null};

/// One row of a session list, with the user's name. `A`: what is decoded of its attributes, by default nothing.
#[derive(Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de> + Default"))]
pub struct NamedSession<'a, A = IgnoredAny> {
    /// Empty when missing or null.
    #[serde(
        rename = "UserDirectory",
        alias = "userDirectory",
        default,
        borrow,
        deserialize_with = "text_or_null"
    )]
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    #[serde(rename = "UserId", alias = "userId", default, borrow, deserialize_with = "text_or_null")]
    pub user_id: Cow<'a, str>,
    /// None when missing or null, as many versions have it.
    #[serde(rename = "UserName", alias = "userName", default, borrow, deserialize_with = "text_if_any")]
    pub user_name: Option<Cow<'a, str>>,
    /// Empty when missing or null.
    #[serde(rename = "Attributes", alias = "attributes", default)]
    pub attributes: A,
    /// A secret: whoever has it can take the session over.
    #[serde(rename = "SessionId", alias = "sessionId", borrow, deserialize_with = "text")]
    pub session_id: Cow<'a, str>,
}

/// One row of a session list, with everything that is known of it.
pub type WholeSession<'a> = NamedSession<'a, Attributes<'a>>;

/// In their order; names may repeat.
#[derive(Default)]
pub struct Attributes<'a>(pub Vec<Attribute<'a>>);

/// An attribute of a session: its name and its value, which may be empty.
pub type Attribute<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A list of objects, each with one member or more; null in place of the list or of an object is none.
impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        deserializer.deserialize_any(Members { into: &mut found, in_list: false })?;
        Ok(Self(found))
    }
}

/// Takes the list, and then each object in it: an allocation for all.
struct Members<'v, 'de> {
    into: &'v mut Vec<Attribute<'de>>,
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_list { "an object" } else { "a list of objects" })
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.in_list {
            return Err(serde::de::Error::custom("a list within the list"));
        }
        while list.next_element_seed(Members { into: self.into, in_list: true })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        if !self.in_list {
            return Err(serde::de::Error::custom("no list"));
        }
        while let Some((name, value)) = object.next_entry::<AnyText<'de>, AnyText<'de>>()? {
            self.into.push((name.0, value.0));
        }
        Ok(())
    }
}
