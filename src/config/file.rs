//! The configuration file: where it is, its encoding, its TOML, the lines of its values.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use figment::value::Dict;
use toml::de::{DeTable, DeValue};

use super::errors::{ConfigErrors, Source};
use super::key_path::KeyPath;
use super::{named_file, toml_value};

/// The name that is looked for when none is given.
const NAME: &str = "config.toml";

/// No configuration comes near this; what is larger is another file.
const MAX_BYTES: u64 = 1 << 20;

/// Advice for a Windows path, whose backslashes TOML's double quotes take for escapes.
pub const PATH_ADVICE: &str =
    r#"a Windows path is written in single quotes or with /: 'C:\certs\client.pem' or "C:/certs/client.pem""#;

/// The file's content.
#[derive(Debug, Default)]
pub struct Content {
    /// As messages name it; empty when there is no file.
    pub name: String,
    /// Where its relative paths start.
    pub folder: PathBuf,
    pub dict: Dict,
    /// The line of each value, counted from 1.
    lines: BTreeMap<KeyPath, usize>,
}

impl Content {
    /// Returns the file, without a line; [`Source::Default`] when there is none.
    pub fn source(&self) -> Source {
        match self.name.as_str() {
            "" => Source::Default,
            name => Source::File { name: name.to_owned(), line: None },
        }
    }

    /// Returns the file with the line of the value at `path`, or else of the innermost part around it.
    pub fn source_around(&self, path: &KeyPath) -> Source {
        let mut around = std::iter::successors(Some(path.clone()), KeyPath::parent);
        let line = around.find_map(|path| self.lines.get(&path).copied());
        Source::File { name: self.name.clone(), line }
    }

    /// Returns the file with the line of the value at `path`, if it is there.
    pub fn source_of(&self, path: &KeyPath) -> Option<Source> {
        self.lines.contains_key(path).then(|| self.source_around(path))
    }
}

/// Finds and reads the file. Without a name given, no file at all is no error: the environment may set everything.
pub fn read(
    named: Option<&Path>,
    working_directory: &Path,
    executable: Option<&Path>,
) -> Result<Content, ConfigErrors> {
    let beside = executable.and_then(Path::parent).map(|folder| folder.join(NAME));
    let candidates: Vec<PathBuf> = match named {
        Some(file) => vec![file.to_owned()],
        None => [Some(PathBuf::from(NAME)), beside].into_iter().flatten().collect(),
    };
    for candidate in candidates {
        let path = working_directory.join(&candidate);
        let name = candidate.display().to_string();
        match named_file::read(&path, MAX_BYTES) {
            Ok(bytes) => {
                let text = decode(&bytes).map_err(|text| whole_file(name.clone(), text))?;
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                return parse(text, name, folder);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => return Err(whole_file(name, named_file::describe(&path, &error))),
        }
    }
    Ok(Content::default())
}

fn whole_file(name: String, text: String) -> ConfigErrors {
    let mut errors = ConfigErrors::default();
    errors.add(Source::File { name, line: None }, "", text);
    errors
}

/// Returns the text of a UTF-8 file, without its byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, String> {
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

fn parse(text: &str, name: String, folder: PathBuf) -> Result<Content, ConfigErrors> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let line_starts = LineStarts::new(text);
    let errors = syntax_errors(text, &line_starts, &errors, &name);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut content =
        Content { name, folder, dict: toml_value::dict(table.get_ref()), lines: BTreeMap::new() };
    record_lines(table.get_ref(), &KeyPath::default(), &line_starts, &mut content.lines);
    Ok(content)
}

/// Records the line of every value in a table.
fn record_lines(
    table: &DeTable<'_>,
    path: &KeyPath,
    line_starts: &LineStarts,
    lines: &mut BTreeMap<KeyPath, usize>,
) {
    for (key, value) in table {
        let path = path.child(key.get_ref());
        lines.insert(path.clone(), line_starts.find(key.span().start).number);
        match value.get_ref() {
            DeValue::Table(table) => record_lines(table, &path, line_starts, lines),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    let path = path.item(number);
                    lines.insert(path.clone(), line_starts.find(item.span().start).number);
                    if let DeValue::Table(table) = item.get_ref() {
                        record_lines(table, &path, line_starts, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns the parser's errors in the order of lines, without those that follow from another.
fn syntax_errors(
    text: &str,
    line_starts: &LineStarts,
    errors: &[toml::de::Error],
    name: &str,
) -> ConfigErrors {
    // The parser returns them in the order of its own steps.
    let mut errors: Vec<(usize, &str)> =
        errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error.message())).collect();
    errors.sort_by_key(|(offset, _)| *offset);
    let unclosed =
        errors.iter().rev().find(|(_, message)| message.starts_with("unclosed") && is_about_list(message));
    let mut found = ConfigErrors::default();
    let mut last_line = None;
    let mut has_list_error = false;
    for &(offset, message) in &errors {
        // To a list that is not closed belongs all that follows.
        if has_list_error && unclosed.is_some_and(|(end, _)| offset <= *end) {
            continue;
        }
        has_list_error |= is_about_list(message);
        let Line { number, start } = line_starts.find(offset);
        // What follows on the same line is mostly about the first error.
        if last_line.replace(number) == Some(number) {
            continue;
        }
        let column = 1 + text.get(start..offset).unwrap_or_default().chars().count();
        let mut message = format!("column {column}: {}", message.trim().replace('\n', ", "));
        let line = text.get(start..).and_then(|rest| rest.lines().next());
        if line.is_some_and(has_backslash_in_double_quotes) {
            message += &format!("; {PATH_ADVICE}");
        }
        found.add(Source::File { name: name.to_owned(), line: Some(number) }, "", message);
    }
    found
}

/// Returns whether an error is about a list, or about a table in braces.
fn is_about_list(message: &str) -> bool {
    message.contains("array") || message.contains("inline table")
}

fn has_backslash_in_double_quotes(line: &str) -> bool {
    line.split_once('"').is_some_and(|(before, rest)| !before.contains('\'') && rest.contains('\\'))
}

/// Where the lines of a text begin. Counting them again for each value would take minutes for a large file.
struct LineStarts(Vec<usize>);

/// A line: its number, counted from 1, and the offset of its first byte.
struct Line {
    number: usize,
    start: usize,
}

impl LineStarts {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// Returns the line that holds the byte at `offset`.
    fn find(&self, offset: usize) -> Line {
        let number = self.0.partition_point(|start| *start <= offset);
        Line { number, start: self.0.get(number.saturating_sub(1)).copied().unwrap_or_default() }
    }
}
