//! Keys that no section has, and what may have been meant by them.

use figment::value::{Dict, Value};

use super::key_path::KeyPath;
use super::keys::{self, Entry, SECTIONS, SectionKeys};
use super::kinds::found;
use super::reader::Reader;
use super::similarity::{distance, is_like};

/// Reports what stands where nothing is expected, and what is not available in this version.
pub fn report_unknown_keys(reader: &Reader) {
    if let Some(tree) = reader.merged.tree.as_dict() {
        report_in(reader, tree, &KeyPath::default());
    }
}

fn report_in(reader: &Reader, section: &Dict, path: &KeyPath) {
    for (name, value) in section {
        let path = path.child(name);
        let error = match (keys::entry(&path), value) {
            (Entry::Key(key), _) if key.is_available => continue,
            (Entry::Key(_) | Entry::Section { is_available: false, .. }, _) => {
                "not yet available in this version, expected it to be left out".to_owned()
            }
            (Entry::Section { is_named: true, .. }, Value::Dict(..))
                if name.trim().is_empty() || name.chars().any(char::is_control) =>
            {
                "expected a name that is not empty and has no control characters".to_owned()
            }
            (Entry::Section { .. }, Value::Dict(_, section)) => {
                report_in(reader, section, &path);
                continue;
            }
            (Entry::Section { is_named, .. }, other) => {
                let section = match path.split_last() {
                    Some((around, _)) if is_named => format!("{around}.NAME"),
                    _ => path.to_string(),
                };
                format!("found {}, expected a section [{section}]", found(other))
            }
            (Entry::Unknown, _) => format!("unknown key, expected {}", advice(&path)),
        };
        let source = match value {
            Value::Dict(..) => reader.merged.source_of_section(&path),
            value => reader.merged.source_of(value, &path),
        };
        reader.error(source, &path, error);
    }
}

/// Returns what may have been meant by an unknown key.
fn advice(path: &KeyPath) -> String {
    let Some((section, name)) = path.split_last() else { return String::new() };
    let names = keys::names_in(&section);
    let nearest = names.iter().min_by_key(|known| distance(name, known));
    if let Some(nearest) = nearest.filter(|known| is_like(name, known)) {
        return format!("{nearest:?}");
    }
    if let Some(section) = SECTIONS.iter().find(|section| has_available(section, name)) {
        return match section.path {
            [] => "it at the top of the file, before the first [section]".into(),
            path => format!("it in the section [{}]", path.join(".").replace(keys::NAME, "NAME")),
        };
    }
    // A longer name that begins alike, such as key_password_file for key_password.
    match names.iter().find(|known| name.len() > 3 && known.starts_with(name)) {
        Some(longer) => format!("{longer:?}"),
        None if names.is_empty() => "a section with a name of your choice here".into(),
        None => format!("one of {}", names.join(", ")),
    }
}

fn has_available(section: &SectionKeys, name: &str) -> bool {
    section.keys.iter().any(|key| key.is_available && key.name == name)
}
