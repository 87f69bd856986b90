//! Names that a misspelled one may stand for.

/// Returns whether a known name may have been meant by this one.
pub fn is_like(name: &str, known: &str) -> bool {
    name != known && distance(name, known) <= known.len() / 3
}

/// Returns how many letters of a name are not those of a known one.
pub fn distance(name: &str, known: &str) -> usize {
    strsim::damerau_levenshtein(known, &name.to_lowercase())
}
