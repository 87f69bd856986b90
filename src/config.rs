//! File, environment and flags into one checked [`Config`]. Nothing else reads settings.
//!
//! - `keys` the table of everything that can be configured: type, range, default
//! - `file`, `environment`, `layers` what each source says, merged by figment
//! - `reading`, `values` one setting looked up, and into its type
//! - `site`, and [`load`] here, put the settings together
//! - `mistakes` collects what is wrong, so that one start shows all of it

mod environment;
mod file;
mod keys;
mod layers;
mod mistakes;
mod paths;
mod patterns;
mod reading;
mod settings;
mod similarity;
mod site;
mod values;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use figment::value::Value;

pub use environment::of_process as process_environment;
pub use layers::flag;
use layers::{Layer, Merged};
pub use mistakes::{Mistake, Mistakes, Origin};
pub(crate) use patterns::folded;
pub use patterns::{Exclusion, VirtualProxyFilter, VirtualProxyPattern};
use reading::{Reading, Told};
pub use settings::{
    Config, HashKey, ProxySettings, RepositorySettings, ScrapeSettings, SiteSettings, UserLabel, UserSettings,
};

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config.file`; None: config.toml in the working directory, else beside the executable.
    pub file: Option<PathBuf>,
    /// Names and values of variables; those of others are left alone.
    pub environment: Vec<(String, String)>,
    /// `--web.listen-address`, which replaces the configured ones.
    pub listen_addresses: Vec<String>,
    /// One site by flags, by the names of its keys: where there is one, no file is read.
    pub site: Vec<(&'static str, String)>,
    /// Whether the command has these flags, as is told where there is no site at all.
    pub has_site_flags: bool,
    /// Where relative paths of variables and flags start.
    pub working_directory: PathBuf,
    /// The program's own path.
    pub executable: Option<PathBuf>,
}

impl Sources {
    /// The sources of this process, and what its flags said.
    pub fn of_process(file: Option<PathBuf>, listen_addresses: Vec<String>) -> Self {
        Self {
            file,
            environment: process_environment(),
            listen_addresses,
            site: Vec::new(),
            has_site_flags: false,
            // Without one, paths stay relative, and the system says what is wrong with it.
            working_directory: std::env::current_dir().unwrap_or_default(),
            executable: std::env::current_exe().ok(),
        }
    }
}

/// Reads everything, or tells every mistake. Reads files, so it blocks.
pub fn load(sources: &Sources) -> Result<Config, Mistakes> {
    let by_flags = !sources.site.is_empty();
    let read = if by_flags { Ok(file::Content::default()) } else { file::read(sources) };
    let (file, unreadable) = match read {
        Ok(content) => (content, None),
        Err(mistakes) => (file::Content::default(), Some(mistakes)),
    };
    let variables = match by_flags {
        true => environment::read_without_sites(&sources.environment),
        false => environment::read(&sources.environment, &file.data),
    };
    if let Some(mut mistakes) = unreadable {
        // What stands in the file is not known, so nothing can be said to be missing.
        mistakes.append(variables.mistakes);
        return Err(mistakes);
    }
    let mut layers = variables.layers;
    if !sources.listen_addresses.is_empty() {
        let addresses = Value::from(sources.listen_addresses.clone());
        layers.push(Layer::one("--web.listen-address".into(), &["listen_address".into()], addresses));
    }
    layers.extend(site::layers(&sources.site));
    let name = file.name.clone();
    let mut reading = Reading {
        folder: file.folder.clone(),
        merged: &Merged::new(file, layers, by_flags),
        working_directory: sources.working_directory.clone(),
        mistakes: variables.mistakes,
        warnings: variables.warnings,
    };
    reading.unknown_keys();
    let config = config(&mut reading, sources.has_site_flags);
    let Reading { mut mistakes, warnings, .. } = reading;
    mistakes.sort();
    match config {
        Ok(config) if mistakes.is_empty() => Ok(Config { file: name, warnings, ..config }),
        _ => Err(mistakes),
    }
}

fn config(reading: &mut Reading<'_>, has_site_flags: bool) -> Result<Config, Told> {
    let listen_addresses = reading.required(&["listen_address"], values::addresses);
    let scrape = scrape(reading);
    let users = users(reading);
    let sites = sites(reading, has_site_flags);
    Ok(Config {
        file: String::new(),
        listen_addresses: listen_addresses?,
        scrape: scrape?,
        users: users?,
        sites: sites?,
        warnings: Vec::new(),
    })
}

fn scrape(reading: &mut Reading<'_>) -> Result<ScrapeSettings, Told> {
    let cache_ttl = reading.required(&["cache_ttl"], values::duration);
    let request_timeout = reading.required(&["request_timeout"], values::duration);
    let timeout_offset = reading.required(&["scrape_timeout_offset"], values::duration);
    let max_requests = reading.required(&["max_requests_per_proxy"], values::whole);
    let max_response_size = reading.required(&["max_response_size"], values::size);
    Ok(ScrapeSettings {
        cache_ttl: cache_ttl?,
        request_timeout: request_timeout?,
        timeout_offset: timeout_offset?,
        max_requests_per_proxy: NonZeroUsize::new(within(max_requests?)).unwrap_or(NonZeroUsize::MIN),
        max_response_size: max_response_size?,
    })
}

fn users(reading: &mut Reading<'_>) -> Result<UserSettings, Told> {
    let label = user_label(reading);
    let session_limit = reading.required(&["users", "session_limit"], values::whole);
    let min_sessions = reading.required(&["users", "min_sessions"], values::whole);
    let max_series = reading.required(&["users", "max_series"], values::whole);
    let exclude = reading.required(&["users", "exclude"], values::exclusions);
    let at_least_one = |number| NonZeroU32::new(within(number)).unwrap_or(NonZeroU32::MIN);
    Ok(UserSettings {
        label: label?,
        session_limit: at_least_one(session_limit?),
        min_sessions: at_least_one(min_sessions?),
        max_series: within(max_series?),
        exclude: exclude?,
    })
}

/// A number that the table of keys has bounded far below the type's end.
fn within<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

fn user_label(reading: &mut Reading<'_>) -> Result<UserLabel, Told> {
    let path = ["users", "hash_key_file"];
    let label = reading.required(&["users", "label"], values::choice);
    let file = reading.file(&path);
    match (label?, file?) {
        ("hashed", Some(file)) => match paths::without_line_end(file.bytes) {
            key if key.is_empty() => {
                let text = format!("{} is empty, expected a secret in it", file.path.display());
                Err(reading.wrong(&path, text))
            }
            key => Ok(UserLabel::Hashed(HashKey::new(key))),
        },
        ("hashed", None) => Err(reading
            .wrong(&path, "missing, expected the path of a file with a secret, for label = \"hashed\"")),
        ("off", _) => Ok(UserLabel::Off),
        _ => Ok(UserLabel::Plain),
    }
}

fn sites(reading: &mut Reading<'_>, has_site_flags: bool) -> Result<Vec<SiteSettings>, Told> {
    let names = reading.merged.names(&["site"]);
    if names.is_empty() {
        if reading.merged.tree().keys().any(|name| similarity::is_like(name, "site")) {
            // Told already as an unknown key.
            return Err(Told);
        }
        let origin = reading.merged.file();
        let mut text = "no site, expected a section [site.NAME]".to_owned();
        if origin == Origin::Nowhere {
            let flags = "--repository, --certificate, --key and --ca name a site without one";
            let ways = [
                Some("no config.toml found"),
                Some("--config.file names one"),
                has_site_flags.then_some(flags),
                cfg!(feature = "simulator").then_some("the command demo needs none"),
            ];
            let ways: Vec<_> = ways.into_iter().flatten().collect();
            text += &format!(" ({})", ways.join("; "));
        }
        reading.mistakes.add(origin, "site", text);
        return Err(Told);
    }
    let is_section =
        |name: &String| reading.merged.get(&["site", name]).is_some_and(|value| value.as_dict().is_some());
    let names: Vec<String> = names.into_iter().filter(is_section).collect();
    // All of them are read before the first mistake ends it.
    let read: Vec<_> = names.iter().map(|name| site::read(reading, name)).collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests;
