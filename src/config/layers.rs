//! File, environment and flags, one over the other.

use std::collections::HashMap;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::mistakes::Origin;

/// What one source says. Figment marks each value with its source, so that a mistake can name it.
pub struct Layer {
    origin: Source,
    data: Dict,
}

impl Layer {
    /// The configuration file, by the name it is shown with.
    pub fn file(name: &str, data: Dict) -> Self {
        Self { origin: Source::File(name.into()), data }
    }

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

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from("settings", self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.data.clone())]))
    }
}

/// The line of each value in the file, counted from 1, by its path; items of a list by their number.
pub type Lines = HashMap<Vec<String>, usize>;

/// All layers in one tree, the later ones over the earlier ones.
pub struct Merged {
    figment: Figment,
    tree: Dict,
    lines: Lines,
}

impl Merged {
    pub fn new(layers: impl IntoIterator<Item = Layer>, lines: Lines) -> Self {
        let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
        // The empty path is the whole; our layers cannot fail.
        let tree = figment.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        Self { figment, tree, lines }
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

    /// Where the value at a path comes from, or else the section around it.
    pub fn origin(&self, path: &[impl AsRef<str>]) -> Origin {
        let path: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        (1..=path.len())
            .rev()
            .filter_map(|length| path.get(..length))
            .find_map(|part| self.get(part).map(|value| self.origin_of(value.tag(), &path)))
            .unwrap_or(Origin::Nowhere)
    }

    /// Where a value with this tag comes from; its line, or else that of what is around it.
    pub fn origin_of(&self, tag: Tag, path: &[String]) -> Origin {
        match self.figment.get_metadata(tag).and_then(|metadata| metadata.source.clone()) {
            Some(Source::File(name)) => {
                let line = (1..=path.len()).rev().find_map(|length| self.lines.get(path.get(..length)?));
                Origin::File { name: name.display().to_string(), line: line.copied() }
            }
            Some(Source::Custom(given)) => Origin::Given(given),
            _ => Origin::Nowhere,
        }
    }
}
