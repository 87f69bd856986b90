//! Where a value stands in the configuration.

use std::fmt;

/// The names from the top to a key or section, and the numbers of list items below a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Part>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Name(String),
    /// The number of an item, counted from 0.
    Item(usize),
}

impl KeyPath {
    /// Returns the path of a name in this section.
    pub fn child(&self, name: &str) -> Self {
        Self([&*self.0, &[Part::Name(name.to_owned())]].concat())
    }

    /// Returns the path of an item of this list.
    pub fn item(&self, number: usize) -> Self {
        Self([&*self.0, &[Part::Item(number)]].concat())
    }

    /// Returns the path of `below`, which starts here.
    pub fn join(&self, below: &Self) -> Self {
        Self([&*self.0, &*below.0].concat())
    }

    /// Returns the path of what is around, down to that of the whole.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, around)| Self(around.to_owned()))
    }

    /// Returns the path of the section around, and the last name.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        match self.0.split_last()? {
            (Part::Name(name), around) => Some((Self(around.to_owned()), name)),
            (Part::Item(_), _) => None,
        }
    }

    pub fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl<'a> FromIterator<&'a str> for KeyPath {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(|name| Part::Name(name.to_owned())).collect())
    }
}

/// Writes the path as TOML does. Not escaped otherwise.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.0.iter().enumerate() {
            match part {
                Part::Item(item) => write!(f, "[{item}]")?,
                Part::Name(name) => {
                    let dot = if number > 0 { "." } else { "" };
                    match is_bare(name) {
                        true => write!(f, "{dot}{name}")?,
                        false => write!(f, "{dot}{name:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns whether TOML needs no quotes around a name.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_written_as_in_toml() {
        let path = KeyPath::from_iter(["site", "my site", "key"]);
        assert_eq!(path.to_string(), r#"site."my site".key"#);
        assert_eq!(KeyPath::from_iter(["site", "a.b", ""]).to_string(), r#"site."a.b"."""#);
        let part = KeyPath::default().item(1).child("user id");
        assert_eq!(
            KeyPath::from_iter(["users", "exclude"]).join(&part).to_string(),
            r#"users.exclude[1]."user id""#
        );
    }
}
