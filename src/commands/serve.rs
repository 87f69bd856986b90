//! `serve`: runs the exporter.

use std::io::{self, Write};

use anyhow::Context;
use clap::Args;
use tokio::sync::Notify;

use super::counted;
use super::signals::{Signal, Signals};
use crate::app::{App, PrepareError, StartError};
use crate::config::{FlagValue, Sources, keys};
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::terminal::print;

/// The flags of `serve`, which `demo` accepts too.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address to listen on: IP:PORT, localhost:PORT or :PORT; repeatable [default: listen_address of the configuration,
    /// for demo 127.0.0.1:9877]
    #[arg(long = "web.listen-address", value_name = "ADDRESS")]
    pub listen_addresses: Vec<String>,
    /// Path of the metrics [default: web.telemetry_path of the configuration, else /metrics]
    #[arg(long = "web.telemetry-path", value_name = "PATH")]
    pub telemetry_path: Option<String>,
    /// Enable POST /-/reload, which reads the configuration again (on Linux SIGHUP does the same)
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
    /// Check the configuration and the files that it names, without any query, and exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

impl ServeArgs {
    /// Returns these flags, with `other`'s where one is missing: flags may come before or after the command.
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

    /// Returns the flags that set a key of the configuration.
    pub fn flags(&self) -> Vec<FlagValue> {
        let mut flags = Vec::new();
        if !self.listen_addresses.is_empty() {
            flags.push(FlagValue::new(&keys::top::LISTEN_ADDRESS.info, self.listen_addresses.clone()));
        }
        if let Some(path) = &self.telemetry_path {
            flags.push(FlagValue::new(&keys::web::TELEMETRY_PATH.info, path.clone()));
        }
        if self.enable_lifecycle {
            flags.push(FlagValue::new(&keys::web::ENABLE_LIFECYCLE.info, true));
        }
        flags
    }

    /// Whether none of the flags is given.
    pub fn is_empty(&self) -> bool {
        self.listen_addresses.is_empty()
            && self.telemetry_path.is_none()
            && !(self.enable_lifecycle || self.config_check)
    }
}

pub async fn run(global: &GlobalArgs, args: ServeArgs) -> Result<(), CommandError> {
    let sources = Sources::of_process(global.config_file.clone(), [global.flags(), args.flags()].concat());
    if args.config_check {
        return check_config(&sources).await;
    }
    let app = start(sources).await?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    announce(&app);
    app.run(reload_until_shutdown(&app, signals)).await;
    Ok(())
}

/// Starts an exporter.
pub(super) async fn start(sources: Sources) -> Result<App, CommandError> {
    App::start(sources).await.map_err(|error| match error {
        StartError::Prepare(error) => unusable(error),
        StartError::Listen(error) => error.into(),
    })
}

/// Carries out `--config.check`.
pub(super) async fn check_config(sources: &Sources) -> Result<(), CommandError> {
    let config = App::check(sources).await.map_err(unusable)?;
    let sites: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
    writeln!(
        io::stdout(),
        "configuration is valid: {} ({})",
        counted(sites.len(), "site"),
        sites.join(", ")
    )?;
    Ok(())
}

fn unusable(error: PrepareError) -> CommandError {
    match error {
        PrepareError::Config(errors) => CommandError::Config(errors),
        PrepareError::Site(error) => CommandError::usage(error),
        PrepareError::Log(error) => CommandError::usage(error),
        PrepareError::Thread(error) => error.into(),
    }
}

/// Reloads on SIGHUP until another signal arrives.
async fn reload_until_shutdown(app: &App, mut signals: Signals) {
    // Stores one request during a reload, which may have missed the latest change.
    let requested = Notify::new();
    let reloading = async {
        loop {
            requested.notified().await;
            // The result is in the log.
            let _ = app.reload().await;
        }
    };
    let listening = async {
        while signals.next().await == Signal::Reload {
            requested.notify_one();
        }
    };
    tokio::select! {
        () = listening => {}
        () = reloading => {}
    }
}

/// Prints a line per listener on standard output.
pub(super) fn announce(app: &App) {
    let lines = app.addresses().iter().map(|address| format!("listening web http://{address}\n"));
    print(&lines.collect::<String>());
}
