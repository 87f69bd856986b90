//! The two phases of putting a configuration in force, as far as they are the collector's.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::{JoinError, JoinHandle};
use tracing::warn;

use crate::collect::{Collector, UnusableSite};
use crate::config::{self, Config, Mistakes, Sources};

/// A configuration for which everything that can fail has been done.
pub struct PreparedConfig {
    pub config: Config,
    pub collector: Arc<Collector>,
    pub read_at: SystemTime,
}

/// Why a configuration cannot be used. Its text has a line for each error.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Config(#[from] Mistakes),
    #[error(transparent)]
    Site(#[from] UnusableSite),
    #[error("reading the configuration failed: {0}")]
    Thread(#[from] JoinError),
}

/// Reads the configuration and prepares its sites, on a thread of its own as it reads files and decrypts keys. What
/// is the same as in `current` goes on. Queries nobody and changes nothing; logs the configuration's warnings.
pub async fn prepare(
    sources: &Sources,
    current: Option<Arc<Collector>>,
) -> Result<PreparedConfig, PrepareError> {
    let sources = sources.clone();
    let prepared = tokio::task::spawn_blocking(move || {
        let config = config::load(&sources)?;
        let collector = Arc::new(Collector::new(&config, current.as_deref())?);
        Ok::<_, PrepareError>(PreparedConfig { config, collector, read_at: SystemTime::now() })
    });
    let prepared = prepared.await??;
    for warning in &prepared.config.warnings {
        warn!(warning, "configuration warning");
    }
    Ok(prepared)
}

/// The way from one collector to the next, in a task of its own: dropping a reload does not stop it half-way.
pub struct Handover(Option<JoinHandle<()>>);

impl Handover {
    /// Starts the first collector.
    pub fn first(prepared: &PreparedConfig) -> Self {
        prepared.collector.begin();
        Self(None)
    }

    /// Ends the discovery of sites that are gone or different, then starts that of the new ones.
    pub fn start(old: &Arc<Collector>, prepared: &PreparedConfig) -> Self {
        let (old, new) = (old.clone(), prepared.collector.clone());
        Self(Some(tokio::spawn(async move {
            old.give_way_to(&new).await;
            new.begin();
        })))
    }

    /// Waits for the end.
    pub async fn complete(&mut self) {
        if let Some(task) = &mut self.0 {
            // It does not panic, and nobody aborts it.
            let _ = task.await;
            self.0 = None;
        }
    }
}
