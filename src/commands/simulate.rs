//! `simulate`: runs only the simulated site, for tests and for trying other tools.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use qlik_sense_simulator::{Error, Options, Simulator};

use super::signals;
use crate::config;
use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::logging;

/// The options of the simulated site.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Folder of the certificates; created when missing, with a config.toml for the exporter
    #[arg(long, value_name = "DIR")]
    pub certs: PathBuf,
    /// Number of nodes, each with a proxy service
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub nodes: u16,
    /// Address of the first node; the next nodes take the next addresses
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", value_parser = ip_address)]
    pub host: IpAddr,
    /// Port of the repository service on the first node; 0: any free port
    #[arg(long, value_name = "PORT", default_value_t = 4242)]
    pub qrs_port: u16,
    /// Port of the proxy services; 0: any free port, different on each node
    #[arg(long, value_name = "PORT", default_value_t = 4243)]
    pub qps_port: u16,
    /// Prefixes of the virtual proxies, separated by commas; the empty one is the default virtual proxy
    #[arg(
        long,
        value_name = "PREFIXES",
        value_delimiter = ',',
        default_value = ",sales,finance",
        allow_hyphen_values = true
    )]
    pub virtual_proxies: Vec<String>,
    /// Number of sessions at start, on the whole site
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub sessions: usize,
    /// Number of users that may have sessions
    #[arg(long, value_name = "N", default_value_t = 45)]
    pub users: usize,
    /// Sessions that start per second, and as many that end
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.5, allow_hyphen_values = true)]
    pub churn: f64,
    /// Delay of each answer
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = latency)]
    pub latency: Duration,
    /// Seed of the random sessions: the same seed creates the same site
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Port on 127.0.0.1 of the control address, which injects faults, see below; 0: any free port [default: no control
    /// address]
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
}

/// Returns the requests that the control address accepts, for `--help`.
pub fn help() -> String {
    let address = "http://127.0.0.1:PORT";
    format!(
        "Requests to the control address of --control-port, to try failures:\n{}",
        qlik_sense_simulator::control_help(address)
    )
}

impl From<SimulateArgs> for Options {
    fn from(args: SimulateArgs) -> Self {
        Self {
            certs: args.certs,
            nodes: args.nodes,
            host: args.host,
            qrs_port: args.qrs_port,
            qps_port: args.qps_port,
            virtual_proxies: args.virtual_proxies,
            sessions: args.sessions,
            users: args.users,
            churn: args.churn,
            latency: args.latency,
            seed: args.seed,
            control_port: args.control_port,
            discovery: true,
            ..Self::default()
        }
    }
}

fn latency(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "expected a duration, such as 500ms or 3s")
}

fn ip_address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address of this host, such as 127.0.0.1, not a name")
}

/// A request to print as an example.
struct Example {
    listener: &'static str,
    path: &'static str,
    /// A further argument of curl.
    header: &'static str,
}

const EXAMPLES: [Example; 2] = [
    Example { listener: "qps-1", path: "/qps/session", header: "" },
    Example {
        listener: "qrs",
        path: "/qrs/proxyservice/full",
        header: " -H \"X-Qlik-User: UserDirectory=INTERNAL; UserId=sa_api\"",
    },
];

/// The Xrfkey of the printed examples: any 16 characters.
const KEY: &str = "0123456789abcdef";

/// Runs the simulated site until a signal arrives.
pub async fn run(global: &GlobalArgs, args: SimulateArgs) -> Result<(), CommandError> {
    let log = config::log_settings(global.flags()).map_err(CommandError::Config)?;
    logging::start(&log).map_err(CommandError::usage)?;
    match run_until(args.into(), signals::shutdown()?).await {
        Err(error @ Error::Option { .. }) => Err(CommandError::usage(error)),
        result => Ok(result?),
    }
}

/// Runs a simulated site until `shutdown` resolves.
///
/// Prints a line per listener on standard output once all are ready, and examples on standard error.
///
/// # Errors
/// When the site cannot start.
pub async fn run_until(options: Options, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    tokio::pin!(shutdown);
    let simulator = tokio::select! {
        started = qlik_sense_simulator::start(options) => started?,
        () = &mut shutdown => return Ok(()),
    };
    // The site runs even if its output cannot be written.
    let _ = announce(&simulator);
    shutdown.await;
    simulator.shutdown().await;
    Ok(())
}

fn announce(simulator: &Simulator) -> io::Result<()> {
    let listeners = simulator.listeners();
    let mut out = io::stdout().lock();
    for (name, url) in &listeners {
        writeln!(out, "listening {name} {}", url.as_str().trim_end_matches('/'))?;
    }
    out.flush()?;

    let (certificates, config) = (simulator.certificates().display(), simulator.config_file().display());
    let mut out = io::stderr().lock();
    writeln!(out, "certificates  {certificates}")?;
    writeln!(out, "configuration {config}")?;
    writeln!(out, "try:")?;
    writeln!(out, "  qlik-session-exporter --config.file \"{config}\"")?;
    for Example { listener, path, header } in EXAMPLES {
        let Some((_, url)) = listeners.iter().find(|(name, _)| name == listener) else { continue };
        let certificates = simulator.certificates();
        writeln!(
            out,
            "  curl --cacert \"{}\" --cert \"{}\" --key \"{}\" -H \"X-Qlik-Xrfkey: {KEY}\"{header} \
             \"{}{path}?Xrfkey={KEY}\"",
            certificates.join("root.pem").display(),
            certificates.join("client.pem").display(),
            certificates.join("client_key.pem").display(),
            url.as_str().trim_end_matches('/')
        )?;
    }
    if let Some((_, url)) = listeners.iter().find(|(name, _)| name == "control") {
        writeln!(out, "  curl {url}")?;
    }
    Ok(())
}
