//! The types of keys. No file is touched here.

mod kind;
mod lists;
mod scalars;
mod url;

pub use kind::{Kind, ValueError, found, without_quotes};
pub use lists::{Addresses, Exclusions, Patterns, VirtualProxies};
pub use scalars::{Choice, DurationBetween, FilePath, SizeBetween, Switch, Text, Unavailable, Whole};
pub use url::{HttpsUrl, UrlPath};

#[cfg(test)]
mod tests;
