//! Snapshots to text. The [`catalogue`] holds every metric once; [`sites`] and [`exporter`] give them
//! their samples, [`users`] decides whose sessions are shown, [`stream`] sends the text in pieces.

pub mod catalogue;
mod encoder;
pub mod exporter;
pub mod format;
pub mod sites;
pub mod stream;
pub mod users;

pub use exporter::Exporter;
pub use format::Format;
pub use sites::Sites;
pub use stream::{Encoders, encode_few};

#[cfg(test)]
mod tests;
