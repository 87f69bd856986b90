//! The subcommands, each a short file that puts the other modules together.

#[cfg(feature = "simulator")]
pub mod simulate;
