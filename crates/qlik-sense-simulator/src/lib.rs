//! A simulated Qlik Sense site that behaves like a real one: the repository service (QRS) on one port and a proxy
//! service (QPS) per node, over mutual TLS.
//!
//! It shares no type with the crate `qlik-sense`, so that tests notice when either misreads an interface.
//!
//! - `options`: the options of a site and their checks
//! - `certificates`: the site's CA, the certificates that it issues, and their files; `tls`: their use
//! - `handle`: the handle of a running site, which observes and changes it
//! - `site`: the state of the site: nodes, links, sessions, counters, latency; `ids`: random ids
//! - `session`: one session and its JSON; `sessions`: the sessions of one proxy service and virtual proxy
//! - `population`: users and sessions from a seed; `churn`: starts and ends sessions
//! - `services`: starts and stops the services; `endpoint`: the state of one, `listener`: its sockets and TLS
//! - `faults`: faults on purpose; `connection`: responses that bypass HTTP
//! - `delivery`: counts of complete session lists; `receipt`, `tracked_body`: how they are recorded
//! - `control`: the control address, which sets faults and opens sessions by plain HTTP
//! - `qps`, `qrs`: the services' paths; `qps_path`, `objects`: parts of these; `guard`: checks of every request
//! - `config_file`: the exporter's configuration for this site

mod certificates;
mod churn;
mod config_file;
mod connection;
mod control;
mod delivery;
mod endpoint;
mod error;
mod faults;
mod guard;
mod handle;
mod ids;
mod listener;
mod objects;
mod options;
mod population;
mod qps;
mod qps_path;
mod qrs;
mod receipt;
mod services;
mod session;
mod sessions;
mod site;
mod tls;
mod tracked_body;

use std::sync::Arc;

pub use certificates::{Authority, CertificateSet, KeyedCertificate, Leaf};
pub use control::help as control_help;
pub use delivery::{Counts, Delivery};
pub use error::Error;
pub use faults::{Fault, FaultError, FaultKind, TABLE as FAULTS};
pub use handle::Simulator;
pub use options::Options;
pub use session::Session;

use services::Services;

/// Starts a site: checks the options, creates or reads the certificates, listens, and writes `config.toml`.
///
/// # Errors
/// When an option is invalid, the certificates cannot be used, or an address is in use. No service runs after an
/// error.
pub async fn start(options: Options) -> Result<Simulator, Error> {
    options.check()?;
    let tls_options = options.clone();
    let tls = blocking(move || tls::create_or_read(&tls_options)).await?;
    let site_options = options.clone();
    let (site, population) = blocking(move || Ok(population::create_site(&site_options))).await?;
    let site = Arc::new(site);

    // An early return drops the services, which stops those that are running.
    let services = Arc::new(Services::new(site.clone(), tls, &options));
    services.start_all(options.qrs_port).await?;
    let (folder, configured, discovery) = (options.certs.clone(), site.clone(), options.discovery);
    let config_file = blocking(move || config_file::write(&folder, &configured, discovery)).await?;
    // The last step that can fail, so that no error leaves it running.
    let control = match options.control_port {
        Some(port) => Some(control::start(port, site.clone(), services.clone(), services.stopping()).await?),
        None => None,
    };
    let churn = (options.churn > 0.0)
        .then(|| tokio::spawn(churn::run(site.clone(), population, options.churn, options.sessions)));
    Ok(Simulator { site, services, certificates: options.certs, config_file, control, churn })
}

/// Runs work that reads files or computes for long outside the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?
}
