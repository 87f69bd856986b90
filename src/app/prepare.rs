//! The first phase of putting a configuration in force: everything that can fail.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinError;
use tracing::warn;

use crate::collector::{Collector, PreparedSites};
use crate::config::{self, Config, ConfigErrors, Sources};
use crate::site::UnusableSite;

/// A configuration for which everything that can fail has been done.
pub struct PreparedConfig {
    pub config: Config,
    pub sites: PreparedSites,
    pub read_at: SystemTime,
}

/// Why a configuration cannot be used. Its text has a line for each error.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Site(#[from] UnusableSite),
    #[error("reading the configuration failed: {0}")]
    Thread(#[from] JoinError),
}

/// Reads the configuration and prepares its sites, on a thread of its own as it reads files and decrypts keys.
/// Queries nothing and changes nothing; logs the configuration's warnings.
pub async fn prepare(sources: &Sources, collector: &Arc<Collector>) -> Result<PreparedConfig, PrepareError> {
    let (sources, collector) = (sources.clone(), collector.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let config = config::load(&sources)?;
        let sites = collector.prepare(&config)?;
        Ok::<_, PrepareError>(PreparedConfig { config, sites, read_at: SystemTime::now() })
    });
    let prepared = prepared.await??;
    for warning in &prepared.config.warnings {
        warn!(warning, "configuration warning");
    }
    Ok(prepared)
}
