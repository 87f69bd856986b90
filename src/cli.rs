//! Flags and subcommands, named as Prometheus' exporters name theirs.

mod sessions;
mod site;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{FlagValue, keys};
pub use sessions::{
    DeleteArgs, FilterArgs, ListArgs, ListOutput, PlaceArgs, SessionsArgs, SessionsCommand, SortBy,
    WatchArgs, WhoseArgs,
};
pub use site::SiteArgs;

/// Prometheus exporter for the proxy sessions of client-managed Qlik Sense
#[derive(Debug, Parser)]
#[command(version, about, long_version = LONG_VERSION, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `serve`, which is the command when none is named.
    #[command(flatten)]
    pub web: WebArgs,
    #[command(flatten)]
    pub global: GlobalArgs,
}

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BUILD_REVISION"),
    ", rustc ",
    env!("BUILD_RUSTC_VERSION"),
    ")"
);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the exporter (the default)
    Serve(WebArgs),
    /// Read the configuration, then ask every repository and proxy once and say what works
    Check(CheckArgs),
    /// List, watch and end sessions
    Sessions(SessionsArgs),
    /// A simulated Qlik Sense site and the exporter on top of it, without any configuration
    #[cfg(feature = "simulator")]
    Demo(DemoArgs),
    /// Only the simulated site, for tests and for trying other tools
    #[cfg(feature = "simulator")]
    #[command(after_long_help = simulate_help())]
    Simulate(SimulateArgs),
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Configuration file [default: config.toml in the working directory, else beside the executable]
    #[arg(long = "config.file", value_name = "PATH", global = true)]
    pub config_file: Option<PathBuf>,
    /// What is logged: only messages of this level and above
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info", global = true)]
    pub log_level: LogLevel,
    /// How log lines are written
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt", global = true)]
    pub log_format: LogFormat,
    /// Append the log to this file instead of writing it to standard error
    #[arg(long = "log.file", value_name = "PATH", global = true)]
    pub log_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// What the commands with a listener take.
#[derive(Debug, Clone, Default, Args)]
pub struct WebArgs {
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

impl WebArgs {
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

    /// Returns the flags that set a key of the configuration.
    pub fn flags(&self) -> Vec<FlagValue> {
        let addresses = (!self.listen_addresses.is_empty()).then(|| self.listen_addresses.clone());
        addresses
            .map(|addresses| FlagValue::new(&keys::top::LISTEN_ADDRESS.info, addresses))
            .into_iter()
            .collect()
    }

    /// Whether none of the flags is given.
    pub fn is_empty(&self) -> bool {
        self.listen_addresses.is_empty()
            && self.telemetry_path.is_none()
            && !(self.enable_lifecycle || self.config_check)
    }
}

#[cfg(feature = "simulator")]
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub web: WebArgs,
    /// Start Prometheus and Alertmanager beside it, with the files that are shipped; both must be installed
    #[arg(long)]
    pub with_prometheus: bool,
}

/// For whom a result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// How the steps are written: lines for a person, or one JSON object for a script
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Output,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// What can be chosen about the simulated site.
#[cfg(feature = "simulator")]
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Where the certificates are; made when missing, with a config.toml for the exporter
    #[arg(long, value_name = "DIR")]
    pub certs: PathBuf,
    /// Nodes that run a proxy service
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub nodes: u16,
    /// Address of the first node; the next nodes take the next addresses
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", value_parser = ip_address)]
    pub host: std::net::IpAddr,
    /// Port of the repository service on the first node; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 4242)]
    pub qrs_port: u16,
    /// Port of the proxy services; 0: any free one, another on each node
    #[arg(long, value_name = "PORT", default_value_t = 4243)]
    pub qps_port: u16,
    /// Prefixes, separated by commas; the empty one is the default virtual proxy
    #[arg(
        long,
        value_name = "PREFIXES",
        value_delimiter = ',',
        default_value = ",sales,finance",
        allow_hyphen_values = true
    )]
    pub virtual_proxies: Vec<String>,
    /// Sessions at the start, on the whole site
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub sessions: usize,
    /// People who may have sessions
    #[arg(long, value_name = "N", default_value_t = 45)]
    pub users: usize,
    /// Sessions that start, and as many that end, per second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.5, allow_hyphen_values = true)]
    pub churn: f64,
    /// How long each answer is held back
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = latency)]
    pub latency: std::time::Duration,
    /// The same seed makes the same site
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Port of the control address on 127.0.0.1, where things are made to go wrong, see below; 0: any free one
    /// [default: no control address]
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
}

#[cfg(feature = "simulator")]
fn simulate_help() -> String {
    let address = "http://127.0.0.1:PORT";
    format!(
        "The control address of --control-port, for trying what happens when something goes wrong:\n{}",
        qlik_sense_simulator::control_help(address)
    )
}

#[cfg(feature = "simulator")]
impl From<SimulateArgs> for qlik_sense_simulator::Options {
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

#[cfg(feature = "simulator")]
fn latency(text: &str) -> Result<std::time::Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "expected a duration, such as 500ms or 3s")
}

#[cfg(feature = "simulator")]
fn ip_address(text: &str) -> Result<std::net::IpAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address of this host, such as 127.0.0.1, and no name")
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
    use clap::CommandFactory;

    #[test]
    fn flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_serve_stand_before_or_after_it() {
        let web = |args: &[&str]| {
            let cli = Cli::parse_from(std::iter::once("x").chain(args.iter().copied()));
            match cli.command {
                Some(Command::Serve(web)) => web.or(cli.web),
                _ => cli.web,
            }
        };
        for args in [
            &["--web.listen-address", ":1"][..],
            &["serve", "--web.listen-address", ":1"],
            &["--web.listen-address", ":1", "serve"],
        ] {
            assert_eq!(web(args).listen_addresses, [":1"], "{args:?}");
        }
    }

    #[test]
    fn a_telemetry_path_does_not_hide_another() {
        assert!(telemetry_path("/metrics").is_ok() && telemetry_path("/a/b").is_ok());
        for path in ["metrics", "", "/", "/probe", "/-/healthy", "/a b", "/{x}", "/../x"] {
            assert!(telemetry_path(path).is_err(), "{path}");
        }
    }
}
