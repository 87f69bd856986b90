//! `serve`: run the exporter.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{counted, signals};
use crate::config::{self, Config, Sources};
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::web::{self, App};

/// The flags of `serve`, which `demo` accepts too.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address to listen on, IP:PORT, localhost:PORT or :PORT; may be given several times [default:
    /// listen_address of the configuration; demo's is 127.0.0.1:9877]
    #[arg(long = "web.listen-address", value_name = "ADDRESS")]
    pub listen_addresses: Vec<String>,
    /// Path under which the metrics are served [default: /metrics]
    #[arg(long = "web.telemetry-path", value_name = "PATH", value_parser = telemetry_path)]
    pub telemetry_path: Option<String>,
    /// Allow POST /-/reload (SIGHUP does the same on Linux)
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
    /// Read the configuration and everything it names, ask nobody, exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

impl ServeArgs {
    /// These flags, and where one is missing, `other`'s: flags may stand before or after the command.
    pub fn or(self, other: Self) -> Self {
        let listen_addresses =
            if self.listen_addresses.is_empty() { other.listen_addresses } else { self.listen_addresses };
        Self {
            listen_addresses,
            telemetry_path: self.telemetry_path.or(other.telemetry_path),
            enable_lifecycle: self.enable_lifecycle || other.enable_lifecycle,
            config_check: self.config_check || other.config_check,
        }
    }

    /// Whether none of the flags is given.
    pub fn is_empty(&self) -> bool {
        self.listen_addresses.is_empty()
            && self.telemetry_path.is_none()
            && !(self.enable_lifecycle || self.config_check)
    }
}

pub async fn run(global: &GlobalArgs, args: ServeArgs) -> Result<(), CommandError> {
    let sources = Sources::of_process(global.config_file.clone(), args.listen_addresses.clone());
    let Some(exporter) = Exporter::start(sources, &args).await? else { return Ok(()) };
    announce(&exporter.listeners);
    exporter.run(std::future::pending::<()>()).await;
    Ok(())
}

/// An exporter that is bound to its addresses.
pub(super) struct Exporter {
    pub listeners: Vec<TcpListener>,
    app: Arc<App>,
    signals: signals::Signals,
}

impl Exporter {
    /// Sets everything up, the listeners last: nothing is half-started. None with `--config.check`.
    pub async fn start(sources: Sources, args: &ServeArgs) -> Result<Option<Self>, CommandError> {
        let read = sources.clone();
        let config = tokio::task::spawn_blocking(move || config::load(&read)).await?;
        let config = config.map_err(CommandError::Config)?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let telemetry_path = args.telemetry_path.as_deref().unwrap_or("/metrics");
        let app = App::new(&config, sources, telemetry_path, args.enable_lifecycle);
        let app = Arc::new(app.map_err(CommandError::usage)?);
        if args.config_check {
            say_good(&config)?;
            return Ok(None);
        }
        let signals = signals::Signals::listen().context("cannot listen for signals")?;
        let listeners = web::bind(&config.listen_addresses).await?;
        app.running().collector.begin();
        Ok(Some(Self { listeners, app, signals }))
    }

    /// Serves until the operating system asks to end, or until `reason` is there: then that is returned.
    pub async fn run<T>(self, reason: impl Future<Output = T>) -> Option<T> {
        let stop = CancellationToken::new();
        let server = web::serve(self.listeners, web::router(self.app.clone()), stop.clone());
        let (app, mut signals) = (self.app, self.signals);
        // Keeps one wish while a reload is under way: what changed since that began is not missed.
        let wish = Notify::new();
        let reloading = async {
            loop {
                wish.notified().await;
                // The log says what came of it.
                let _ = app.reload().await;
            }
        };
        let listening = async {
            while let signals::Signal::Reload = signals.next().await {
                wish.notify_one();
            }
        };
        let ending = async {
            let reason = tokio::select! {
                () = listening => None,
                () = reloading => None,
                reason = reason => Some(reason),
            };
            info!("ending");
            stop.cancel();
            app.end().await;
            reason
        };
        tokio::join!(server, ending).1
    }
}

fn say_good(config: &Config) -> io::Result<()> {
    let sites: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
    writeln!(
        io::stdout(),
        "the configuration is good: {} ({})",
        counted(sites.len(), "site"),
        sites.join(", ")
    )?;
    Ok(())
}

/// A line per listener on standard output, once all are ready.
pub(super) fn announce(listeners: &[TcpListener]) {
    let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
    say(&addresses.map(|address| format!("listening web http://{address}\n")).collect::<String>());
}

/// Writes to standard output. That nobody reads it is no reason to end.
pub(super) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn telemetry_path(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !text.starts_with('/') || !text.chars().all(plain) || text.split('/').any(|part| part == "..") {
        return Err(
            "expected a path such as /metrics: a slash, then letters, digits and - . _ ~ /".to_owned()
        );
    }
    if text.starts_with("/-/") || ["/", "/probe", "/sd"].contains(&text) {
        return Err("this path serves something else already: choose another".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telemetry_path_does_not_hide_another() {
        assert!(telemetry_path("/metrics").is_ok() && telemetry_path("/a/b").is_ok());
        for path in ["metrics", "", "/", "/probe", "/-/healthy", "/a b", "/{x}", "/../x"] {
            assert!(telemetry_path(path).is_err(), "{path}");
        }
    }
}
