//! Mistakes in the configuration: collected, so that one start shows all of them.

use std::fmt;

use crate::terminal::escaped;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration file as it was named, and the line, counted from 1, where it is known.
    File { name: String, line: Option<usize> },
    /// An environment variable, in words.
    Given(String),
    /// A flag, which says what it is about.
    Flag(String),
    /// Nowhere: a default, or something that is missing altogether.
    Nowhere,
}

/// One mistake: where it is, which key, what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub origin: Origin,
    /// The key's path, such as `site.production.user_id`; empty when it is about a whole file.
    pub key: String,
    pub text: String,
}

/// All mistakes that were found, one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(super) fn add(&mut self, origin: Origin, key: impl Into<String>, text: impl Into<String>) {
        let mistake = Mistake { origin, key: key.into(), text: text.into() };
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// In the order of the file's lines, then the others.
    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.origin.cmp(&b.origin));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = match &self.origin {
            Origin::File { name, line: Some(line) } => format!("{name}:{line}: "),
            Origin::File { name, line: None } => format!("{name}: "),
            Origin::Given(by) | Origin::Flag(by) => format!("{by}: "),
            Origin::Nowhere => String::new(),
        };
        if !self.key.is_empty() && !matches!(self.origin, Origin::Flag(_)) {
            line = line + &self.key + ": ";
        }
        f.write_str(&escaped(&(line + &self.text)))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line_whatever_it_tells_of() {
        let origin = Origin::File { name: "a\nb.toml".into(), line: Some(3) };
        let mistake = Mistake { origin, key: "site.x".into(), text: "found \u{202e}\u{1b}[2J".into() };
        assert_eq!(mistake.to_string(), r"a\nb.toml:3: site.x: found \u{202e}\u{1b}[2J");
    }

    #[test]
    fn mistakes_come_in_the_order_of_lines_and_once_each() {
        let at = |line| Origin::File { name: "config.toml".into(), line: Some(line) };
        let mut mistakes = Mistakes::default();
        mistakes.add(Origin::Nowhere, "site", "missing");
        mistakes.add(at(10), "b", "wrong");
        mistakes.add(at(9), "a", "wrong");
        mistakes.add(at(9), "a", "wrong");
        mistakes.sort();
        assert_eq!(mistakes.to_string(), "config.toml:9: a: wrong\nconfig.toml:10: b: wrong\nsite: missing");
    }
}
