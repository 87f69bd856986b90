//! What both test programs share: the simulated site, the binary, a parser that is not ours.
//!
//! It is `mod.rs` because `#[path]` looks for the modules of any other file beside that file.

pub mod assert;
pub mod broken_proxy;
pub mod expected;
pub mod exporter;
pub mod faults;
pub mod footprint;
pub mod hostile;
pub mod http;
pub mod program;
pub mod project;
pub mod raw;
pub mod scrape;
#[cfg(unix)]
pub mod signal;
pub mod simulator;
pub mod site;
#[cfg(unix)]
pub mod slow_key;
pub mod stand_in;
#[cfg(unix)]
pub mod terminal;
pub mod wait;
