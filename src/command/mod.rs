//! The subcommands, each a short file that puts the other modules together.

pub mod check;
#[cfg(feature = "simulator")]
pub mod simulate;
