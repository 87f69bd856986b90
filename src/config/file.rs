//! The configuration file: where it is, its encoding, its TOML, the lines of its values.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Empty, Num, Tag, Value};
use toml::de::{DeArray, DeTable, DeValue};

use super::Sources;
use super::mistakes::{Mistakes, Origin};

/// The name that is looked for when none is given.
const NAME: &str = "config.toml";

/// No configuration comes near this; what is larger is another file.
const MAX_BYTES: u64 = 1 << 20;

/// How to get out of the trap that TOML's double quotes are for Windows' paths.
pub const PATH_ADVICE: &str =
    r#"a Windows path is written in single quotes or with /: 'C:\certs\client.pem' or "C:/certs/client.pem""#;

/// The line of each value in the file, counted from 1, by its path; items of a list by their number.
pub type Lines = HashMap<Vec<String>, usize>;

/// What the file says.
#[derive(Debug, Default)]
pub struct Content {
    /// As messages name it; empty when there is no file.
    pub name: String,
    /// Where its relative paths start.
    pub folder: PathBuf,
    pub data: Dict,
    pub lines: Lines,
}

/// Finds and reads the file. Without a name given, no file at all is no mistake: the environment
/// may say everything.
pub fn read(sources: &Sources) -> Result<Content, Mistakes> {
    let beside = sources.executable.as_deref().and_then(Path::parent).map(|folder| folder.join(NAME));
    let candidates: Vec<PathBuf> = match &sources.file {
        Some(file) => vec![file.clone()],
        None => [Some(PathBuf::from(NAME)), beside].into_iter().flatten().collect(),
    };
    for candidate in candidates {
        let path = sources.working_directory.join(&candidate);
        let name = candidate.display().to_string();
        let wrong = |text: String| {
            let mut mistakes = Mistakes::default();
            mistakes.add(Origin::File { name: name.clone(), line: None }, "", text);
            mistakes
        };
        match super::paths::read(&path, MAX_BYTES) {
            Ok(bytes) => {
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                let text = decoded(&bytes).map_err(wrong)?;
                let (data, lines) = parsed(text, &name)?;
                return Ok(Content { name, folder, data, lines });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && sources.file.is_none() => {}
            Err(error) => return Err(wrong(super::paths::told(&path, &error))),
        }
    }
    Ok(Content::default())
}

/// The text of a UTF-8 file, without its byte order mark.
fn decoded(bytes: &[u8]) -> Result<&str, String> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || matches!(bytes, [0, (1..), ..] | [(1..), 0, ..]);
    if is_utf16 {
        return Err("is UTF-16 (PowerShell's `>` writes that), expected UTF-8: in Notepad save it with \
             the encoding UTF-8, in PowerShell write it with `Set-Content -Encoding utf8`"
            .into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"-----BEGIN ") {
        return Err(
            "is a certificate or key (PEM), expected the configuration, which names such files".into()
        );
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("is not UTF-8 from line {line} on, expected UTF-8: save it with that encoding")
    })
}

fn parsed(text: &str, name: &str) -> Result<(Dict, Lines), Mistakes> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // The parser tells them by its own steps.
    let mut errors: Vec<(usize, &str)> =
        errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error.message())).collect();
    errors.sort_by_key(|(offset, _)| *offset);
    let unclosed =
        errors.iter().rev().find(|(_, message)| message.starts_with("unclosed") && in_list(message));
    let starts = LineStarts::new(text);
    let mut mistakes = Mistakes::default();
    let mut told = None;
    let mut list_is_told = false;
    for &(offset, message) in &errors {
        // To a list that is not closed belongs all that follows.
        if list_is_told && unclosed.is_some_and(|(end, _)| offset <= *end) {
            continue;
        }
        list_is_told |= in_list(message);
        let (line, start) = starts.line(offset);
        // What follows on the same line is mostly about the first error.
        if told.replace(line) == Some(line) {
            continue;
        }
        let column = 1 + text.get(start..offset).unwrap_or_default().chars().count();
        let mut message = message.trim().replace('\n', ", ");
        let whole_line = text.get(start..).and_then(|rest| rest.lines().next());
        if whole_line.is_some_and(has_backslash_in_double_quotes) {
            message = format!("{message}; {PATH_ADVICE}");
        }
        let origin = Origin::File { name: name.to_owned(), line: Some(line) };
        mistakes.add(origin, "", format!("column {column}: {message}"));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut converter = Converter { starts, lines: Lines::new(), path: Vec::new() };
    let data = converter.table(table.get_ref());
    Ok((data, converter.lines))
}

/// Whether the parser speaks of a list, or of a table in braces.
fn in_list(message: &str) -> bool {
    message.contains("array") || message.contains("inline table")
}

/// Where the lines of a text begin. Counting them again for each value would take minutes for a large file.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect())
    }

    /// The number of the line that holds the byte at `offset`, counted from 1, and where it begins.
    fn line(&self, offset: usize) -> (usize, usize) {
        let number = self.0.partition_point(|start| *start <= offset);
        (number, self.0.get(number.saturating_sub(1)).copied().unwrap_or_default())
    }
}

fn has_backslash_in_double_quotes(line: &str) -> bool {
    line.split_once('"').is_some_and(|(before, rest)| !before.contains('\'') && rest.contains('\\'))
}

/// A TOML value written alone, as in an environment variable.
pub fn value(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    let mut converter = Converter { starts: LineStarts::new(text), lines: Lines::new(), path: Vec::new() };
    Some(converter.value(value.get_ref()))
}

/// TOML's values as figment's, with a note of the line of each.
struct Converter {
    starts: LineStarts,
    lines: Lines,
    path: Vec<String>,
}

impl Converter {
    fn table(&mut self, table: &DeTable<'_>) -> Dict {
        let mut dict = Dict::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let value = self.at(name.clone(), key.span().start, value.get_ref());
            dict.insert(name, value);
        }
        dict
    }

    fn array(&mut self, array: &DeArray<'_>) -> Vec<Value> {
        let items = array.iter().enumerate();
        items.map(|(number, item)| self.at(number.to_string(), item.span().start, item.get_ref())).collect()
    }

    fn at(&mut self, name: String, offset: usize, value: &DeValue<'_>) -> Value {
        self.path.push(name);
        let (line, _) = self.starts.line(offset);
        self.lines.insert(self.path.clone(), line);
        let value = self.value(value);
        self.path.pop();
        value
    }

    fn value(&mut self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                match i128::from_str_radix(digits, number.radix()) {
                    Ok(number) => Value::from(Num::I128(number)),
                    Err(_) => Value::from(Num::F64(digits.parse().unwrap_or(f64::INFINITY))),
                }
            }
            DeValue::Float(number) => Value::from(Num::F64(number.as_str().parse().unwrap_or(f64::NAN))),
            DeValue::Boolean(value) => Value::from(*value),
            // No key takes a date, and figment has none: it stands for itself in a message.
            DeValue::Datetime(_) => Value::Empty(Tag::Default, Empty::Unit),
            DeValue::Array(array) => Value::from(self.array(array)),
            DeValue::Table(table) => Value::from(self.table(table)),
        }
    }
}
