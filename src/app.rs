//! A running exporter: starts, reloads and shuts down.
//!
//! The caller decides when it reloads and shuts down: a command on signals, a service on requests of its manager.

mod prepare;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::collector::{Collector, ScrapePolicy};
use crate::config::{Config, LogSettings, Sources, WebSettings};
use crate::logging;
use crate::web::{self, ActiveConfig, ListenError, ReloadError, ReloadRequests, WebState};
pub use prepare::PrepareError;
use prepare::{PreparedConfig, load, prepare};

/// An exporter that is bound to its addresses.
pub struct App {
    /// Where the configuration comes from, at start and at each reload.
    sources: Sources,
    state: Arc<WebState>,
    addresses: Vec<SocketAddr>,
    /// Taken by [`Self::run`].
    inputs: Mutex<Option<Inputs>>,
    /// The settings of the last configuration that need a restart, to report a change. Locked during a reload: reloads
    /// never overlap.
    until_restart: tokio::sync::Mutex<UntilRestart>,
    /// Cancelled when the exporter shuts down. Stops connections and a reload that still reads files.
    shutdown: CancellationToken,
}

/// The inputs of a running exporter.
struct Inputs {
    listeners: Vec<TcpListener>,
    reload_requests: ReloadRequests,
}

/// The settings that take effect at the next start only.
struct UntilRestart {
    listen_addresses: Vec<SocketAddr>,
    web: WebSettings,
    log: LogSettings,
}

impl UntilRestart {
    fn of(config: &Config) -> Self {
        let Config { listen_addresses, web, log, .. } = config.clone();
        Self { listen_addresses, web, log }
    }

    /// Returns the keys with another value in `next`.
    fn changed_keys(&self, next: &Self) -> Vec<&'static str> {
        let changed = [
            ("listen_address", self.listen_addresses != next.listen_addresses),
            ("web.telemetry_path", self.web.telemetry_path != next.web.telemetry_path),
            ("web.enable_lifecycle", self.web.enable_lifecycle != next.web.enable_lifecycle),
            ("log.level", self.log.level != next.log.level),
            ("log.format", self.log.format != next.log.format),
            ("log.file", self.log.file != next.log.file),
        ];
        changed.into_iter().filter_map(|(key, is_changed)| is_changed.then_some(key)).collect()
    }
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
    /// When the configuration cannot be used or an address cannot be bound. Nothing has been started then.
    pub async fn start(sources: Sources) -> Result<Self, StartError> {
        let collector = Arc::new(Collector::default());
        let config = load(&sources).await?;
        start_log(&config)?;
        let PreparedConfig { config, sites, read_at } = prepare(config, &collector).await?;
        let listeners = web::bind(&config.listen_addresses).await?;

        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let shutdown = CancellationToken::new();
        let (reload_handle, reload_requests) = web::reload_channel();
        let reload_handle = config.web.enable_lifecycle.then_some(reload_handle);
        let active = active_config(&config, read_at);
        collector.apply(sites);
        let telemetry_path = config.web.telemetry_path.clone();
        let state = WebState::new(collector, active, telemetry_path, reload_handle, shutdown.clone());
        Ok(Self {
            sources,
            state: Arc::new(state),
            addresses,
            inputs: Mutex::new(Some(Inputs { listeners, reload_requests })),
            until_restart: tokio::sync::Mutex::new(UntilRestart::of(&config)),
            shutdown,
        })
    }

    /// Prepares the same as [`Self::start`] and returns the configuration. Binds and starts nothing.
    pub async fn check(sources: &Sources) -> Result<Config, PrepareError> {
        let config = load(sources).await?;
        start_log(&config)?;
        Ok(prepare(config, &Arc::default()).await?.config)
    }

    /// Returns the path of the metrics of all sites.
    pub fn telemetry_path(&self) -> &str {
        &self.state.telemetry_path
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

    /// Reads the configuration again, certificates included, and applies it. What did not change keeps its connections,
    /// caches and counters.
    ///
    /// The first phase prepares everything that can fail and changes nothing. The second phase cannot fail. So a rejected
    /// reload changes nothing, and a dropped future leaves nothing half done.
    ///
    /// # Errors
    /// When the configuration cannot be used, which is logged, or when the exporter shuts down meanwhile.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let mut until_restart = self.until_restart.lock().await;
        debug!("reloading configuration");
        // At shutdown, the thread may still read a slow file or decrypt a key. It is not waited for.
        let prepared = self.shutdown.run_until_cancelled(self.prepare_again()).await;
        match prepared {
            Some(Ok(prepared)) => {
                self.apply(prepared, &mut until_restart);
                Ok(())
            }
            Some(Err(rejected)) => {
                self.state.record_reload(false);
                let errors = rejected.to_string();
                for error in errors.lines() {
                    warn!(error, "configuration rejected");
                }
                Err(ReloadError::Rejected(errors))
            }
            None => Err(ReloadError::Interrupted),
        }
    }

    /// Reads the configuration again and prepares everything that can fail.
    async fn prepare_again(&self) -> Result<PreparedConfig, PrepareError> {
        prepare(load(&self.sources).await?, &self.state.collector).await
    }

    /// Applies a prepared configuration.
    fn apply(&self, prepared: PreparedConfig, until_restart: &mut UntilRestart) {
        let PreparedConfig { config, sites, read_at } = prepared;
        log_warnings(&config);
        self.state.collector.apply(sites);
        self.state.activate(active_config(&config, read_at));
        self.state.record_reload(true);
        info!("configuration reloaded");
        let next = UntilRestart::of(&config);
        for key in until_restart.changed_keys(&next) {
            warn!(key, "restart required");
        }
        *until_restart = next;
    }

    /// Reloads for each handler that requests it.
    async fn reload_on_request(&self, mut requests: ReloadRequests) -> Infallible {
        while let Some(request) = requests.recv().await {
            request.respond(self.reload().await);
        }
        pending().await
    }

    /// Interrupts a reload that still reads files, and stops all queries.
    async fn stop(&self) {
        self.shutdown.cancel();
        // No reload applies anything after this.
        let _reload = self.until_restart.lock().await;
        self.state.collector.end().await;
    }
}

/// Sets up the log as the configuration names it, then logs the configuration's warnings.
fn start_log(config: &Config) -> Result<(), PrepareError> {
    logging::start(&config.log)?;
    log_warnings(config);
    Ok(())
}

fn log_warnings(config: &Config) {
    for warning in &config.warnings {
        warn!(warning, "configuration warning");
    }
}

fn active_config(config: &Config, configured_at: SystemTime) -> ActiveConfig {
    ActiveConfig {
        policy: ScrapePolicy::of(config),
        users: Arc::new(config.users.clone()),
        timeout_offset: config.scrape.timeout_offset,
        configured_at,
    }
}
