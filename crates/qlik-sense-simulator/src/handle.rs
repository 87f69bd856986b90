//! The handle of a running site.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use url::Url;

use crate::control::Control;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::faults::Fault;
use crate::options::{check_prefix, invalid_option};
use crate::services::Services;
use crate::session::Session;
use crate::site::{Pair, Site};

/// A running site. Dropping it stops it at once; [`Simulator::shutdown`] waits until it has stopped.
///
/// Nodes count from 1, as in `qps-1`. Prefixes are accepted with and without slashes around them.
pub struct Simulator {
    pub(super) site: Arc<Site>,
    pub(super) services: Arc<Services>,
    pub(super) certificates: PathBuf,
    pub(super) config_file: PathBuf,
    pub(super) control: Option<Control>,
    pub(super) churn: Option<JoinHandle<()>>,
}

/// Addresses, files, counters and sessions.
impl Simulator {
    /// Returns the name and URL of every listener: `qrs`, `qps-1`, `qps-2`, …, and `control` if there is one.
    pub fn listeners(&self) -> Vec<(String, Url)> {
        let nodes = self.site.nodes();
        let proxies = nodes.iter().map(|node| (format!("qps-{}", node.number), node.endpoint.url()));
        let all = std::iter::once(("qrs".to_owned(), self.site.repository.url())).chain(proxies);
        let control = self.control.as_ref().map(|control| ("control".to_owned(), control.url.clone()));
        all.filter_map(|(name, url)| Some((name, url?))).chain(control).collect()
    }

    /// Returns the folder with `client.pem`, `client_key.pem`, `root.pem`, `server.pem` and `server_key.pem`.
    pub fn certificates(&self) -> &Path {
        &self.certificates
    }

    /// Returns the path of the exporter's configuration file for this site as it was at the start.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Returns the number of requests for this pair's session list so far.
    pub fn list_queries(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.list_queries())
    }

    /// Returns the number of requests to delete sessions of this pair so far, successful or not.
    pub fn deletions(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.deletions())
    }

    /// Returns the largest number of session lists and deletions that were in flight at once on this node.
    pub fn most_in_flight(&self, node: usize) -> usize {
        self.site.node(node).map_or(0, |node| node.most_in_flight())
    }

    /// Returns the number of open connections to this node's proxy service.
    pub fn connections(&self, node: usize) -> usize {
        self.site.node(node).map_or(0, |node| node.endpoint.connections())
    }

    /// Returns how many sessions were written as JSON for this pair's list so far. A list that has not changed since the
    /// last request adds nothing.
    pub fn sessions_rendered(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.table().rendered())
    }

    /// Returns the sessions of this pair, in the order of its list.
    pub fn sessions(&self, node: usize, prefix: &str) -> Vec<Session> {
        self.pair(node, prefix).map(|pair| pair.table().all()).unwrap_or_default()
    }

    fn pair(&self, node: usize, prefix: &str) -> Option<Arc<Pair>> {
        self.site.node(node)?.pair(stored(prefix))
    }
}

/// Latency and sessions.
impl Simulator {
    /// Sets the delay of each response.
    pub fn set_latency(&self, latency: Duration) {
        self.site.set_latency(latency);
    }

    /// Adds a session, or replaces the one with the same id. Returns false if the node does not link the virtual proxy.
    pub fn open_session(&self, node: usize, prefix: &str, session: Session) -> bool {
        let pair = self.pair(node, prefix);
        pair.map(|pair| pair.table().open(session)).is_some()
    }

    /// Deletes a session. Returns false if there was none.
    pub fn close_session(&self, node: usize, prefix: &str, id: &str) -> bool {
        self.pair(node, prefix).is_some_and(|pair| pair.table().close(id).is_some())
    }
}

/// Faults. A change is in effect when its method returns. Each pair has at most one fault. Each node has at most one,
/// which acts on the pairs without a fault of their own.
impl Simulator {
    /// Sets the fault of one virtual proxy of a node, or of its whole proxy service.
    ///
    /// # Errors
    /// When there is no such node or link, or the fault acts on whole nodes only.
    pub async fn set_fault(&self, node: usize, prefix: Option<&str>, fault: Fault) -> Result<(), Error> {
        self.services.set_fault(node, prefix.map(stored), Some(fault)).await.map(drop)
    }

    /// Clears the fault of one virtual proxy of a node, or of its whole proxy service. Returns false if there was none.
    ///
    /// # Errors
    /// When there is no such node or link, or another program uses a port that was closed.
    pub async fn clear_fault(&self, node: usize, prefix: Option<&str>) -> Result<bool, Error> {
        self.services.set_fault(node, prefix.map(stored), None).await
    }

