//! What can be asked of a running site, and done to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use url::Url;

use crate::control::Control;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::faults::Fault;
use crate::options::{check_prefix, refused};
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

/// What there is.
impl Simulator {
    /// Every listener's name and address: `qrs`, `qps-1`, `qps-2`, …, and `control` where there is one.
    pub fn listeners(&self) -> Vec<(String, Url)> {
        let nodes = self.site.nodes();
        let proxies = nodes.iter().map(|node| (format!("qps-{}", node.number), node.endpoint.url()));
        let all = std::iter::once(("qrs".to_owned(), self.site.repository.url())).chain(proxies);
        let control = self.control.as_ref().map(|control| ("control".to_owned(), control.url.clone()));
        all.filter_map(|(name, url)| Some((name, url?))).chain(control).collect()
    }

    /// The folder with `client.pem`, `client_key.pem`, `root.pem` and the server's two.
    pub fn certificates(&self) -> &Path {
        &self.certificates
    }

    /// A configuration of the exporter that fits this site as it was at the start.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// How many session lists of this pair were asked for so far.
    pub fn list_queries(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.list_queries())
    }

    /// How many requests to end sessions of this pair came so far, whatever became of them.
    pub fn deletions(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.deletions())
    }

    /// The most session lists and ends of sessions that were on their way at once on this node.
    pub fn most_in_flight(&self, node: usize) -> usize {
        self.site.node(node).map_or(0, |node| node.most_in_flight())
    }

    /// How many connections are open to this node's proxy service.
    pub fn connections(&self, node: usize) -> usize {
        self.site.node(node).map_or(0, |node| node.endpoint.connections())
    }

    /// How many sessions were written as JSON for this pair's list so far: a list that has not changed
    /// since it was last asked for adds nothing.
    pub fn sessions_rendered(&self, node: usize, prefix: &str) -> u64 {
        self.pair(node, prefix).map_or(0, |pair| pair.table().rendered())
    }

    /// The sessions of this pair, in the order in which they are listed.
    pub fn sessions(&self, node: usize, prefix: &str) -> Vec<Session> {
        self.pair(node, prefix).map(|pair| pair.table().all()).unwrap_or_default()
    }

    fn pair(&self, node: usize, prefix: &str) -> Option<Arc<Pair>> {
        self.site.node(node)?.pair(stored(prefix))
    }
}

/// Sessions, and how it goes for them.
impl Simulator {
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
}

/// What goes wrong. Each returns when it has its effect; there is one fault for each pair, and one for each node
/// that acts on the pairs without a fault of their own.
impl Simulator {
    /// Something goes wrong from now on: with one virtual proxy of a node, or with its whole proxy service.
    ///
    /// # Errors
    /// When there is no such node or link, or the fault acts on whole nodes only.
    pub async fn set_fault(&self, node: usize, prefix: Option<&str>, fault: Fault) -> Result<(), Error> {
        self.services.set_fault(node, prefix.map(stored), Some(fault)).await.map(drop)
    }

    /// The same goes right again. False when there was no fault.
    ///
    /// # Errors
    /// When there is no such node or link, or a port that was closed was taken by somebody else.
    pub async fn clear_fault(&self, node: usize, prefix: Option<&str>) -> Result<bool, Error> {
        self.services.set_fault(node, prefix.map(stored), None).await
    }

    /// Something goes wrong with the repository, or with `None` no longer.
    ///
    /// # Errors
    /// When its port was closed and was taken by somebody else.
    pub async fn set_repository_fault(&self, fault: Option<Fault>) -> Result<(), Error> {
        self.services.set_repository_fault(fault).await.map(drop)
    }

    /// Everything goes right again.
    ///
    /// # Errors
    /// When a port that was closed was taken by somebody else.
    pub async fn clear_faults(&self) -> Result<(), Error> {
        self.services.clear_faults().await
    }

