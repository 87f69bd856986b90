//! File, environment and flags, one over the other.

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::file::{Content, Lines};
use super::mistakes::Origin;

/// What one source says. Figment marks each value with its source, so that a mistake can name it.
pub struct Layer {
    origin: Source,
    data: Dict,
}

impl Layer {
    /// One value at one path, from a variable or a flag.
    pub fn one(origin: String, path: &[String], value: Value) -> Self {
        let mut data = Dict::new();
        if let Some((last, sections)) = path.split_last() {
            data.insert(last.clone(), value);
            for section in sections.iter().rev() {
                data = Dict::from([(section.clone(), Value::from(data))]);
            }
        }
        Self { origin: Source::Custom(origin), data }
    }
}

/// The flag that stands for a key of a site: `--user-id` for `user_id`.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from("settings", self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.data.clone())]))
    }
}

/// All layers in one tree, the later ones over the earlier ones.
pub struct Merged {
    figment: Figment,
    tree: Dict,
    file: String,
    lines: Lines,
    site_by_flags: bool,
}

impl Merged {
    /// `file` has its data taken as the lowest layer. `site_by_flags`: what a site lacks is a flag that lacks.
    pub fn new(file: Content, above: impl IntoIterator<Item = Layer>, site_by_flags: bool) -> Self {
        let Content { name, data, lines, .. } = file;
        let lowest = Layer { origin: Source::File(name.clone().into()), data };
        let figment = above.into_iter().fold(Figment::from(lowest), Figment::merge);
        // The empty path is the whole; our layers cannot fail.
        let tree = figment.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        Self { figment, tree, file: name, lines, site_by_flags }
    }

    /// Whether the one site is given by flags.
    pub fn site_by_flags(&self) -> bool {
        self.site_by_flags
    }

    pub fn tree(&self) -> &Dict {
        &self.tree
    }

    /// The value at a path.
    pub fn get(&self, path: &[impl AsRef<str>]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let start = self.tree.get(first.as_ref())?;
        rest.iter().try_fold(start, |value, name| value.as_dict()?.get(name.as_ref()))
    }

    /// The names in the section at a path.
    pub fn names(&self, path: &[impl AsRef<str>]) -> Vec<String> {
        let section = self.get(path).and_then(Value::as_dict);
        section.map(|section| section.keys().cloned().collect()).unwrap_or_default()
    }

    /// Where the value at a path comes from, or else the section around it. Of a section only its
    /// line in the file is told: a variable that adds a key to it did not write what it lacks.
    pub fn origin(&self, path: &[impl AsRef<str>]) -> Origin {
        let path: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        if let Some(value) = self.get(&path).filter(|value| value.as_dict().is_none()) {
            return self.origin_of(value.tag(), &path);
        }
        if let (true, [section, _, key]) = (self.site_by_flags, &*path)
            && section == "site"
        {
            return Origin::Flag(flag(key));
        }
        let mut around = (1..=path.len()).rev().filter_map(|length| path.get(..length));
        match around.find(|part| self.get(part).is_some()).and_then(|section| self.lines.get(section)) {
            Some(line) => Origin::File { name: self.file.clone(), line: Some(*line) },
            None => Origin::Nowhere,
        }
    }

    /// The file as a whole; nowhere when there is none.
    pub fn file(&self) -> Origin {
        match self.file.as_str() {
            "" => Origin::Nowhere,
            name => Origin::File { name: name.to_owned(), line: None },
        }
    }

    /// Where a value with this tag comes from; its line, or else that of what is around it.
    pub fn origin_of(&self, tag: Tag, path: &[String]) -> Origin {
        match self.figment.get_metadata(tag).and_then(|metadata| metadata.source.clone()) {
            Some(Source::File(name)) => {
                let line = (1..=path.len()).rev().find_map(|length| self.lines.get(path.get(..length)?));
                Origin::File { name: name.display().to_string(), line: line.copied() }
            }
            Some(Source::Custom(given)) if given.starts_with("--") => Origin::Flag(given),
            Some(Source::Custom(given)) => Origin::Given(given),
            _ => Origin::Nowhere,
        }
    }
}
