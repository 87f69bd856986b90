//! A site by flags only, for a quick look without a configuration file.

use clap::Args;

use crate::config::{self, Sources};
use crate::error::CommandError;
use crate::global::GlobalArgs;

/// The flags are the keys of a site in the configuration; `config` reports what is wrong with a value, and which of
/// them is missing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "A site instead of a configuration file")]
pub struct SiteArgs {
    /// The repository service of the site, https://HOST:4242; the site is named after the host
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Client certificate of the site, client.pem
    #[arg(long, value_name = "PATH")]
    pub certificate: Option<String>,
    /// Its key, client_key.pem
    #[arg(long, value_name = "PATH")]
    pub key: Option<String>,
    /// File with the password of the key, when it is encrypted
    #[arg(long, value_name = "PATH")]
    pub key_password_file: Option<String>,
    /// The site's own CA, root.pem
    #[arg(long, value_name = "PATH")]
    pub ca: Option<String>,
    /// How servers are checked: full (the default), ca or none
    #[arg(long, value_name = "HOW")]
    pub verify: Option<String>,
    /// Directory of the user in selection name Qlik is asked [default: INTERNAL]
    #[arg(long, value_name = "DIRECTORY")]
    pub user_directory: Option<String>,
    /// Id of that user [default: sa_api]
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
}

impl SiteArgs {
    /// Returns where a command that accepts these flags finds its settings.
    ///
    /// # Errors
    /// When there is a configuration file and a site by flags.
    pub fn sources(&self, global: &GlobalArgs) -> Result<Sources, CommandError> {
        let site = self.settings();
        if global.config_file.is_some() && !site.is_empty() {
            let flags: Vec<_> = site.iter().map(|(key, _)| config::flag(key)).collect();
            let keys: Vec<_> = site.iter().map(|(key, _)| *key).collect();
            return Err(CommandError::Usage(format!(
                "--config.file and {} exclude each other: such flags name a site instead of a configuration file; in \
                 the file, its section [site.NAME] has {}",
                flags.join(", "),
                keys.join(", "),
            )));
        }
        let process = Sources::of_process(global.config_file.clone(), Vec::new());
        Ok(Sources { site, has_site_flags: true, ..process })
    }

    /// Returns what is given, by the names of the keys.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("repository", &self.repository),
            ("certificate", &self.certificate),
            ("key", &self.key),
            ("key_password_file", &self.key_password_file),
            ("ca", &self.ca),
            ("verify", &self.verify),
            ("user_directory", &self.user_directory),
            ("user_id", &self.user_id),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }
}