    /// What was sent in full of this pair's session lists. `None` when the node does not link that virtual
    /// proxy.
    pub fn delivery(&self, node: usize, prefix: &str) -> Option<Delivery> {
        self.pair(node, prefix).map(|pair| *pair.deliveries())
    }
}

/// Nodes, virtual proxies and the links between them. What the repository tells follows at once.
impl Simulator {
    /// A new node, at the address after the last one's, that links these virtual proxies: its number. It is
    /// told in [`Simulator::listeners`] from then on.
    ///
    /// # Errors
    /// When there is no such virtual proxy, or the node's address or port cannot be had.
    pub async fn add_node(&self, links: &[&str]) -> Result<usize, Error> {
        let links: Vec<_> = links.iter().map(|prefix| stored(prefix).to_owned()).collect();
        let known: Vec<_> = self.site.virtual_proxies().iter().map(|found| found.prefix.clone()).collect();
        if let Some(unknown) = links.iter().find(|link| !known.contains(link)) {
            return Err(Error::NoSuchVirtualProxy { prefix: unknown.clone(), known });
        }
        let node = self.site.add_node(None, Some(&links));
        let node = node.ok_or_else(|| refused("host", "no more".to_owned(), "enough addresses after it"))?;
        let number = node.number;
        let added = self.services.add_node(node).await;
        if added.is_err() {
            self.site.remove_node(number);
        }
        added.map(|()| number)
    }

    /// A node goes for good, with its port, its sessions and its number. False when there was none.
    pub async fn remove_node(&self, node: usize) -> bool {
        let was_there = self.site.remove_node(node);
        self.services.remove_node(node).await;
        was_there
    }

    /// A new virtual proxy that no node links yet. False when there is one of that prefix.
    ///
    /// # Errors
    /// When Qlik would not accept the prefix.
    pub fn add_virtual_proxy(&self, prefix: &str) -> Result<bool, Error> {
        check_prefix(stored(prefix))?;
        Ok(self.site.add_virtual_proxy(stored(prefix)))
    }

    /// A virtual proxy goes, with its links and their sessions. False when there was none.
    pub fn remove_virtual_proxy(&self, prefix: &str) -> bool {
        self.site.remove_virtual_proxy(stored(prefix))
    }

    /// Lets a node link a virtual proxy, without sessions there at first. False when one of the two is not
    /// there; nothing changes when it links it already.
    pub fn link(&self, node: usize, prefix: &str) -> bool {
        self.site.link(node, stored(prefix))
    }

    /// A node links a virtual proxy no longer; its sessions there are gone. False when it did not.
    pub fn unlink(&self, node: usize, prefix: &str) -> bool {
        self.site.node(node).is_some_and(|node| node.unlink(stored(prefix)))
    }
}

/// Stopping and starting.
impl Simulator {
    /// A node's proxy service goes away, as do its connections: new ones are refused. Its sessions stay, and
    /// its port is kept for it.
    pub async fn stop_node(&self, node: usize) {
        // Only starting can fail.
        let _ = self.services.set_stopped(node, true).await;
    }

    /// A stopped node's proxy service comes back, on the same port.
    ///
    /// # Errors
    /// When the port could not be kept and was taken by somebody else in between.
    pub async fn start_node(&self, node: usize) -> Result<(), Error> {
        self.services.set_stopped(node, false).await
    }

    /// Stops everything and waits until it has stopped: a moment, since open connections are cut.
    pub async fn shutdown(mut self) {
        if let Some(churn) = self.churn.take() {
            churn.abort();
            // Ended or cancelled, both are what is wanted.
            let _ = churn.await;
        }
        self.services.shutdown().await;
        if let Some(control) = self.control.take() {
            // Ends when the requests under way are answered, which takes a moment only.
            let _ = control.task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.services.cut();
        if let Some(churn) = &self.churn {
            churn.abort();
        }
    }
}

/// A prefix as the repository stores it.
fn stored(prefix: &str) -> &str {
    prefix.trim_matches('/')
}
