//! Qlik Sense's proxy service (QPS) and repository service (QRS), client-managed edition, over mutual TLS.
//!
//! - [`client`]: one service and its connections; what all requests have in common
//! - [`qps`]: list and delete sessions; [`session_list`]: decode their JSON while it arrives
//! - [`qrs`]: discover proxy services and virtual proxies
//! - [`credentials`]: client certificate, key and CA; [`verifier`]: which server certificates are accepted
//! - [`error`]: how a query fails; [`tls_failure`]: what caused a TLS error
//! - [`types`]: virtual proxy, user, session id

pub mod client;
mod connections;
pub mod credentials;
pub mod error;
pub mod qps;
pub mod qrs;
pub mod session_list;
pub mod tls_failure;
pub mod types;
pub mod verifier;

pub use client::{Client, Limits};
pub use error::{NoConnection, QueryError, Reason};
pub use types::{QlikUser, SessionId, UserKey, VirtualProxy};
