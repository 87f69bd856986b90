//! Qlik Sense's proxy service (QPS) and repository service (QRS), client-managed edition, over mutual TLS.
//!
//! - [`client`] one service with its connections; what every request has in common
//! - [`qps`] sessions listed and deleted; [`session_list`] their JSON, decoded while it arrives
//! - [`qrs`] what a site consists of: proxy services, virtual proxies
//! - [`credentials`] client certificate, key and CA; [`verifier`] which server certificates are accepted
//! - [`error`] how a query fails, [`tls_failure`] what a TLS error is about
//! - [`types`] virtual proxy, user, session id

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
