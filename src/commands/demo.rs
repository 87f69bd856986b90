//! `demo`: runs a simulated Qlik Sense site and the exporter for it in one process; on request, with Prometheus and
//! Alertmanager.

mod chat;
mod folder;
mod monitoring;
mod server;
pub mod shipped;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use clap::Args;

use super::serve::{self, ServeArgs};
use super::signals;
use crate::config::Sources;
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::terminal::print;
use folder::temporary_folder;
use monitoring::{Monitoring, MonitoringAddresses, MonitoringError, Programs};
use qlik_sense_simulator::Options;

/// The path that the shipped prometheus.yml scrapes.
const METRICS: &str = "/metrics";

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub web: ServeArgs,
    /// Start Prometheus and Alertmanager too, with the shipped configuration; both must be installed
    #[arg(long)]
    pub with_prometheus: bool,
}

pub async fn run(global: &GlobalArgs, args: DemoArgs) -> Result<(), CommandError> {
    let DemoArgs { web: args, with_prometheus } = args;
    let programs = match with_prometheus {
        false => None,
        true if args.telemetry_path.as_deref().is_some_and(|path| path != METRICS) => {
            return Err(CommandError::usage(
                "--with-prometheus uses the shipped prometheus.yml, which scrapes /metrics: omit --web.telemetry-path",
            ));
        }
        true => match Programs::find().await {
            Err(MonitoringError::Missing(missing)) => return Err(CommandError::usage(missing)),
            programs => Some(programs?),
        },
    };
    let folder = temporary_folder().context("cannot create a folder for the certificates")?;
    let options = Options {
        certs: folder.path().to_owned(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        qrs_port: 0,
        qps_port: 0,
        discovery: true,
        ..Options::default()
    };
    let simulator = qlik_sense_simulator::start(options).await?;
    let sources = Sources {
        file: Some(simulator.config_file().to_owned()),
        flags: [global.flags(), args.flags()].concat(),
        ..Sources::default()
    };
    if args.config_check {
        return serve::check_config(&sources).await;
    }
    // The demo has nothing to reload: any signal ends it, SIGHUP of a closed terminal included.
    let signal = signals::shutdown()?;
    let app = serve::start(sources).await?;
    announce(&simulator);
    serve::announce(&app);
    let address = app.addresses().first().context("the exporter has no address")?;
    let web = reachable(*address);
    let mut monitoring = match programs {
        Some(programs) => Some(Monitoring::new(programs).await?),
        None => None,
    };
    let shutdown = async {
        tokio::select! {
            error = monitor(monitoring.as_mut(), web, app.telemetry_path()) => Some(error),
            () = signal => None,
        }
    };
    let failure = app.run(shutdown).await;
    if let Some(monitoring) = monitoring {
        monitoring.end().await;
    }
    simulator.shutdown().await;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Starts Prometheus and Alertmanager, if any, and prints where to look. Returns only when one of them has ended.
async fn monitor(
    monitoring: Option<&mut Monitoring>,
    web: SocketAddr,
    telemetry_path: &str,
) -> MonitoringError {
    let Some(monitoring) = monitoring else {
        explain(web, telemetry_path);
        return std::future::pending().await;
    };
    match monitoring.start(web).await {
        Ok(addresses) => explain_monitoring(web, addresses),
        Err(error) => return error,
    }
    monitoring.ended().await
}

fn announce(simulator: &qlik_sense_simulator::Simulator) {
    let listeners = simulator.listeners();
    let lines = listeners
        .iter()
        .map(|(name, url)| format!("listening {name} {}\n", url.as_str().trim_end_matches('/')));
    print(&lines.collect::<String>());
}

/// Returns an address to connect to: loopback instead of an unspecified one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn explain(address: SocketAddr, telemetry_path: &str) {
    print(&format!(
        "
A simulated Qlik Sense site and the exporter for it are running. Press Ctrl-C to end both.

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

fn explain_monitoring(web: SocketAddr, addresses: MonitoringAddresses) {
    let MonitoringAddresses { prometheus, alertmanager } = addresses;
    print(&format!(
        "
A simulated Qlik Sense site, the exporter for it, Prometheus and Alertmanager are running, with the files of the
folder prometheus. Press Ctrl-C to end them all; nothing is kept.

  metrics       http://{web}/metrics
  status page   http://{web}/
  Prometheus    http://{prometheus}/alerts
  Alertmanager  http://{alertmanager}/

Try:
  curl -s \"http://{prometheus}/api/v1/query?query=qlik_site_users_at_session_limit\"
  curl -s http://{alertmanager}/api/v2/alerts

Chat messages of Alertmanager are printed here, the first within two minutes. Mail is not sent.
"
    ));
}
