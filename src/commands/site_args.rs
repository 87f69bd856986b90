//! A site by flags only, for a quick look without a configuration file.

use clap::Args;

use crate::config::keys::site;
use crate::config::{FlagValue, Sources};
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
    /// Directory of the user in whose name Qlik is asked [default: INTERNAL]
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
        let flags = self.flags();
        if global.config_file.is_some() && !flags.is_empty() {
            let names: Vec<_> = flags.iter().map(|flag| flag.key.flag()).collect();
            let keys: Vec<_> = flags.iter().map(|flag| flag.key.name).collect();
            return Err(CommandError::Usage(format!(
                "--config.file and {} exclude each other: such flags name a site instead of a configuration file; in \
                 the file, its section [site.NAME] has {}",
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
