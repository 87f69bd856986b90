//! The configuration of the commands that list and delete sessions.

use tracing::warn;

use crate::commands::site_args::SiteArgs;
use crate::config::{self, Config};
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::logging;

/// Reads the configuration, by file or by flags. Logs its warnings that are about the sites named in `sites`, or all
/// of them when none is named.
pub async fn read_config(
    global: &GlobalArgs,
    site: &SiteArgs,
    sites: &[String],
) -> Result<Config, CommandError> {
    let sources = site.sources(global)?;
    let config = tokio::task::spawn_blocking(move || config::load(&sources)).await?;
    let config = config.map_err(CommandError::Config)?;
    logging::start(&config.log).map_err(CommandError::usage)?;
    let is_named =
        |name: &str| sites.is_empty() || sites.iter().any(|it| it.to_lowercase() == name.to_lowercase());
    for warning in config.warnings_about(is_named) {
        warn!(warning, "configuration warning");
    }
    Ok(config)
}
