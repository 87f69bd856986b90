//! The HTTP server and its routes. Nothing that can change a Qlik site is reachable over HTTP.
//!
//! [`WebState`] is all that the handlers need. The app builds it, replaces its [`ActiveConfig`] on reload and receives
//! reload requests of the handlers through a [`ReloadHandle`].

mod lifecycle;
mod metrics;
mod probe;
mod reload;
mod responses;
mod routes;
mod server;
mod service_discovery;
mod state;
mod status;

pub use reload::{ReloadError, ReloadHandle, ReloadRequest, ReloadRequests, reload_channel};
pub use routes::router;
pub use server::{ListenError, bind, serve};
pub use state::{ActiveConfig, WebState};
