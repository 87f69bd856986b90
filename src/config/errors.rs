//! What is wrong in the configuration: collected, so that one start shows all of it.

use std::fmt;

use crate::terminal::escaped;

/// Where a setting comes from. Errors are sorted by it: by the lines of the file, then the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The configuration file as it was named, and the line, counted from 1, where it is known.
    File { name: String, line: Option<usize> },
    /// The environment variable of this name.
    Env(String),
    /// The flag of this name, dashes included.
    Flag(String),
    /// None of the others: the key's default, or a key that is missing where there is no file.
    Default,
}

/// One error: where it is, which key, what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    pub source: Source,
    /// The key's path, such as `site.production.user_id`; empty when it is about a whole file.
    pub key: String,
    pub text: String,
}

/// All errors that were found. Its text has one line for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn add(&mut self, source: Source, key: impl ToString, text: impl Into<String>) {
        let error = ConfigError { source, key: key.to_string(), text: text.into() };
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.source.cmp(&b.source));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl ConfigError {
    /// Returns the error without its source. A flag's name stands for the key. Not escaped.
    pub fn message(&self) -> String {
        match (&*self.key, &self.source) {
            ("", _) | (_, Source::Flag(_)) => self.text.clone(),
            (key, _) => format!("{key}: {}", self.text),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.source {
            Source::Default => self.message(),
            source => format!("{source}: {}", self.message()),
        };
        f.write_str(&escaped(&line))
    }
}

/// Not escaped; empty for a default.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Default => Ok(()),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ConfigError::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: usize) -> Source {
        Source::File { name: "a\nb.toml".into(), line: Some(line) }
    }

    #[test]
    fn error_is_one_line_whatever_it_quotes() {
        let error =
            ConfigError { source: line(3), key: "site.x".into(), text: "found \u{202e}\u{1b}[2J".into() };
        assert_eq!(error.to_string(), r"a\nb.toml:3: site.x: found \u{202e}\u{1b}[2J");
    }

    #[test]
    fn errors_are_sorted_by_line_and_listed_once() {
        let mut errors = ConfigErrors::default();
        errors.add(Source::Default, "site", "missing");
        errors.add(line(10), "b", "wrong");
        errors.add(line(9), "a", "wrong");
        errors.add(line(9), "a", "wrong");
        errors.sort();
        assert_eq!(errors.to_string(), "a\\nb.toml:9: a: wrong\na\\nb.toml:10: b: wrong\nsite: missing");
    }
}
