//! Keys that take one value.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::{Num, Value};
use serde::de::value::Error as NumberError;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::kind::{Kind, Read, error, unexpected};
use crate::config::file::PATH_ADVICE;

/// Text that is neither empty nor holds control characters.
#[derive(Debug)]
pub struct Text;

impl Kind for Text {
    type Value = String;

    fn expected(&self) -> String {
        "a string in quotes".into()
    }

    fn read(&self, value: &Value) -> Read<String> {
        text(value, &self.expected(), "")
    }
}

/// Returns non-empty text without control characters; `advice` is for those who have some in it.
pub fn text(value: &Value, expected: &str, advice: &str) -> Read<String> {
    match value.as_str() {
        None => unexpected(value, expected),
        Some(text) if text.trim().is_empty() => unexpected(value, format!("{expected}, not an empty one")),
        Some(text) if text.chars().any(char::is_control) => {
            unexpected(value, format!("{expected} without control characters{advice}"))
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// The path of a file.
#[derive(Debug)]
pub struct FilePath {
    /// Whether the file holds a secret: by accident the secret itself may stand in place of the path.
    is_of_secret: bool,
}

impl FilePath {
    pub const PLAIN: Self = Self { is_of_secret: false };
    pub const OF_SECRET: Self = Self { is_of_secret: true };
}

impl Kind for FilePath {
    type Value = PathBuf;

    fn expected(&self) -> String {
        "the path of a file in quotes".into()
    }

    fn read(&self, value: &Value) -> Read<PathBuf> {
        match value {
            Value::Num(..) if self.is_of_secret => {
                error(format!("found a number, expected {}", self.expected()))
            }
            Value::String(_, text) if text.contains("-----BEGIN") => {
                unexpected(value, "the path of the file that holds it")
            }
            _ => text(value, &self.expected(), &format!("; {PATH_ADVICE}")).map(PathBuf::from),
        }
    }
}

/// One of these names.
#[derive(Debug)]
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy + Debug + Sync> Kind for Choice<T> {
    type Value = T;

    fn expected(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        format!("one of \"{}\"", names.join("\", \""))
    }

    fn read(&self, value: &Value) -> Read<T> {
        let chosen = self.0.iter().find(|(name, _)| value.as_str() == Some(name));
        chosen.map_or_else(|| self.unexpected(value), |(_, choice)| Ok(*choice))
    }
}

/// A whole number in a range.
#[derive(Debug)]
pub struct Whole<T> {
    pub range: RangeInclusive<u64>,
    pub number: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Debug> Kind for Whole<T> {
    type Value = T;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.range.start(), self.range.end())
    }

    fn read(&self, value: &Value) -> Read<T> {
        let number = match value {
            Value::Num(_, Num::F32(_) | Num::F64(_)) => None,
            other => other.to_i128().and_then(|number| u64::try_from(number).ok()),
        };
        let number = number.filter(|number| self.range.contains(number));
        let number =
            number.map(|number| T::deserialize(IntoDeserializer::<NumberError>::into_deserializer(number)));
        number.and_then(Result::ok).map_or_else(|| self.unexpected(value), Ok)
    }
}

#[derive(Debug)]
pub struct DurationBetween(pub RangeInclusive<Duration>);

impl Kind for DurationBetween {
    type Value = Duration;

    fn expected(&self) -> String {
        let (least, most) = (self.0.start(), self.0.end());
        let (least, most) = (humantime::format_duration(*least), humantime::format_duration(*most));
        format!("a duration from {least} to {most}, such as \"10s\" or \"500ms\"")
    }

    fn read(&self, value: &Value) -> Read<Duration> {
        let duration = value.as_str().and_then(|text| humantime::parse_duration(text.trim()).ok());
        let duration = duration.filter(|duration| self.0.contains(duration));
        duration.map_or_else(|| self.unexpected(value), Ok)
    }
}

/// A number of bytes.
#[derive(Debug)]
pub struct SizeBetween(pub RangeInclusive<u64>);

impl Kind for SizeBetween {
    type Value = u64;

    fn expected(&self) -> String {
        let (least, most) =
            (ByteSize(*self.0.start()).display().iec(), ByteSize(*self.0.end()).display().iec());
        format!("a size from {least:.0} to {most:.0}, such as \"64MiB\"")
    }

    fn read(&self, value: &Value) -> Read<u64> {
        let size = value.as_str().and_then(|text| text.trim().parse::<ByteSize>().ok());
        let size = size.filter(|size| self.0.contains(&size.0));
        size.map_or_else(|| self.unexpected(value), |size| Ok(size.0))
    }
}

/// On or off.
#[derive(Debug)]
pub struct Switch;

impl Kind for Switch {
    type Value = bool;
    const TAKES_TEXT: bool = false;

    fn expected(&self) -> String {
        "true or false".into()
    }

    fn read(&self, value: &Value) -> Read<bool> {
        value.to_bool().map_or_else(|| self.unexpected(value), Ok)
    }
}

/// A key that a later version will have.
#[derive(Debug)]
pub struct Unavailable;

impl Kind for Unavailable {
    type Value = ();
    const IS_AVAILABLE: bool = false;

    fn expected(&self) -> String {
        "it to be left out".into()
    }

    fn read(&self, _: &Value) -> Read<()> {
        Ok(())
    }
}
