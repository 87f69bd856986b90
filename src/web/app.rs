//! What the handlers work with, and how it is replaced while scrapes are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::collector::{Collector, PreparedSites};
use crate::config::{self, Config, ConfigErrors, Sources, UserSettings};
use crate::exposition::Encoders;
use crate::site::UnusableSite;

/// The running exporter. Shared by all connections.
pub struct App {
    running: ArcSwap<Running>,
    prepared: Mutex<Option<PreparedSites>>,
    pub encoders: Encoders,
    /// Where the metrics of all sites are.
    pub telemetry_path: String,
    /// Whether `POST /-/reload` is allowed.
    pub lifecycle: bool,
    /// Where the configuration comes from; held while it is read again, so that reloads do not overtake
    /// each other.
    sources: Mutex<Sources>,
    last_reload_successful: AtomicBool,
    /// The reloads under way.
    reloads: TaskTracker,
    /// Cancelled when the program ends.
    ending: CancellationToken,
}

/// One configuration at work. A scrape ends with the one it began with.
pub struct Running {
    pub collector: Arc<Collector>,
    pub users: Arc<UserSettings>,
    /// Taken off Prometheus' own scrape timeout.
    pub timeout_offset: Duration,
    /// When the configuration was read.
    pub configured_at: SystemTime,
    listen_addresses: Vec<std::net::SocketAddr>,
}

/// Why the configuration in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Site(#[from] UnusableSite),
    #[error("reading the configuration was interrupted")]
    Interrupted,
}

impl Running {
    fn new(config: &Config, collector: Arc<Collector>) -> Self {
        Self {
            collector,
            users: Arc::new(config.users.clone()),
            timeout_offset: config.scrape.timeout_offset,
            configured_at: SystemTime::now(),
            listen_addresses: config.listen_addresses.clone(),
        }
    }
}

impl App {
    /// Asks nobody yet.
    pub fn new(
        config: &Config,
        sources: Sources,
        telemetry_path: &str,
        lifecycle: bool,
    ) -> Result<Self, UnusableSite> {
        let collector = Arc::new(Collector::default());
        let prepared = Mutex::new(Some(collector.prepare(config)?));
        Ok(Self {
            prepared,
            running: ArcSwap::from_pointee(Running::new(config, collector)),
            encoders: Encoders::default(),
            telemetry_path: telemetry_path.to_owned(),
            lifecycle,
            sources: Mutex::new(sources),
            last_reload_successful: AtomicBool::new(true),
            reloads: TaskTracker::new(),
            ending: CancellationToken::new(),
        })
    }

    pub async fn begin(&self) {
        if let Some(prepared) = self.prepared.lock().await.take() {
            self.running().collector.apply(prepared).await;
        }
    }

    /// The configuration in force.
    pub fn running(&self) -> Arc<Running> {
        self.running.load_full()
    }

    pub fn last_reload_successful(&self) -> bool {
        self.last_reload_successful.load(Ordering::Acquire)
    }

    /// Reads the configuration again, certificates included. A bad one is refused as a whole; what did
    /// not change keeps its connections, caches and counters. Dropping the future does not leave it half done:
    /// only [`Self::end`] interrupts it.
    pub async fn reload(self: &Arc<Self>) -> Result<(), ReloadError> {
        let app = self.clone();
        let reload = self.reloads.spawn(async move { app.read_again().await });
        reload.await.unwrap_or(Err(ReloadError::Interrupted))
    }

    async fn read_again(&self) -> Result<(), ReloadError> {
        let sources = self.sources.lock().await;
        debug!("reading the configuration again");
        let reloaded = self.read(&sources).await;
        self.last_reload_successful.store(reloaded.is_ok(), Ordering::Release);
        match &reloaded {
            Ok(()) => info!("the configuration was read again"),
            Err(error) => {
                for line in error.to_string().lines() {
                    warn!("the configuration in force stays: {line}");
                }
            }
        }
        reloaded
    }

    async fn read(&self, sources: &Sources) -> Result<(), ReloadError> {
        let sources = sources.clone();
        let loading = tokio::task::spawn_blocking(move || config::load(&sources));
        // A file that cannot be read to its end, or a key that takes long to decrypt, is left to its thread.
        let config = match self.ending.run_until_cancelled(loading).await {
            Some(Ok(config)) => config?,
            Some(Err(_)) | None => return Err(ReloadError::Interrupted),
        };
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let old = self.running();
        let prepared = old.collector.prepare(&config)?;
        let new = Arc::new(Running::new(&config, old.collector.clone()));
        if new.listen_addresses != old.listen_addresses {
            warn!("listen_address is different now: it takes effect at the next start");
        }
        self.running.store(new.clone());
        new.collector.apply(prepared).await;
        Ok(())
    }

    /// Whether [`Self::end`] was called: what a scrape found then may be less than there is.
    pub fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Ends everything that was begun, a reload that still reads too.
    pub async fn end(&self) {
        self.ending.cancel();
        self.reloads.close();
        self.reloads.wait().await;
        self.running().collector.end().await;
    }
}
