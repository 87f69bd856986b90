//! Random ids in the form that Qlik uses.

use fastrand::Rng;

/// Returns a version 4 UUID; the same state of `rng` gives the same UUID.
pub(super) fn uuid(rng: &mut Rng) -> Box<str> {
    let bytes = rng.u128(..).to_le_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
}
