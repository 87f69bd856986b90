//! A running exporter: started, reloaded and run until it is shut down.
//!
//! Whoever starts one decides when it reloads and shuts down: a command on signals, a service on requests of its
//! manager.

mod prepare;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::{Config, Sources};
use crate::web::{self, ActiveConfig, ListenError, ReloadError, ReloadRequests, WebState};
pub use prepare::PrepareError;
use prepare::{Handover, PreparedConfig, prepare};

/// What an exporter is started with besides its configuration.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The path of the metrics of all sites.
    pub telemetry_path: String,
    /// Whether `POST /-/reload` is allowed.
    pub lifecycle: bool,
}

/// An exporter that is bound to its addresses.
pub struct App {
    /// Where the configuration comes from, at start and at each reload.
    sources: Sources,
    state: Arc<WebState>,
    addresses: Vec<SocketAddr>,
    /// Taken by [`Self::run`].
    inputs: Mutex<Option<Inputs>>,
    /// Held during a reload: reloads never overlap.
    reload: tokio::sync::Mutex<Reload>,
    /// Cancelled when the exporter shuts down. Handlers and connections see it, and a reload that still reads.
    shutdown: CancellationToken,
}

/// What reaches the exporter from outside while it runs.
struct Inputs {
    listeners: Vec<TcpListener>,
    reload_requests: ReloadRequests,
}

/// What one reload leaves for the next.
struct Reload {
    /// The addresses that the last configuration names, to report a change.
    listen_addresses: Vec<SocketAddr>,
    handover: Handover,
}

/// Why an exporter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl App {
    /// Prepares everything that can fail, binds the listeners last and starts the discovery of the sites.
    ///
    /// # Errors
    /// When the configuration cannot be used or an address cannot be listened on. Nothing has been started then.
    pub async fn start(sources: Sources, options: AppOptions) -> Result<Self, StartError> {
        let prepared = prepare(&sources, None).await?;
        let listeners = web::bind(&prepared.config.listen_addresses).await?;

        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let shutdown = CancellationToken::new();
        let (reload_handle, reload_requests) = web::reload_channel();
        let reload_handle = options.lifecycle.then_some(reload_handle);
        let listen_addresses = prepared.config.listen_addresses.clone();
        let handover = Handover::first(&prepared);
        let active = active_config(prepared);
        let state = WebState::new(active, options.telemetry_path, reload_handle, shutdown.clone());
        Ok(Self {
            sources,
            state: Arc::new(state),
            addresses,
            inputs: Mutex::new(Some(Inputs { listeners, reload_requests })),
            reload: tokio::sync::Mutex::new(Reload { listen_addresses, handover }),
            shutdown,
        })
    }

    /// Prepares everything that [`Self::start`] prepares and returns the configuration. Binds and starts nothing.
    pub async fn check(sources: &Sources) -> Result<Config, PrepareError> {
        Ok(prepare(sources, None).await?.config)
    }

    /// Returns the addresses that the listeners are bound to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` resolves, then stops everything, waits for it and returns what `shutdown` resolved to.
    /// To be called once: a second call serves nothing.
    pub async fn run<T>(&self, shutdown: impl Future<Output = T>) -> T {
        let Some(Inputs { listeners, reload_requests }) = self.inputs.lock().take() else {
            return shutdown.await;
        };
        let server = web::serve(listeners, web::router(self.state.clone()), self.shutdown.clone());
        let until_shutdown = async {
            let reason = tokio::select! {
                reason = shutdown => reason,
                never = self.reload_on_request(reload_requests) => match never {},
            };
            info!("shutting down");
            self.stop().await;
            reason
        };
        tokio::join!(server, until_shutdown).1
    }

    /// Reads the configuration again, certificates included, and puts it in force. What did not change keeps its
    /// connections, caches and counters.
    ///
    /// The first phase prepares everything that can fail and changes nothing; the second cannot fail. For that reason
    /// a rejected reload changes nothing, and dropping the future leaves nothing half done.
    ///
    /// # Errors
    /// When the configuration cannot be used, which is logged, or when the exporter shuts down meanwhile.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let mut reload = self.reload.lock().await;
        debug!("reloading configuration");
        reload.handover.complete().await;
        let prepared = prepare(&self.sources, Some(self.state.active().collector.clone()));
        // A file that cannot be read to its end, or a key that takes long to decrypt, is left to its thread.
        let Some(prepared) = self.shutdown.run_until_cancelled(prepared).await else {
            return Err(ReloadError::Interrupted);
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(rejected) => {
                self.state.record_reload(false);
                let errors = rejected.to_string();
                for error in errors.lines() {
                    warn!(error, "configuration rejected");
                }
                return Err(ReloadError::Rejected(errors));
            }
        };
        self.apply(prepared, &mut reload);
        reload.handover.complete().await;
        Ok(())
    }

    /// Puts a prepared configuration in force.
    fn apply(&self, prepared: PreparedConfig, reload: &mut Reload) {
        let listen_addresses = prepared.config.listen_addresses.clone();
        if listen_addresses != reload.listen_addresses {
            warn!("listen_address changed, effective at the next start");
        }
        reload.listen_addresses = listen_addresses;
        reload.handover = Handover::start(&self.state.active().collector, &prepared);
        self.state.activate(active_config(prepared));
        self.state.record_reload(true);
        info!("configuration reloaded");
    }

    /// Reloads for each handler that requests it.
    async fn reload_on_request(&self, mut requests: ReloadRequests) -> Infallible {
        while let Some(request) = requests.recv().await {
            request.respond(self.reload().await);
        }
        pending().await
    }

    /// Interrupts a reload that still reads, waits for one that is being applied and ends all queries.
    async fn stop(&self) {
        self.shutdown.cancel();
        self.reload.lock().await.handover.complete().await;
        self.state.active().collector.end().await;
    }
}

fn active_config(prepared: PreparedConfig) -> ActiveConfig {
    let PreparedConfig { config, collector, read_at } = prepared;
    ActiveConfig {
        collector,
        users: Arc::new(config.users),
        timeout_offset: config.scrape.timeout_offset,
        configured_at: read_at,
    }
}
