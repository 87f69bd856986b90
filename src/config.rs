//! File, environment and flags into one checked [`Config`]. Nothing else reads settings.
//!
//! - `keys`, `kinds` every key that can be configured, and the types of keys
//! - `file`, `environment`, `merge` what each source sets, merged by figment
//! - `reader` one key looked up and read, with every error in `errors`
//! - `general`, `site`, `credentials` and [`load`] here put the settings together

mod credentials;
mod environment;
mod errors;
mod file;
mod general;
mod key_path;
pub mod keys;
mod kinds;
mod merge;
mod named_file;
mod patterns;
mod reader;
mod settings;
mod similarity;
mod site;
mod sources;
mod toml_value;
mod unknown;

use std::cell::RefCell;
use std::path::PathBuf;

use figment::value::{Dict, Value};
use url::Url;

pub use errors::{ConfigError, ConfigErrors, Source};
use file::Content;
use key_path::KeyPath;
pub use keys::flag;
use merge::{Layer, Merged};
pub(crate) use patterns::folded;
pub use patterns::{Exclusion, VirtualProxyFilter, VirtualProxyPattern};
use reader::{AlreadyReported, Reader};
pub use settings::{
    Config, HashKey, LogFile, LogFormat, LogLevel, LogSettings, ProxySettings, RepositorySettings,
    ScrapeSettings, SiteSettings, UserLabel, UserSettings, WebSettings,
};
pub use sources::{FlagValue, Sources};

use crate::terminal::escaped;

/// Reads all sources into one configuration. Reads files, so it blocks.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let has_site_by_flags = sources.has_site_by_flags();
    let file = match has_site_by_flags {
        true => Ok(Content::default()),
        false => {
            file::read(sources.file.as_deref(), &sources.working_directory, sources.executable.as_deref())
        }
    };
    let values_of_file = file.as_ref().map(|file| file.dict.clone()).unwrap_or_default();
    let variables = match has_site_by_flags {
        true => environment::read_without_sites(&sources.environment),
        false => environment::read(&sources.environment, &values_of_file),
    };
    let file = match file {
        Ok(file) => file,
        Err(mut errors) => {
            // The content of the file is unknown, so nothing can be reported as missing.
            errors.append(variables.errors);
            return Err(errors);
        }
    };
    let name = file.name.clone();
    let layers = variables.layers.into_iter().chain(flag_layers(&sources.flags));
    let reader = Reader {
        merged: Merged::new(file, layers),
        working_directory: sources.working_directory.clone(),
        errors: RefCell::new(variables.errors),
        warnings: RefCell::new(variables.warnings),
    };
    unknown::report_unknown_keys(&reader);
    let config = config(&reader, sources.has_site_flags);
    let Reader { errors, warnings, .. } = reader;
    let mut errors = errors.into_inner();
    errors.sort();
    match config {
        Ok(config) if errors.is_empty() => {
            // A name in one may hold anything: it stays one line, as an error does.
            let warnings = warnings.into_inner().iter().map(|warning| escaped(warning)).collect();
            Ok(Config { file: name, warnings, ..config })
        }
        _ => Err(errors),
    }
}

/// Reads the log's settings from flags alone, for a command without a configuration.
///
/// # Errors
/// Everything that is wrong with these flags.
pub fn log_settings(flags: Vec<FlagValue>) -> Result<LogSettings, ConfigErrors> {
    let merged = Merged::new(Content::default(), flag_layers(&flags));
    let reader = Reader {
        merged,
        working_directory: PathBuf::new(),
        errors: RefCell::default(),
        warnings: RefCell::default(),
    };
    general::log(&reader).map_err(|AlreadyReported| reader.errors.into_inner())
}

/// Returns the layers of the flags. A site by flags is named after its repository's host.
fn flag_layers(flags: &[FlagValue]) -> impl Iterator<Item = Layer> {
    let repository = flags.iter().find(|flag| std::ptr::eq(flag.key, &keys::site::REPOSITORY.info));
    let url = repository.and_then(|flag| Url::parse(flag.value.as_str()?).ok());
    // Without a host the address is an error, which is reported when it is read.
    let host =
        url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty()).unwrap_or("site").to_owned();
    flags.iter().map(move |flag| {
        let path = flag.key.full_path();
        let path = path.into_iter().map(|name| if name == keys::NAME { &host } else { name }).collect();
        Layer { source: Source::Flag(flag.key.flag()), path, value: flag.value.clone() }
    })
}

fn config(reader: &Reader, has_site_flags: bool) -> Result<Config, AlreadyReported> {
    let listen_addresses = reader.section([]).required(&keys::top::LISTEN_ADDRESS);
    let web = general::web(reader);
    let log = general::log(reader);
    let scrape = general::scrape(reader);
    let users = general::users(reader);
    let sites = sites(reader, has_site_flags);
    Ok(Config {
        file: String::new(),
        listen_addresses: listen_addresses?,
        web: web?,
        log: log?,
        scrape: scrape?,
        users: users?,
        sites: sites?,
        warnings: Vec::new(),
    })
}

fn sites(reader: &Reader, has_site_flags: bool) -> Result<Vec<SiteSettings>, AlreadyReported> {
    let has_sites = match reader.merged.get(&KeyPath::from_iter(["site"])) {
        Some(Value::Dict(_, sites)) => !sites.is_empty(),
        _ => false,
    };
    if !has_sites {
        return Err(no_site(reader, has_site_flags));
    }
    // All of them are read before the first error ends it.
    let sites: Vec<_> = reader.section([]).sections("site").iter().map(site::read).collect();
    sites.into_iter().collect()
}

/// Reports that there is no site, unless the name of its section is misspelled: that is reported as an unknown key.
fn no_site(reader: &Reader, has_site_flags: bool) -> AlreadyReported {
    let mut names = reader.merged.tree.as_dict().into_iter().flat_map(Dict::keys);
    if names.any(|name| similarity::is_like(name, "site")) {
        return AlreadyReported;
    }
    let source = reader.merged.file.source();
    let mut text = "no site, expected a section [site.NAME]".to_owned();
    if source == Source::Default {
        text += " (no config.toml found; --config.file names one";
        if has_site_flags {
            text += "; --repository, --certificate, --key and --ca name a site without one";
        }
        if cfg!(feature = "simulator") {
            text += "; the command demo needs none";
        }
        text += ")";
    }
    reader.error(source, &KeyPath::from_iter(["site"]), text)
}

#[cfg(test)]
mod tests;
