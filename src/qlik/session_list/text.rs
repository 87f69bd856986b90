//! Texts in rows: borrowed where the JSON has no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// For serde's derive.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Text { null: false }.deserialize(deserializer)
}

/// For serde's derive.
pub fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Text { null: true }.deserialize(deserializer)
}

/// For serde's derive.
pub fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Option::<AnyText<'de>>::deserialize(deserializer)?.map(|text| text.0))
}

/// A text, or null for an empty one.
#[derive(Deserialize)]
pub struct AnyText<'a>(#[serde(borrow, deserialize_with = "text_or_null")] pub Cow<'a, str>);

/// A text that borrows where the JSON has no escapes.
pub struct Text {
    /// Whether null is one too, an empty one.
    pub null: bool,
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.null { deserializer.deserialize_any(self) } else { deserializer.deserialize_str(self) }
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        if self.null { Ok(Cow::Borrowed("")) } else { Err(E::custom("null")) }
    }
}