    /// Sets the fault of the repository, or clears it with `None`.
    ///
    /// # Errors
    /// When its port was closed and another program uses it.
    pub async fn set_repository_fault(&self, fault: Option<Fault>) -> Result<(), Error> {
        self.services.set_repository_fault(fault).await.map(drop)
    }

    /// Clears all faults.
    ///
    /// # Errors
    /// When another program uses a port that was closed.
    pub async fn clear_faults(&self) -> Result<(), Error> {
        self.services.clear_faults().await
    }

    /// Returns the counts of this pair's complete session lists; `None` if the node does not link the virtual proxy.
    pub fn delivery(&self, node: usize, prefix: &str) -> Option<Delivery> {
        self.pair(node, prefix).map(|pair| *pair.delivery())
    }
}

/// Nodes, virtual proxies and the links between them. The repository returns changes at once.
impl Simulator {
    /// Adds a node at the address after the last one's, linked to these virtual proxies, and returns its number.
    /// [`Simulator::listeners`] includes it.
    ///
    /// # Errors
    /// When there is no such virtual proxy, or the node's address or port is not available.
    pub async fn add_node(&self, links: &[&str]) -> Result<usize, Error> {
        let links: Vec<_> = links.iter().map(|prefix| stored(prefix).to_owned()).collect();
        let known: Vec<_> = self.site.virtual_proxies().iter().map(|found| found.prefix.clone()).collect();
        if let Some(unknown) = links.iter().find(|link| !known.contains(link)) {
            return Err(Error::NoSuchVirtualProxy { prefix: unknown.clone(), known });
        }
        let node = self.site.add_node(None, Some(&links));
        let node =
            node.ok_or_else(|| invalid_option("host", "no more".to_owned(), "enough addresses after it"))?;
        let number = node.number;
        let added = self.services.add_node(node).await;
        if added.is_err() {
            self.site.remove_node(number);
        }
        added.map(|()| number)
    }

    /// Removes a node with its port, sessions and number. Returns false if there was none.
    pub async fn remove_node(&self, node: usize) -> bool {
        let existed = self.site.remove_node(node);
        self.services.remove_node(node).await;
        existed
    }

    /// Adds a virtual proxy that no node links yet. Returns false if the prefix is in use.
    ///
    /// # Errors
    /// When Qlik would not accept the prefix.
    pub fn add_virtual_proxy(&self, prefix: &str) -> Result<bool, Error> {
        check_prefix(stored(prefix))?;
        Ok(self.site.add_virtual_proxy(stored(prefix)))
    }

    /// Removes a virtual proxy with its links and their sessions. Returns false if there was none.
    pub fn remove_virtual_proxy(&self, prefix: &str) -> bool {
        self.site.remove_virtual_proxy(stored(prefix))
    }

    /// Links a virtual proxy to a node, without sessions at first. Returns false if either does not exist. An existing
    /// link keeps its sessions.
    pub fn link(&self, node: usize, prefix: &str) -> bool {
        self.site.link(node, stored(prefix))
    }

    /// Removes a link with its sessions. Returns false if there was none.
    pub fn unlink(&self, node: usize, prefix: &str) -> bool {
        self.site.node(node).is_some_and(|node| node.unlink(stored(prefix)))
    }
}

/// Stopping and starting.
impl Simulator {
    /// Stops a node's proxy service: closes its connections and refuses new ones. It keeps its sessions and its port.
    pub async fn stop_node(&self, node: usize) {
        // Only starting can fail.
        let _ = self.services.set_stopped(node, true).await;
    }

    /// Starts a stopped node's proxy service again, on the same port.
    ///
    /// # Errors
    /// When another program uses the port because it could not be kept.
    pub async fn start_node(&self, node: usize) -> Result<(), Error> {
        self.services.set_stopped(node, false).await
    }

    /// Stops the site and waits until it has stopped. This is fast, since open connections are closed.
    pub async fn shutdown(mut self) {
        if let Some(churn) = self.churn.take() {
            churn.abort();
            // The result does not matter: the task has ended or was cancelled.
            let _ = churn.await;
        }
        self.services.shutdown().await;
        if let Some(control) = self.control.take() {
            // Ends as soon as the current requests are answered.
            let _ = control.task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.services.stop();
        if let Some(churn) = &self.churn {
            churn.abort();
        }
    }
}

/// Returns a prefix as the repository stores it.
fn stored(prefix: &str) -> &str {
    prefix.trim_matches('/')
}
