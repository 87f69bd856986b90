//! Encodes snapshots as text. The [`catalogue`] defines every metric; [`sites`] and [`exporter`] write their samples,
//! [`users`] selects the users with series, [`stream`] sends the text in pieces.

pub mod catalogue;
mod encoder;
pub mod exporter;
pub mod format;
pub mod sites;
pub mod stream;
pub mod users;

pub use exporter::ExporterMetrics;
pub use format::Format;
pub use sites::SiteMetrics;
pub use stream::{Encoders, encode_few};

#[cfg(test)]
mod tests;
