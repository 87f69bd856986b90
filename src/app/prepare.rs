//! The first phase of applying a configuration: everything that can fail.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinError;

use crate::collector::{Collector, PreparedSites};
use crate::config::{self, Config, ConfigErrors, Sources};
use crate::logging::LogFileError;
use crate::site::UnusableSite;

/// A configuration with everything done that can fail.
pub struct PreparedConfig {
    pub config: Config,
    pub sites: PreparedSites,
    pub read_at: SystemTime,
}

/// Why a configuration cannot be used. The text has a line for each error.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Site(#[from] UnusableSite),
    #[error(transparent)]
    Log(#[from] LogFileError),
    #[error("reading the configuration failed: {0}")]
    Thread(#[from] JoinError),
}

/// Reads the configuration and prepares its sites, on a thread of its own as it reads files and decrypts keys.
/// Queries, changes and logs nothing.
pub async fn prepare(sources: &Sources, collector: &Arc<Collector>) -> Result<PreparedConfig, PrepareError> {
    let (sources, collector) = (sources.clone(), collector.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let config = config::load(&sources)?;
        let sites = collector.prepare(&config)?;
        Ok::<_, PrepareError>(PreparedConfig { config, sites, read_at: SystemTime::now() })
    });
    prepared.await?
}
