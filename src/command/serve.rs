//! `serve`: run the exporter.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{counted, rejected, signals, wrong_usage};
use crate::cli::{GlobalArgs, WebArgs};
use crate::config::{self, Config, Sources};
use crate::web::{self, App};

pub async fn run(global: &GlobalArgs, args: WebArgs) -> Result<ExitCode> {
    let sources = Sources::of_process(global.config_file.clone(), args.flags());
    let exporter = match Exporter::start(sources, &args).await? {
        Started::Running(exporter) => exporter,
        Started::Checked(code) => return Ok(code),
    };
    announce(&exporter.listeners);
    exporter.run(std::future::pending::<()>()).await;
    Ok(ExitCode::SUCCESS)
}

/// An exporter that is bound to its addresses.
pub(super) struct Exporter {
    pub listeners: Vec<TcpListener>,
    app: Arc<App>,
    signals: signals::Signals,
}

/// What came of starting.
pub(super) enum Started {
    Running(Box<Exporter>),
    /// Only the configuration was to be read, or it was not good: all is said.
    Checked(ExitCode),
}

impl Exporter {
    /// Sets everything up, the listeners last: nothing is half-started.
    pub async fn start(sources: Sources, args: &WebArgs) -> Result<Started> {
        let read = sources.clone();
        let config = match tokio::task::spawn_blocking(move || config::load(&read)).await? {
            Ok(config) => config,
            Err(errors) => return Ok(Started::Checked(rejected(&errors))),
        };
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let telemetry_path = args.telemetry_path.as_deref().unwrap_or("/metrics");
        let app = match App::new(&config, sources, telemetry_path, args.enable_lifecycle) {
            Ok(app) => Arc::new(app),
            Err(unusable) => return Ok(Started::Checked(wrong_usage(unusable))),
        };
        if args.config_check {
            say_good(&config)?;
            return Ok(Started::Checked(ExitCode::SUCCESS));
        }
        let signals = signals::Signals::listen().context("cannot listen for signals")?;
        let listeners = web::bind(&config.listen_addresses).await?;
        app.begin().await;
        Ok(Started::Running(Box::new(Self { listeners, app, signals })))
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

fn say_good(config: &Config) -> Result<()> {
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
