//! `demo`: a simulated Qlik Sense site and the exporter on top of it, in one process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::serve::{self, Exporter, Started};
use crate::cli::WebArgs;
use crate::config::Sources;
use crate::simulator::{self, Options};

pub async fn run(args: WebArgs) -> Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot make a folder for the certificates")?;
    let options = Options {
        certs: folder.path().to_owned(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        qrs_port: 0,
        qps_port: 0,
        discovery: true,
        ..Options::default()
    };
    let simulator = simulator::start(options).await?;
    let sources = Sources {
        file: Some(simulator.config_file().to_owned()),
        listen_addresses: args.listen_addresses.clone(),
        ..Sources::default()
    };
    let exporter = match Exporter::start(sources, &args).await? {
        Started::Running(exporter) => exporter,
        Started::Checked(code) => return Ok(code),
    };
    announce(&simulator);
    serve::announce(&exporter.listeners);
    if let Some(listener) = exporter.listeners.first() {
        let telemetry_path = args.telemetry_path.as_deref().unwrap_or("/metrics");
        explain(reachable(listener.local_addr()?), telemetry_path);
    }
    exporter.run().await;
    simulator.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn announce(simulator: &simulator::Simulator) {
    let listeners = simulator.listeners();
    let lines = listeners
        .iter()
        .map(|(name, url)| format!("listening {name} {}\n", url.as_str().trim_end_matches('/')));
    serve::say(&lines.collect::<String>());
}

/// An address that stands for all addresses cannot be connected to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
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
  curl -s 'http://{address}/probe?target=simulated&debug=true'

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
