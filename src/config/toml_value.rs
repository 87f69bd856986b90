//! TOML's values as figment's.
//!
//! Not by way of `toml::Value` and serde: dates and integers beyond 64 bits would be errors without the key's name.

use figment::value::{Dict, Empty, Num, Tag, Value};
use toml::de::{DeInteger, DeTable, DeValue};

/// Reads a TOML value that is written alone, as in an environment variable.
pub fn parse(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|value| from_toml(value.get_ref()))
}

/// Converts a table with everything in it.
pub fn dict(table: &DeTable<'_>) -> Dict {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), from_toml(value.get_ref()))).collect()
}

fn from_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => Value::from(integer(number)),
        DeValue::Float(number) => Value::from(Num::F64(number.as_str().parse().unwrap_or(f64::NAN))),
        DeValue::Boolean(value) => Value::from(*value),
        // No key takes a date, and figment has none: it stands for itself in a message.
        DeValue::Datetime(_) => Value::Empty(Tag::Default, Empty::Unit),
        DeValue::Array(items) => {
            items.iter().map(|item| from_toml(item.get_ref())).collect::<Vec<_>>().into()
        }
        DeValue::Table(table) => Value::from(dict(table)),
    }
}

/// An integer too large for any key becomes a float, so that a message can show it.
fn integer(number: &DeInteger<'_>) -> Num {
    let digits = number.as_str();
    match i128::from_str_radix(digits, number.radix()) {
        Ok(number) => Num::I128(number),
        Err(_) => Num::F64(digits.parse().unwrap_or(f64::INFINITY)),
    }
}
