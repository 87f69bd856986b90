//! Settings looked up in the merged layers, with all mistakes collected.

use std::path::PathBuf;

use figment::value::{Dict, Value};

use super::environment;
use super::keys::{self, Key, Kind, Place, without_quotes};
use super::layers::Merged;
use super::mistakes::{Mistakes, Origin};
use super::paths;
use super::similarity::{distance, is_like};
use super::values::{Problem, Read, found};

/// Secrets, keys and certificates are some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// The mistake is in the collection already.
#[derive(Debug)]
pub struct Told;

/// The merged settings while they are read.
pub struct Reading<'a> {
    pub merged: &'a Merged,
    /// Where relative paths of the file start.
    pub folder: PathBuf,
    /// Where relative paths of variables and flags start.
    pub working_directory: PathBuf,
    pub mistakes: Mistakes,
    pub warnings: Vec<String>,
}

/// A file that a key names, read.
pub struct NamedFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Reading<'_> {
    /// Notes a mistake in the key, or the section, at `path`.
    pub fn wrong(&mut self, path: &[&str], text: impl Into<String>) -> Told {
        self.mistakes.add(self.origin(path), keys::shown(path), text);
        Told
    }

    fn origin(&self, path: &[&str]) -> Origin {
        match self.merged.origin(path) {
            Origin::Nowhere => self.first_given(path),
            origin => origin,
        }
    }

    /// What gave the first value in the section around `path`: without it there would be no such section.
    fn first_given(&self, path: &[&str]) -> Origin {
        let mut around = (1..=path.len()).rev().filter_map(|length| path.get(..length));
        let section = around.find_map(|at| Some((at.to_vec(), self.merged.get(at)?)));
        let Some((mut path, mut value)) = section else { return Origin::Nowhere };
        while let Some((name, first)) = value.as_dict().and_then(|dict| dict.iter().next()) {
            path.push(name);
            value = first;
        }
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        self.merged.origin_of(value.tag(), &path)
    }

    /// Notes a warning.
    pub fn warn(&mut self, path: &[&str], text: impl AsRef<str>) {
        let place = match self.merged.origin(path) {
            Origin::Flag(flag) => flag,
            _ => keys::shown(path),
        };
        self.warnings.push(format!("{place}: {}", text.as_ref()));
    }

    /// The value at `path`, or its default; None when there is neither.
    pub fn optional<T>(
        &mut self,
        path: &[&str],
        read: impl FnOnce(&Kind, &Value) -> Read<T>,
    ) -> Result<Option<T>, Told> {
        let Some(key) = keys::find(path) else { return Ok(None) };
        let default = || key.default.map(|text| environment::value(&key.kind, text));
        let Some(value) = self.merged.get(path).cloned().or_else(default) else { return Ok(None) };
        match read(&key.kind, &value) {
            Ok(value) => Ok(Some(value)),
            Err(problems) => Err(self.problems(path, &key.kind, &value, problems)),
        }
    }

    /// The value at `path`, or its default.
    pub fn required<T>(
        &mut self,
        path: &[&str],
        read: impl FnOnce(&Kind, &Value) -> Read<T>,
    ) -> Result<T, Told> {
        match self.optional(path, read)? {
            Some(value) => Ok(value),
            None => Err(self.missing(path)),
        }
    }

    /// Notes that a key is missing.
    pub fn missing(&mut self, path: &[&str]) -> Told {
        let mut expected = keys::find(path).map(|key| key.kind.expected()).unwrap_or_default();
        if let Origin::Flag(_) = self.origin(path) {
            expected = without_quotes(&expected);
        }
        self.wrong(path, format!("missing, expected {expected}"))
    }

    fn problems(&mut self, path: &[&str], kind: &Kind, value: &Value, problems: Vec<Problem>) -> Told {
        for problem in problems {
            let whole = path.iter().copied().chain(problem.part.iter().map(String::as_str));
            let whole: Vec<String> = whole.map(str::to_owned).collect();
            let origin = self.merged.origin_of(value.tag(), &whole);
            let in_toml = match origin {
                Origin::Flag(_) => false,
                Origin::Given(_) => !kind.is_text(),
                _ => true,
            };
            let told = problem.told(in_toml);
            self.mistakes.add(origin, keys::shown(path) + &problem.shown, told);
        }
        Told
    }

    /// The file that the key at `path` names, and its bytes.
    pub fn file(&mut self, path: &[&str]) -> Result<Option<NamedFile>, Told> {
        let Some(named) = self.optional(path, super::values::text)? else { return Ok(None) };
        let folder = match self.merged.origin(path) {
            Origin::File { .. } => &self.folder,
            _ => &self.working_directory,
        };
        let file = folder.join(named);
        match paths::read(&file, MAX_FILE) {
            Ok(bytes) => Ok(Some(NamedFile { path: file, bytes })),
            Err(error) => Err(self.wrong(path, paths::told(&file, &error))),
        }
    }

    /// Notes what stands where nothing is expected, and what is not available yet.
    pub fn unknown_keys(&mut self) {
        let merged = self.merged;
        self.unknown_in(merged.tree(), &mut Vec::new());
    }

    fn unknown_in<'t>(&mut self, section: &'t Dict, path: &mut Vec<&'t str>) {
        for (name, value) in section {
            path.push(name);
            let place = keys::place(path);
            match (&place, value) {
                (Place::Key(Key { available: false, .. }) | Place::Section { available: false, .. }, _) => {
                    self.wrong(path, "not yet available in this version, expected it to be left out");
                }
                (Place::Key(_), _) => {}
                (Place::Section { named: true, .. }, Value::Dict(..))
                    if name.trim().is_empty() || name.chars().any(char::is_control) =>
                {
                    self.wrong(path, "expected a name that is not empty and has no control characters");
                }
                (Place::Section { .. }, Value::Dict(_, section)) => self.unknown_in(section, path),
                (Place::Section { named, .. }, other) => {
                    let found = found(&Kind::Text, other);
                    let section = match (named, path.split_last()) {
                        (true, Some((_, around))) => format!("{}.NAME", keys::shown(around)),
                        _ => keys::shown(path),
                    };
                    self.wrong(path, format!("found {found}, expected a section [{section}]"));
                }
                (Place::Unknown, _) => {
                    let advice = advice(path);
                    self.wrong(path, format!("unknown key, expected {advice}"));
                }
            }
            path.pop();
        }
    }
}

/// What may have been meant by an unknown key.
fn advice(path: &[&str]) -> String {
    let Some((name, section)) = path.split_last() else { return String::new() };
    let names = keys::names_in(section);
    let nearest = names.iter().min_by_key(|known| distance(name, known));
    if let Some(nearest) = nearest.filter(|known| is_like(name, known)) {
        return format!("{nearest:?}");
    }
    let elsewhere = keys::KEYS.iter().filter(|key| key.available).find_map(|key| {
        let (around, last) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        (last == *name).then_some(around)
    });
    match elsewhere {
        Some("") => "it at the top of the file, before the first [section]".into(),
        Some(around) => format!("it in the section [{}]", around.replace('*', "NAME")),
        // A longer name that begins alike, such as key_password for key_password_file.
        None => match names.iter().find(|known| name.len() > 3 && known.starts_with(name)) {
            Some(longer) => format!("{longer:?}"),
            None if names.is_empty() => "a section with a name of your choice here".into(),
            None => format!("one of {}", names.join(", ")),
        },
    }
}
