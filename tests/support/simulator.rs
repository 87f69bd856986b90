//! The simulated site as every test starts it.

use std::path::Path;

use qlik_sense_simulator::{Options, Session, Simulator};
use url::Url;

/// Options for a site on ports from the system, with sessions that stay as they are.
pub fn options(certificates: &Path) -> Options {
    Options { certs: certificates.to_owned(), qrs_port: 0, qps_port: 0, churn: 0.0, ..Options::default() }
}

/// The address of a listener, such as `qrs` or `qps-1`.
pub fn url_of(simulator: &Simulator, listener: &str) -> Url {
    simulator.listeners().into_iter().find(|(name, _)| name == listener).unwrap().1
}

/// A session of this user with this id, and nothing else.
pub fn session((directory, id): (&str, &str), session_id: &str) -> Session {
    Session {
        user_directory: directory.to_owned(),
        user_id: id.to_owned(),
        user_name: None,
        attributes: Default::default(),
        session_id: session_id.to_owned(),
    }
}
