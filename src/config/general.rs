//! The settings that all sites share.

use super::keys::{self, LabelKind};
use super::named_file::without_line_end;
use super::reader::{AlreadyReported, Reader, Section};
use super::settings::{HashKey, LogFile, LogSettings, ScrapeSettings, UserLabel, UserSettings, WebSettings};

/// Reads the keys about queries at the top of the file.
pub fn scrape(reader: &Reader) -> Result<ScrapeSettings, AlreadyReported> {
    let top = reader.section([]);
    let cache_ttl = top.required(&keys::top::CACHE_TTL);
    let request_timeout = top.required(&keys::top::REQUEST_TIMEOUT);
    let timeout_offset = top.required(&keys::top::SCRAPE_TIMEOUT_OFFSET);
    let max_requests_per_proxy = top.required(&keys::top::MAX_REQUESTS_PER_PROXY);
    let max_response_size = top.required(&keys::top::MAX_RESPONSE_SIZE);
    Ok(ScrapeSettings {
        cache_ttl: cache_ttl?,
        request_timeout: request_timeout?,
        timeout_offset: timeout_offset?,
        max_requests_per_proxy: max_requests_per_proxy?,
        max_response_size: max_response_size?,
    })
}

/// Reads the section `[web]`.
pub fn web(reader: &Reader) -> Result<WebSettings, AlreadyReported> {
    let web = reader.section(["web"]);
    let telemetry_path = web.required(&keys::web::TELEMETRY_PATH);
    let enable_lifecycle = web.required(&keys::web::ENABLE_LIFECYCLE);
    Ok(WebSettings { telemetry_path: telemetry_path?, enable_lifecycle: enable_lifecycle? })
}

/// Reads the section `[log]`.
pub fn log(reader: &Reader) -> Result<LogSettings, AlreadyReported> {
    let log = reader.section(["log"]);
    let level = log.required(&keys::log::LEVEL);
    let format = log.required(&keys::log::FORMAT);
    let file = log.path(&keys::log::FILE)?;
    let named_by = log.name_with_source(&keys::log::FILE.info);
    Ok(LogSettings { level: level?, format: format?, file: file.map(|path| LogFile { path, named_by }) })
}

/// Reads the section `[users]`.
pub fn users(reader: &Reader) -> Result<UserSettings, AlreadyReported> {
    let users = reader.section(["users"]);
    let label = user_label(&users);
    let session_limit = users.required(&keys::users::SESSION_LIMIT);
    let min_sessions = users.required(&keys::users::MIN_SESSIONS);
    let max_series = users.required(&keys::users::MAX_SERIES);
    let exclude = users.required(&keys::users::EXCLUDE);
    Ok(UserSettings {
        label: label?,
        session_limit: session_limit?,
        min_sessions: min_sessions?,
        max_series: max_series?,
        exclude: exclude?,
    })
}

fn user_label(users: &Section<'_>) -> Result<UserLabel, AlreadyReported> {
    let key = &keys::users::HASH_KEY_FILE;
    let label = users.required(&keys::users::LABEL);
    // It is read where it is not needed, too: a file that does not exist is an error.
    let file = users.file(key);
    match (label?, file?) {
        (LabelKind::Plain, _) => Ok(UserLabel::Plain),
        (LabelKind::Off, _) => Ok(UserLabel::Off),
        (LabelKind::Hashed, None) => Err(users
            .error(&key.info, "missing, expected the path of a file with a secret, for label = \"hashed\"")),
        (LabelKind::Hashed, Some(file)) => match without_line_end(file.bytes) {
            secret if secret.is_empty() => {
                let text = format!("{} is empty, expected a secret in it", file.path.display());
                Err(users.error(&key.info, text))
            }
            secret => Ok(UserLabel::Hashed(HashKey::new(secret))),
        },
    }
}
