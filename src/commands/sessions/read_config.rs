//! The configuration of the commands that list and delete sessions.

use tracing::warn;

use crate::commands::site_args::SiteArgs;
use crate::config::{self, Config};
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::logging;

/// Reads the configuration from the file or the flags. Logs the warnings about the sites named in `sites`, or about
/// all sites when none is named.
pub async fn read_config(
    global: &GlobalArgs,
    site: &SiteArgs,
    sites: &[String],
) -> Result<Config, CommandError> {
    let sources = site.sources(global)?;
    let config = tokio::task::spawn_blocking(move || config::load(&sources)).await?;
    let config = config.map_err(CommandError::Config)?;
    logging::start(&config.log).map_err(CommandError::usage)?;
    for warning in config.warnings_about(|name| is_named(name, sites)) {
        warn!(warning, "configuration warning");
    }
    Ok(config)
}

/// Returns whether the names select this site. No names select all sites.
fn is_named(site: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name.to_lowercase() == site.to_lowercase())
}
