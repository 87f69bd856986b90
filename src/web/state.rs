//! The state that all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::reload::ReloadHandle;
use crate::collector::{Collector, ScrapePolicy};
use crate::config::UserSettings;
use crate::exposition::Encoders;

/// Everything that the handlers need. All connections share one.
pub struct WebState {
    pub collector: Arc<Collector>,
    active: ArcSwap<ActiveConfig>,
    pub encoders: Encoders,
    /// The path of the metrics of all sites.
    pub telemetry_path: String,
    /// Requests reloads for `POST /-/reload`; `None` without `--web.enable-lifecycle`.
    pub reload: Option<ReloadHandle>,
    last_reload_successful: AtomicBool,
    /// Cancelled when the exporter shuts down, before its queries are.
    shutdown: CancellationToken,
}

/// The settings in use that handlers need. A scrape uses the same ones from start to end.
pub struct ActiveConfig {
    pub policy: ScrapePolicy,
    pub users: Arc<UserSettings>,
    /// The time subtracted from Prometheus' own scrape timeout.
    pub timeout_offset: Duration,
    /// When the configuration was read.
    pub configured_at: SystemTime,
}

impl WebState {
    pub fn new(
        collector: Arc<Collector>,
        active: ActiveConfig,
        telemetry_path: String,
        reload: Option<ReloadHandle>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            collector,
            active: ArcSwap::from_pointee(active),
            encoders: Encoders::default(),
            telemetry_path,
            reload,
            last_reload_successful: AtomicBool::new(true),
            shutdown,
        }
    }

    /// Returns the settings in use.
    pub fn active(&self) -> Arc<ActiveConfig> {
        self.active.load_full()
    }

    /// Replaces the settings for all requests that arrive from now on.
    pub fn activate(&self, active: ActiveConfig) {
        self.active.store(Arc::new(active));
    }

    pub fn record_reload(&self, successful: bool) {
        self.last_reload_successful.store(successful, Ordering::Release);
    }

    pub fn last_reload_successful(&self) -> bool {
        self.last_reload_successful.load(Ordering::Acquire)
    }

    /// Returns whether the exporter is shutting down: a scrape that completes then may lack answers.
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_cancelled()
    }
}
