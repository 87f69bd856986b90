//! What a type of keys has: how a value is read, what is expected of it, and what is wrong with it.

use std::fmt::Debug;

use figment::value::{Num, Value};

use crate::config::key_path::KeyPath;

/// The type of a key.
///
/// Not serde's `Deserialize`, nor humantime-serde's and bytesize's: these know no range, stop at the first error of a
/// list and do not quote what was found.
pub trait Kind: Debug + Sync {
    type Value;
    /// Whether an environment variable holds the text itself instead of TOML.
    const TAKES_TEXT: bool = true;
    /// Whether such keys are available in this version.
    const IS_AVAILABLE: bool = true;

    /// Returns what an error names as expected, as TOML has it.
    fn expected(&self) -> String;

    /// Converts a value, or returns everything that is wrong with it.
    fn read(&self, value: &Value) -> Read<Self::Value>;

    /// Returns an error that names what was found and what is expected.
    fn unexpected<T>(&self, value: &Value) -> Read<T> {
        unexpected(value, self.expected())
    }
}

/// A value, or everything that is wrong with it.
pub type Read<T> = Result<T, Vec<ValueError>>;

/// What is wrong with a value, or with a part of it.
#[derive(Debug, PartialEq)]
pub struct ValueError {
    /// The way from the value to its part.
    pub part: KeyPath,
    text: String,
    /// What was expected instead, as TOML has it.
    expected: Option<String>,
}

impl ValueError {
    pub fn new(text: impl Into<String>) -> Self {
        Self { part: KeyPath::default(), text: text.into(), expected: None }
    }

    /// Returns the error about this value as one about a part of the value around it.
    pub fn in_part(self, part: &KeyPath) -> Self {
        Self { part: part.join(&self.part), ..self }
    }

    /// Returns the text of the error. `in_toml`: of a value that is written as TOML, and so in quotes.
    pub fn message(&self, in_toml: bool) -> String {
        let Self { text, expected, .. } = self;
        match expected {
            None => text.clone(),
            Some(expected) if in_toml => format!("{text}, expected {expected}"),
            Some(expected) => format!("{text}, expected {}", without_quotes(expected)),
        }
    }
}

/// Returns what is expected of text that is written as it is, as in a flag: TOML's quotes would be part of it.
pub fn without_quotes(expected: &str) -> String {
    expected.replace(" in quotes", "").replace('"', "")
}

pub fn error<T>(text: impl Into<String>) -> Read<T> {
    Err(vec![ValueError::new(text)])
}

pub fn unexpected<T>(value: &Value, expected: impl Into<String>) -> Read<T> {
    let found = ValueError::new(format!("found {}", found(value)));
    Err(vec![ValueError { expected: Some(expected.into()), ..found }])
}

/// Returns a value as messages show it: no secrets, not too long.
pub fn found(value: &Value) -> String {
    /// In characters: enough for every path of Windows' usual limit.
    const MAX: usize = 260;
    match value {
        Value::String(_, text) if text.contains("-----BEGIN") => "the text of a PEM file".into(),
        Value::String(_, text) if text.chars().count() > MAX => {
            let start: String = without_user(text).chars().take(MAX).collect();
            format!("{start:?}… ({} characters)", text.chars().count())
        }
        Value::String(_, text) => format!("{:?}", without_user(text)),
        Value::Char(_, text) => format!("{text:?}"),
        Value::Bool(_, value) => format!("{value} (a boolean)"),
        Value::Num(_, Num::F32(_) | Num::F64(_)) => {
            format!("{} (a number)", value.to_f64().unwrap_or(f64::NAN))
        }
        Value::Num(..) => format!("{} (an integer)", value.to_i128().unwrap_or_default()),
        Value::Empty(..) => "a date or time".into(),
        Value::Dict(..) => "a section".into(),
        Value::Array(..) => "a list".into(),
    }
}

/// Returns text without the user name and password that an address may hold.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", text.get(..scheme + 3).unwrap_or_default(), text.get(at..).unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}
