//! The HTTP side: routes and what each answers. Nothing that could change a Qlik site is reachable.
//!
//! [`WebState`] is all that the handlers need. Who starts the exporter builds it, replaces its [`ActiveConfig`] on
//! reload and receives what the handlers request through a [`ReloadHandle`].

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
