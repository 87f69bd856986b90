//! What the tests of the running program share: the simulated site, the binary, a parser that is not ours,
//! Prometheus.

pub mod broken_proxy;
pub mod expected;
pub mod exporter;
pub mod faults;
pub mod footprint;
pub mod free_port;
pub mod hostile;
pub mod http;
pub mod program;
pub mod prometheus;
pub mod raw;
pub mod scrape;
pub mod site;
#[cfg(unix)]
pub mod slow_key;
pub mod stand_in;
#[cfg(unix)]
#[allow(dead_code, reason = "only some of the test crates need a terminal")]
pub mod terminal;
pub mod wait;
