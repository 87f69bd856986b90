//! A Qlik Sense site that answers as the real one does: the repository service (QRS) on one port and a
//! proxy service (QPS) per node, over mutual TLS.
//!
//! It shares no type with the crate `qlik-sense`, so that a shared misreading of the interfaces cannot hide.
//!
//! - `options` what can be chosen, and what is refused
//! - `certificates` the site's authority and what it issues; `tls` its files and their use
//! - `handle` what can be asked of a running site, and done to it
//! - `site` the whole state in one place: nodes, links, sessions, counters, latency
//! - `session` one session and its JSON; `sessions` those of a proxy service and virtual proxy, and their list
//! - `population` users and sessions out of a seed; `churn` lets them come and go
//! - `services` which of the site's services run; `endpoint` one of them, `listener` its sockets, TLS, connections
//! - `faults` what goes wrong on purpose; `connection` answers by hand, and what is sent in full: `delivery`
//! - `control` the control address: faults and sessions by plain HTTP
//! - `guard` what every request must bring; `qps`, `qrs` the paths; `objects` QRS' JSON
//! - `config_file` the exporter's configuration for this site

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
mod listener;
mod objects;
mod options;
mod population;
mod qps;
mod qrs;
mod services;
mod session;
mod sessions;
mod site;
mod tls;

use std::sync::Arc;

pub use certificates::{Authority, CertificateSet, KeyedCertificate, Leaf};
pub use control::help as control_help;
pub use delivery::{Counts, Delivery};
pub use error::Error;
pub use faults::{Fault, FaultError, Kind, TABLE as FAULTS};
pub use handle::Simulator;
pub use options::Options;
pub use session::Session;

use services::Services;

/// Starts a site: checks the options, makes or reads the certificates, listens, writes `config.toml`.
///
/// # Errors
/// When an option makes no sense, the certificates cannot be used, or an address is taken. Nothing is left
/// running then.
pub async fn start(options: Options) -> Result<Simulator, Error> {
    options.check()?;
    let chosen = options.clone();
    let (tls, site, population) = blocking(move || {
        let tls = tls::make_or_read(&chosen.certs, &chosen.server_names(), &chosen.spare_addresses())?;
        let (site, population) = population::settle(&chosen);
        Ok((tls, Arc::new(site), population))
    })
    .await?;

    // An early return drops the services, which stops those that run already.
    let services = Arc::new(Services::new(site.clone(), tls, &options));
    services.start_all(options.qrs_port).await?;
    let (folder, written, discovery) = (options.certs.clone(), site.clone(), options.discovery);
    let config_file = blocking(move || config_file::write(&folder, &written, discovery)).await?;
    // Nothing fails after this, so that nobody needs to stop it.
    let control = match options.control_port {
        Some(port) => Some(control::start(port, site.clone(), services.clone(), services.stopping()).await?),
        None => None,
    };
    let churn = (options.churn > 0.0)
        .then(|| tokio::spawn(churn::run(site.clone(), population, options.churn, options.sessions)));
    Ok(Simulator { site, services, certificates: options.certs, config_file, control, churn })
}

/// Runs what reads files or computes for long beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?
}
