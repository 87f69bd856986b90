//! A Qlik Sense site that answers as the real one does: the repository service (QRS) on one port and a
//! proxy service (QPS) per node, over mutual TLS.
//!
//! It shares no type with [`crate::qlik`], so that a shared misreading of the interfaces cannot hide.
//!
//! - `options` what can be chosen, and what is refused
//! - `certificates` the site's authority and what it issues; `tls` its files and their use
//! - `site` the whole state in one place: nodes, links, sessions, counters, latency
//! - `session` one session and its JSON; `sessions` those of a proxy service and virtual proxy, and their list
//! - `population` users and sessions out of a seed; `churn` lets them come and go
//! - `listener` sockets, TLS, connections: the place for faults below HTTP
//! - `guard` what every request must bring; `qps`, `qrs` the paths; `objects` QRS' JSON
//! - `config_file` the exporter's configuration for this site

mod certificates;
mod churn;
mod config_file;
mod error;
mod guard;
mod listener;
mod objects;
mod options;
mod population;
mod qps;
mod qrs;
mod session;
mod sessions;
mod site;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use url::Url;

pub use certificates::{Authority, CertificateSet, KeyedCertificate, Leaf};
pub use error::Error;
pub use options::Options;
pub use session::Session;

use listener::{Listener, Service};
use site::{Pair, Site};

/// A running site. Dropping it stops it at once; [`Simulator::shutdown`] waits until it has stopped.
pub struct Simulator {
    site: Arc<Site>,
    certificates: PathBuf,
    config_file: PathBuf,
    listeners: Vec<(String, Url)>,
    /// The repository first, then the nodes, so that a node's number is its index.
    services: Vec<Service>,
    /// The listener of each service; `None` while it is stopped.
    running: Mutex<Vec<Option<Listener>>>,
    churn: Option<JoinHandle<()>>,
}

/// Starts a site: checks the options, makes or reads the certificates, listens, writes `config.toml`.
///
/// # Errors
/// When an option makes no sense, the certificates cannot be used, or an address is taken. Nothing is left
/// running then.
pub async fn start(options: Options) -> Result<Simulator, Error> {
    let addresses = options.check()?;
    let folder = options.certs.clone();
    let names = addresses.iter().map(ToString::to_string).chain(["localhost".to_owned()]).collect();
    let tls = blocking(move || tls::make_or_read(&folder, names)).await?;

    let seeded = options.clone();
    let (site, population) = blocking(move || Ok(population::settle(&seeded, &addresses))).await?;
    let site = Arc::new(site);

    let mut services = Vec::from_iter(Service::qrs(&site, options.qrs_port, &tls));
    services.extend(
        (1..).zip(site.nodes()).map(|(n, node)| Service::qps(&site, n, node, options.qps_port, &tls)),
    );
    let (mut running, mut listeners) = (Vec::new(), Vec::new());
    for service in &mut services {
        // An early return drops the listeners that run already, which stops them.
        let listener = service.listen().await?;
        listeners.push((service.name.clone(), listener.url.clone()));
        running.push(Some(listener));
    }

    let (folder, written, urls) = (options.certs.clone(), site.clone(), listeners.clone());
    let config_file = blocking(move || config_file::write(&folder, &written, &urls)).await?;
    let churn = (options.churn > 0.0)
        .then(|| tokio::spawn(churn::run(site.clone(), population, options.churn, options.sessions)));
    Ok(Simulator {
        site,
        certificates: options.certs,
        config_file,
        listeners,
        services,
        running: Mutex::new(running),
        churn,
    })
}

impl Simulator {
    /// Every listener's name and address: `qrs`, `qps-1`, `qps-2`, …
    pub fn listeners(&self) -> Vec<(String, Url)> {
        self.listeners.clone()
    }

    /// The folder with `client.pem`, `client_key.pem`, `root.pem` and the server's two.
    pub fn certificates(&self) -> &Path {
        &self.certificates
    }

    /// A configuration of the exporter that fits this site.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// How many session lists of this pair were asked for so far. Nodes count from 1, as in `qps-1`;
    /// prefixes are accepted with and without slashes around them, here and below.
    pub fn list_queries(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.list_queries())
    }

    /// The most session lists that were on their way at once on this node.
    pub fn most_in_flight(&self, node: usize) -> usize {
        self.site.node(node).map_or(0, |node| node.most_in_flight())
    }

    /// How many sessions were written as JSON for this pair's list so far: a list that has not changed
    /// since it was last asked for adds nothing.
    pub fn sessions_rendered(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.table().rendered())
    }

    /// How long each answer is held back, from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.site.set_latency(latency);
    }

    /// Adds a session, or replaces the one of that id. False when the node does not link that virtual proxy.
    pub fn open_session(&self, node: usize, prefix: &str, session: Session) -> bool {
        let pair = self.pair(node, prefix);
        pair.map(|pair| pair.table().open(session)).is_some()
    }

    /// Ends a session. False when there was none.
    pub fn close_session(&self, node: usize, prefix: &str, id: &str) -> bool {
        self.pair(node, prefix).is_some_and(|pair| pair.table().close(id).is_some())
    }

    /// The sessions of this pair, in the order in which they are listed.
    pub fn sessions(&self, node: usize, prefix: &str) -> Vec<Session> {
        self.pair(node, prefix).map(|pair| pair.table().all()).unwrap_or_default()
    }

    /// A node's proxy service goes away, as do its connections: new ones are refused. Its sessions stay.
    pub async fn stop_node(&self, node: usize) {
        let mut running = self.running.lock().await;
        if let Some(listener) = running.iter_mut().skip(1).nth(node.wrapping_sub(1)).and_then(Option::take) {
            listener.stop().await;
        }
    }

    /// A stopped node's proxy service comes back, on the same port.
    ///
    /// # Errors
    /// When the port was taken by somebody else in between.
    pub async fn start_node(&self, node: usize) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if let (Some(service), Some(slot @ None)) = (self.services.get(node), running.get_mut(node)) {
            *slot = Some(service.clone().listen().await?);
        }
        Ok(())
    }

    /// Stops everything and waits until it has stopped: a moment, since open connections are cut.
    pub async fn shutdown(mut self) {
        if let Some(churn) = self.churn.take() {
            churn.abort();
            // Ended or cancelled, both are what is wanted.
            let _ = churn.await;
        }
        for listener in self.running.lock().await.drain(..).flatten() {
            listener.stop().await;
        }
    }

    fn pair(&self, node: usize, prefix: &str) -> Option<Arc<Pair>> {
        self.site.node(node)?.pair(prefix.trim_matches('/'))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // The listeners stop by their own drop.
        if let Some(churn) = &self.churn {
            churn.abort();
        }
    }
}

/// Runs what reads files or computes for long beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?
}
