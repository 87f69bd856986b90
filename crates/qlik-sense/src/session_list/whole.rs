//! One row of a session list, with the user's name, and with everything that is known of it. Decoded by hand for
//! the same reason as [`Session`](super::Session).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::session::Member;
use super::text::Text;

/// One row of a session list, with the user's name. `A`: what is decoded of its attributes, by default nothing.
pub struct NamedSession<'a, A = IgnoredAny> {
    /// Empty when missing or null.
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    pub user_id: Cow<'a, str>,
    /// None when missing or null, as many versions have it.
    pub user_name: Option<Cow<'a, str>>,
    /// Empty when missing or null.
    pub attributes: A,
    /// A secret: whoever has it can take the session over.
    pub session_id: Cow<'a, str>,
}

impl<'de: 'a, 'a, A: Deserialize<'de> + Default> Deserialize<'de> for NamedSession<'a, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<A>(PhantomData<A>);

impl<'de, A: Deserialize<'de> + Default> Visitor<'de> for Members<A> {
    type Value = NamedSession<'de, A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let (mut user_directory, mut user_id, mut user_name, mut session_id) = (None, None, None, None);
        let mut attributes = None;
        let twice = || M::Error::custom("a member stands twice");
        while let Some(name) = members.next_key()? {
            let (wanted, null) = match name {
                Member::UserDirectory => (&mut user_directory, true),
                Member::UserId => (&mut user_id, true),
                Member::UserName => (&mut user_name, true),
                Member::SessionId => (&mut session_id, false),
                Member::Attributes => {
                    if attributes.replace(members.next_value()?).is_some() {
                        return Err(twice());
                    }
                    continue;
                }
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if wanted.replace(members.next_value_seed(Text { null })?).is_some() {
                return Err(twice());
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
        deserializer.deserialize_any(List { into: &mut found, in_list: false })?;
        Ok(Self(found))
    }
}

/// Takes the list, and then each object in it: an allocation for all.
struct List<'v, 'de> {
    into: &'v mut Vec<Attribute<'de>>,
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_list { "an object" } else { "a list of objects" })
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.in_list {
            return Err(A::Error::custom("a list within the list"));
        }
        while list.next_element_seed(List { into: self.into, in_list: true })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        if !self.in_list {
            return Err(A::Error::custom("no list"));
        }
        while let Some(name) = object.next_key_seed(Text { null: false })? {
            let value = object.next_value_seed(Text { null: true })?;
            self.into.push((name.unwrap_or_default(), value.unwrap_or_default()));
        }
        Ok(())
    }
}
