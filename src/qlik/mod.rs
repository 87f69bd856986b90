//! All that knows Qlik's protocols, and nothing of Prometheus.

pub mod credentials;
pub mod vocabulary;

pub use vocabulary::{QlikUser, UserKey, VirtualProxy};
