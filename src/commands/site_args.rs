//! Flags that configure a site, for a quick look without a configuration file.

use clap::Args;

use crate::config::keys::site;
use crate::config::{FlagValue, Sources};
use crate::error::CommandError;
use crate::global::GlobalArgs;

/// The flags have the names of a site's keys in the configuration; `config` reports wrong values and missing flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Site by flags, instead of a configuration file")]
pub struct SiteArgs {
    /// Repository service of the site, https://HOST:4242; the host becomes the name of the site
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Client certificate of the site, client.pem
    #[arg(long, value_name = "PATH")]
    pub certificate: Option<String>,
    /// Key of the client certificate, client_key.pem
    #[arg(long, value_name = "PATH")]
    pub key: Option<String>,
    /// File with the password of an encrypted key
    #[arg(long, value_name = "PATH")]
    pub key_password_file: Option<String>,
    /// CA of the site, root.pem
    #[arg(long, value_name = "PATH")]
    pub ca: Option<String>,
    /// Verification of server certificates: full, ca (not the host name) or none [default: full]
    #[arg(long, value_name = "HOW")]
    pub verify: Option<String>,
    /// User directory of the user that queries run as [default: INTERNAL]
    #[arg(long, value_name = "DIRECTORY")]
    pub user_directory: Option<String>,
    /// User id of the user that queries run as [default: sa_api]
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
}

impl SiteArgs {
    /// Returns the sources of the configuration for a command that accepts these flags.
    ///
    /// # Errors
    /// When both a configuration file and one of these flags are given.
    pub fn sources(&self, global: &GlobalArgs) -> Result<Sources, CommandError> {
        let flags = self.flags();
        if global.config_file.is_some() && !flags.is_empty() {
            let names: Vec<_> = flags.iter().map(|flag| flag.key.flag()).collect();
            let keys: Vec<_> = flags.iter().map(|flag| flag.key.name).collect();
            return Err(CommandError::Usage(format!(
                "--config.file and {} cannot be combined: the flags replace the configuration file; in the file, the section \
                 [site.NAME] has {}",
                names.join(", "),
                keys.join(", "),
            )));
        }
        let process = Sources::of_process(global.config_file.clone(), [global.flags(), flags].concat());
        Ok(Sources { has_site_flags: true, ..process })
    }

    /// Returns the flags that are given.
    fn flags(&self) -> Vec<FlagValue> {
        let all = [
            (&site::REPOSITORY.info, &self.repository),
            (&site::CERTIFICATE.info, &self.certificate),
            (&site::KEY.info, &self.key),
            (&site::KEY_PASSWORD_FILE.info, &self.key_password_file),
            (&site::CA.info, &self.ca),
            (&site::VERIFY.info, &self.verify),
            (&site::USER_DIRECTORY.info, &self.user_directory),
            (&site::USER_ID.info, &self.user_id),
        ];
        all.into_iter().filter_map(|(key, value)| Some(FlagValue::new(key, value.clone()?))).collect()
    }
}
