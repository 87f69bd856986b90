//! File, environment and flags, one over the other.

use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::errors::Source;
use super::file::Content;
use super::key_path::{KeyPath, Part};

/// One value from a variable or a flag.
pub struct Layer {
    pub source: Source,
    pub path: KeyPath,
    pub value: Value,
}

/// What figment merges. It marks each value with the metadata of its provider, from which [`Merged`] has the source.
struct Values {
    metadata: Metadata,
    dict: Dict,
}

const FILE: &str = "file";
const ENVIRONMENT: &str = "environment";
const FLAG: &str = "flag";

impl Provider for Values {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

impl From<Layer> for Values {
    fn from(layer: Layer) -> Self {
        let metadata = match layer.source {
            Source::Flag(name) => Metadata::from(FLAG, figment::Source::Custom(name)),
            Source::Env(name) => Metadata::from(ENVIRONMENT, figment::Source::Custom(name)),
            Source::File { name, .. } => Metadata::from(FILE, Path::new(&name)),
            Source::Default => Metadata::default(),
        };
        let mut value = layer.value;
        for part in layer.path.parts().iter().rev() {
            if let Part::Name(name) = part {
                value = Dict::from([(name.clone(), value)]).into();
            }
        }
        Self { metadata, dict: value.into_dict().unwrap_or_default() }
    }
}

/// All sources in one tree, the later ones over the earlier ones.
pub struct Merged {
    pub file: Content,
    pub tree: Value,
    figment: Figment,
}

impl Merged {
    /// Puts `above` over the file, in this order.
    pub fn new(file: Content, above: impl IntoIterator<Item = Layer>) -> Self {
        let lowest =
            Layer { source: file.source(), path: KeyPath::default(), value: file.dict.clone().into() };
        let layers = std::iter::once(lowest).chain(above).map(Values::from);
        let figment = layers.fold(Figment::new(), Figment::merge);
        // The empty path is the whole; our providers cannot fail.
        let tree = figment.find_value("").unwrap_or_else(|_| Dict::new().into());
        Self { file, tree, figment }
    }

    /// Returns the value at a path.
    pub fn get(&self, path: &KeyPath) -> Option<&Value> {
        path.parts().iter().try_fold(&self.tree, |value, part| match part {
            Part::Name(name) => value.as_dict()?.get(name),
            Part::Item(number) => value.as_array()?.get(*number),
        })
    }

    /// Returns the source of `value`, or of a part of it, which stands at `path`.
    pub fn source_of(&self, value: &Value, path: &KeyPath) -> Source {
        let Some(metadata) = self.figment.get_metadata(value.tag()) else { return Source::Default };
        match (&*metadata.name, &metadata.source) {
            (FILE, _) => self.file.source_around(path),
            (ENVIRONMENT, Some(figment::Source::Custom(name))) => Source::Env(name.clone()),
            (FLAG, Some(figment::Source::Custom(name))) => Source::Flag(name.clone()),
            _ => Source::Default,
        }
    }

    /// Returns the source of the section at `path`: its line in the file, or else what sets the first key in it.
    pub fn source_of_section(&self, path: &KeyPath) -> Source {
        if let Some(source) = self.file.source_of(path) {
            return source;
        }
        let (mut path, mut value) = (path.clone(), self.get(path));
        while let Some((name, first)) = value.and_then(Value::as_dict).and_then(|dict| dict.iter().next()) {
            path = path.child(name);
            value = Some(first);
        }
        value.map_or(Source::Default, |value| self.source_of(value, &path))
    }
}
