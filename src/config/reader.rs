//! The merged configuration, read key by key; everything wrong in it is collected.

use std::cell::RefCell;
use std::path::PathBuf;

use figment::value::Value;

use super::errors::{ConfigErrors, Source};
use super::key_path::KeyPath;
use super::keys::{Key, KeyInfo};
use super::kinds::{FilePath, Kind, ValueError, without_quotes};
use super::merge::Merged;
use super::named_file;

/// Secrets, keys and certificates are some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// The error is in the collection already.
#[derive(Debug)]
pub struct AlreadyReported;

/// The merged configuration while it is read.
pub struct Reader {
    pub merged: Merged,
    /// Where relative paths of variables and flags start.
    pub working_directory: PathBuf,
    pub errors: RefCell<ConfigErrors>,
    pub warnings: RefCell<Vec<String>>,
}

/// A section while it is read.
pub struct Section<'a> {
    reader: &'a Reader,
    pub path: KeyPath,
}

/// A file that a key names, read.
pub struct NamedFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Reader {
    /// Returns the section at `path`, which need not exist.
    pub fn section<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Section<'_> {
        Section { reader: self, path: path.into_iter().collect() }
    }

    /// Reports an error.
    pub fn error(&self, source: Source, key: &KeyPath, text: impl Into<String>) -> AlreadyReported {
        self.errors.borrow_mut().add(source, key, text);
        AlreadyReported
    }
}

impl Section<'_> {
    /// Returns the value of a key, or its default; None when there is neither.
    pub fn optional<K: Kind>(&self, key: &Key<K>) -> Result<Option<K::Value>, AlreadyReported> {
        let default = || key.info.default.map(|text| key.info.value_of(text));
        let Some(value) = self.value(&key.info).cloned().or_else(default) else { return Ok(None) };
        key.kind.read(&value).map(Some).map_err(|errors| self.report(&key.info, &value, errors))
    }

    /// Returns the value of a key, or its default.
    pub fn required<K: Kind>(&self, key: &Key<K>) -> Result<K::Value, AlreadyReported> {
        self.optional(key)?.ok_or_else(|| self.missing(key))
    }

    /// Returns the path that a key names, relative paths resolved.
    pub fn path(&self, key: &Key<FilePath>) -> Result<Option<PathBuf>, AlreadyReported> {
        let folder = match self.source(&key.info) {
            Source::File { .. } => &self.reader.merged.file.folder,
            _ => &self.reader.working_directory,
        };
        Ok(self.optional(key)?.map(|path| folder.join(path)))
    }

    /// Returns the file that a key names, read.
    pub fn file(&self, key: &Key<FilePath>) -> Result<Option<NamedFile>, AlreadyReported> {
        let Some(path) = self.path(key)? else { return Ok(None) };
        match named_file::read(&path, MAX_FILE) {
            Ok(bytes) => Ok(Some(NamedFile { path, bytes })),
            Err(error) => Err(self.error(&key.info, named_file::describe(&path, &error))),
        }
    }

    /// Returns whether a key has a value of its own, good or not.
    pub fn has(&self, key: &KeyInfo) -> bool {
        self.value(key).is_some()
    }

    /// Returns the sections in the section `name` of this one, in the order of their names.
    pub fn sections(&self, name: &str) -> Vec<Self> {
        let around = self.path.child(name);
        let entries = self.reader.merged.get(&around).and_then(Value::as_dict).into_iter().flatten();
        let sections = entries.filter(|(_, value)| value.as_dict().is_some());
        sections.map(|(name, _)| Section { reader: self.reader, path: around.child(name) }).collect()
    }

    /// Returns the section's own name.
    pub fn name(&self) -> &str {
        self.path.split_last().map_or("", |(_, name)| name)
    }

    /// Returns whether the section is named by flags.
    pub fn is_by_flags(&self) -> bool {
        matches!(self.reader.merged.source_of_section(&self.path), Source::Flag(_))
    }

    /// Returns how a message about the value of a key begins, such as `config.toml:3: log.file` or `--log.file`.
    pub fn name_with_source(&self, key: &KeyInfo) -> String {
        let path = self.path.child(key.name);
        match self.source(key) {
            Source::Flag(flag) => flag,
            Source::Default => path.to_string(),
            source => format!("{source}: {path}"),
        }
    }

    /// Reports an error of a key.
    pub fn error(&self, key: &KeyInfo, text: impl Into<String>) -> AlreadyReported {
        self.reader.error(self.source(key), &self.path.child(key.name), text)
    }

    /// Reports an error of the section itself.
    pub fn section_error(&self, text: impl Into<String>) -> AlreadyReported {
        self.reader.error(self.reader.merged.source_of_section(&self.path), &self.path, text)
    }

    /// Reports that a key is missing.
    pub fn missing<K: Kind>(&self, key: &Key<K>) -> AlreadyReported {
        let expected = key.kind.expected();
        let expected = if self.is_by_flags() { without_quotes(&expected) } else { expected };
        self.error(&key.info, format!("missing, expected {expected}"))
    }

    /// Reports something about a key that is worth a look, but no error.
    pub fn warn(&self, key: &KeyInfo, text: impl AsRef<str>) {
        let place = match self.source(key) {
            Source::Flag(flag) => flag,
            _ => self.path.child(key.name).to_string(),
        };
        self.reader.warnings.borrow_mut().push(format!("{place}: {}", text.as_ref()));
    }

    fn report(&self, key: &KeyInfo, value: &Value, errors: Vec<ValueError>) -> AlreadyReported {
        for error in errors {
            let path = self.path.child(key.name).join(&error.part);
            let source = self.reader.merged.source_of(value, &path);
            let in_toml = match source {
                Source::Flag(_) => false,
                Source::Env(_) => !key.takes_text,
                _ => true,
            };
            self.reader.error(source, &path, error.message(in_toml));
        }
        AlreadyReported
    }

    fn value(&self, key: &KeyInfo) -> Option<&Value> {
        self.reader.merged.get(&self.path.child(key.name))
    }

    /// Returns the source of a key's value, or of the section that lacks it.
    fn source(&self, key: &KeyInfo) -> Source {
        match self.value(key) {
            Some(value) => self.reader.merged.source_of(value, &self.path.child(key.name)),
            None if self.is_by_flags() => Source::Flag(key.flag()),
            None => self.reader.merged.source_of_section(&self.path),
        }
    }
}
