//! `demo`: a simulated Qlik Sense site and the exporter on top of it, in one process; on demand, with Prometheus
//! and Alertmanager beside it.

mod chat;
mod monitoring;
mod server;
pub mod shipped;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::serve::{self, Exporter, Started};
use super::{signals, wrong_usage};
use crate::cli::DemoArgs;
use crate::config::Sources;
use monitoring::{Monitoring, Programs, Running};
use qlik_sense_simulator::Options;

/// Where the metrics are, unless told otherwise.
const METRICS: &str = "/metrics";

pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    let DemoArgs { web: args, with_prometheus } = args;
    let telemetry_path = args.telemetry_path.as_deref().unwrap_or(METRICS);
    let programs = match with_prometheus {
        false => None,
        true if telemetry_path != METRICS => {
            return Ok(wrong_usage(
                "--with-prometheus takes the shipped prometheus.yml, which scrapes /metrics: \
                 leave out --web.telemetry-path",
            ));
        }
        true => match Programs::find().await? {
            Ok(programs) => Some(programs),
            Err(missing) => return Ok(wrong_usage(missing)),
        },
    };
    let folder = temporary_folder().context("cannot make a folder for the certificates")?;
    let options = Options {
        certs: folder.path().to_owned(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        qrs_port: 0,
        qps_port: 0,
        discovery: true,
        ..Options::default()
    };
    let simulator = qlik_sense_simulator::start(options).await?;
    let sources =
        Sources { file: Some(simulator.config_file().to_owned()), flags: args.flags(), ..Sources::default() };
    // The demo has nothing to read again: a terminal that is closed ends it, too.
    let end = signals::end()?;
    let exporter = match Exporter::start(sources, &args).await? {
        Started::Running(exporter) => exporter,
        Started::Checked(code) => return Ok(code),
    };
    announce(&simulator);
    serve::announce(&exporter.listeners);
    let listener = exporter.listeners.first().context("the exporter has no address")?;
    let web = reachable(listener.local_addr()?);
    let mut monitoring = match programs {
        Some(programs) => Some(Monitoring::new(programs).await?),
        None => None,
    };
    let reason = async {
        tokio::select! {
            error = monitor(monitoring.as_mut(), web, telemetry_path) => Some(error),
            () = end => None,
        }
    };
    let broken = exporter.run(reason).await.flatten();
    if let Some(monitoring) = monitoring {
        monitoring.end().await;
    }
    simulator.shutdown().await;
    broken.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

/// A folder that is gone with the demo, named so that whoever finds one of a killed demo knows what it is.
fn temporary_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("qlik-session-exporter-demo-").tempdir()
}

/// Explains what there is once all of it runs; ends only when some of it is no longer there.
async fn monitor(
    monitoring: Option<&mut Monitoring>,
    web: SocketAddr,
    telemetry_path: &str,
) -> monitoring::Error {
    let Some(monitoring) = monitoring else {
        explain(web, telemetry_path);
        return std::future::pending().await;
    };
    match monitoring.start(web).await {
        Ok(running) => explain_monitoring(web, running),
        Err(error) => return error,
    }
    monitoring.ended().await
}

fn announce(simulator: &qlik_sense_simulator::Simulator) {
    let listeners = simulator.listeners();
    let lines = listeners
        .iter()
        .map(|(name, url)| format!("listening {name} {}\n", url.as_str().trim_end_matches('/')));
    serve::say(&lines.collect::<String>());
}

/// An address that stands for all addresses cannot be connected to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn explain(address: SocketAddr, telemetry_path: &str) {
    serve::say(&format!(
        "
A simulated Qlik Sense site is running, and the exporter on top of it. Ctrl-C ends both.

  metrics      http://{address}{telemetry_path}
  status page  http://{address}/

Try:
  curl -s http://{address}{telemetry_path} | grep qlik_user_sessions
  curl -s http://{address}{telemetry_path} | grep at_session_limit
  curl -s \"http://{address}/probe?target=simulated&debug=true\"

For Prometheus, in prometheus.yml:
  scrape_configs:
    - job_name: qlik
      scrape_interval: 15s
      metrics_path: {telemetry_path}
      static_configs:
        - targets: [\"{address}\"]
"
    ));
}

fn explain_monitoring(web: SocketAddr, running: Running) {
    let Running { prometheus, alertmanager } = running;
    serve::say(&format!(
        "
A simulated Qlik Sense site is running, the exporter on top of it, and Prometheus and Alertmanager with the
files of the folder prometheus. Ctrl-C ends them all; nothing is kept.

  metrics       http://{web}/metrics
  status page   http://{web}/
  Prometheus    http://{prometheus}/alerts
  Alertmanager  http://{alertmanager}/

Try:
  curl -s \"http://{prometheus}/api/v1/query?query=qlik_site_users_at_session_limit\"
  curl -s http://{alertmanager}/api/v2/alerts

What Alertmanager would send to a chat is shown here, the first of it within two minutes. Mail is not sent.
"
    ));
}
