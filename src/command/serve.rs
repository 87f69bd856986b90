//! `serve`: run the exporter.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{WRONG, signals};
use crate::cli::{GlobalArgs, WebArgs};
use crate::collect::Collector;
use crate::config::{self, Config, Sources};
use crate::web::{self, App};

pub async fn run(global: &GlobalArgs, args: WebArgs) -> Result<ExitCode> {
    let sources = Sources::of_process(global.config_file.clone(), args.listen_addresses.clone());
    let config = match tokio::task::spawn_blocking(move || config::load(&sources)).await? {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return Ok(ExitCode::from(WRONG));
        }
    };
    if args.config_check {
        return check(&config);
    }
    let exporter = Exporter::start(&config, &args).await?;
    announce(&exporter.listeners)?;
    exporter.run().await?;
    Ok(ExitCode::SUCCESS)
}

/// What was read is good: its warnings, and a word about what it says.
pub(super) fn check(config: &Config) -> Result<ExitCode> {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    Collector::new(config)?;
    let sites: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
    writeln!(
        io::stdout(),
        "the configuration is good: {} ({})",
        plural(sites.len(), "site"),
        sites.join(", ")
    )?;
    Ok(ExitCode::SUCCESS)
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// An exporter that is bound to its addresses.
pub(super) struct Exporter {
    pub listeners: Vec<TcpListener>,
    collector: Arc<Collector>,
    router: axum::Router,
    end: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Exporter {
    /// Sets everything up, the listeners last: nothing is half-started.
    pub async fn start(config: &Config, args: &WebArgs) -> Result<Self> {
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let collector = Arc::new(Collector::new(config)?);
        let telemetry_path = args.telemetry_path.as_deref().unwrap_or("/metrics");
        let router = web::router(Arc::new(App::new(config, collector.clone(), telemetry_path)));
        let end = Box::pin(signals::end().context("cannot listen for signals")?);
        let listeners = web::bind(&config.listen_addresses).await?;
        Ok(Self { listeners, collector, router, end })
    }

    /// Serves until the operating system asks to end.
    pub async fn run(self) -> Result<()> {
        let stop = CancellationToken::new();
        let server = web::serve(self.listeners, self.router, stop.clone());
        let ending = async {
            self.end.await;
            info!("ending");
            stop.cancel();
            // Scrapes that wait for answers end with what there is.
            self.collector.end().await;
        };
        tokio::join!(server, ending);
        Ok(())
    }
}

/// A line per listener on standard output, once all are ready.
pub(super) fn announce(listeners: &[TcpListener]) -> Result<()> {
    let mut out = io::stdout().lock();
    for listener in listeners {
        writeln!(out, "listening web http://{}", listener.local_addr()?)?;
    }
    Ok(out.flush()?)
}
