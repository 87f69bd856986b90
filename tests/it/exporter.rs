//! The running program: the real binary against the simulated site, over mutual TLS on loopback.

mod cache;
mod crowd;
mod deadlines;
mod discovery;
mod discovery_changes;
mod discovery_failures;
mod failures;
mod faults;
mod http;
mod kept_connections;
mod logging;
mod reload;
mod reload_load;
mod reload_refused;
mod repository_answers;
mod scrape;
#[cfg(unix)]
mod shutdown;
mod users;
