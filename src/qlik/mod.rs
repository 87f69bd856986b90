//! All that knows Qlik's protocols, and nothing of Prometheus.

pub mod credentials;
pub mod diagnosis;
pub mod endpoint;
pub mod error;
pub mod qps;
pub mod qrs;
pub mod session_list;
mod tls_failure;
pub mod trust;
pub mod vocabulary;

pub use endpoint::{Endpoint, Limits};
pub use error::{NoConnection, QueryError, Reason};
pub use vocabulary::{QlikUser, SessionId, UserKey, VirtualProxy};
