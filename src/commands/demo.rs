//! `demo`: a simulated Qlik Sense site and the exporter on top of it, in one process; on demand, with Prometheus
//! and Alertmanager beside it.

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
    /// Start Prometheus and Alertmanager beside it, with the files that are shipped; both must be installed
    #[arg(long)]
    pub with_prometheus: bool,
}

pub async fn run(global: &GlobalArgs, args: DemoArgs) -> Result<(), CommandError> {
    let DemoArgs { web: args, with_prometheus } = args;
    let programs = match with_prometheus {
        false => None,
        true if args.telemetry_path.as_deref().is_some_and(|path| path != METRICS) => {
            return Err(CommandError::usage(
                "--with-prometheus takes the shipped prometheus.yml, which scrapes /metrics: \
                 leave out --web.telemetry-path",
            ));
        }
        true => match Programs::find().await {
            Err(MonitoringError::Missing(missing)) => return Err(CommandError::usage(missing)),
            programs => Some(programs?),
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
    let sources = Sources {
        file: Some(simulator.config_file().to_owned()),
        flags: [global.flags(), args.flags()].concat(),
        ..Sources::default()
    };
    if args.config_check {
        return serve::check_config(&sources).await;
    }
    // The demo has nothing to reload: any signal ends it, also that of a terminal that is closed.
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
    let broken = app.run(shutdown).await;
    if let Some(monitoring) = monitoring {
        monitoring.end().await;
    }
    simulator.shutdown().await;
    broken.map_or(Ok(()), |error| Err(error.into()))
}

/// Explains what there is once all of it runs; ends only when some of it is no longer there.
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
    print(&format!(
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

fn explain_monitoring(web: SocketAddr, addresses: MonitoringAddresses) {
    let MonitoringAddresses { prometheus, alertmanager } = addresses;
    print(&format!(
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
