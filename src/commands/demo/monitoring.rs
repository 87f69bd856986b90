//! Prometheus and Alertmanager beside the demo, with the files that are shipped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::chat::Chat;
use super::folder::temporary_folder;
use super::server::{Program, Server, ServerError, free_address, is_free};
use super::shipped::{self, File};
use crate::terminal::print;

/// How many ports are tried for one server.
const TRIES: usize = 10;

/// One question whether a server is ready.
const QUESTION: Duration = Duration::from_secs(5);

/// The chain cannot be run, or has broken.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the files for Prometheus and Alertmanager cannot be written to a temporary folder: {0}")]
    Files(io::Error),
    #[error("no address on loopback: {0}")]
    Address(io::Error),
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// What must be installed, and is not.
#[derive(Debug, thiserror::Error)]
#[error(
    "--with-prometheus starts Prometheus and Alertmanager, and {missing} cannot be found in the PATH. \
     Debian has them in the packages prometheus and prometheus-alertmanager; for other systems they are on \
     https://prometheus.io/download/"
)]
pub struct Missing {
    missing: String,
}

/// The installed programs.
#[derive(Debug, Clone, Copy)]
pub struct Programs {
    prometheus: Program,
    alertmanager: Program,
}

impl Programs {
    /// Looks for both programs, so that one error names all that are missing.
    pub async fn find() -> Result<Self, MonitoringError> {
        let prometheus = Program::find("prometheus", &["prometheus"]).await?;
        let alertmanager =
            Program::find("alertmanager", &["prometheus-alertmanager", "alertmanager"]).await?;
        match (prometheus, alertmanager) {
            (Some(prometheus), Some(alertmanager)) => Ok(Self { prometheus, alertmanager }),
            (prometheus, alertmanager) => {
                let missing = [
                    prometheus.is_none().then_some("prometheus"),
                    alertmanager.is_none().then_some("alertmanager (or prometheus-alertmanager)"),
                ];
                let missing: Vec<_> = missing.into_iter().flatten().collect();
                Err(Missing { missing: missing.join(" and ") }.into())
            }
        }
    }
}

/// Where they can be reached.
#[derive(Debug, Clone, Copy)]
pub struct MonitoringAddresses {
    pub prometheus: SocketAddr,
    pub alertmanager: SocketAddr,
}

/// Owns both servers, the chat that they write to, and their folder. Every method but [`Monitoring::end`] may be dropped on its way.
pub struct Monitoring {
    programs: Programs,
    client: reqwest::Client,
    chat: Chat,
    servers: Vec<Server>,
    /// Configuration, logs and what they store.
    folder: TempDir,
}

impl Monitoring {
    pub async fn new(programs: Programs) -> Result<Self, MonitoringError> {
        let folder = temporary_folder().map_err(MonitoringError::Files)?;
        let client = client()?;
        let chat = Chat::start().await.map_err(MonitoringError::Address)?;
        print(&format!("listening chat http://{}\n", chat.address));
        Ok(Self { programs, client, chat, servers: Vec::new(), folder })
    }

    /// Starts both, and prints where each listens as soon as it is ready.
    pub async fn start(&mut self, exporter: SocketAddr) -> Result<MonitoringAddresses, MonitoringError> {
        let Programs { prometheus, alertmanager } = self.programs;
        let mail = self.chat.mail().map_err(MonitoringError::Address)?;
        self.write(shipped::alertmanager(mail, self.chat.address)).await?;
        let alertmanager = self
            .listen(alertmanager, |address| {
                [
                    "--config.file=alertmanager.yml".to_owned(),
                    "--storage.path=alertmanager-data".to_owned(),
                    // It would look for others of its kind on all addresses.
                    "--cluster.listen-address=".to_owned(),
                    format!("--web.listen-address={address}"),
                    format!("--web.external-url=http://{address}/"),
                ]
            })
            .await?;
        self.write(shipped::prometheus(exporter, alertmanager)).await?;
        let prometheus = self
            .listen(prometheus, |address| {
                [
                    "--config.file=prometheus.yml".to_owned(),
                    "--storage.tsdb.path=prometheus-data".to_owned(),
                    format!("--web.listen-address={address}"),
                    format!("--web.external-url=http://{address}/"),
                ]
            })
            .await?;
        Ok(MonitoringAddresses { prometheus, alertmanager })
    }

    /// Waits until one of them ends by itself.
    pub async fn ended(&mut self) -> MonitoringError {
        match self.servers.is_empty() {
            true => std::future::pending().await,
            false => {
                let ends = self.servers.iter_mut().map(|server| Box::pin(server.ended()));
                select_all(ends).await.0.into()
            }
        }
    }

    /// Ends both, waits for it, and removes their folder.
    pub async fn end(self) {
        for server in self.servers {
            server.end().await;
        }
        self.chat.end().await;
        // What cannot be removed from a temporary folder is no reason to fail.
        let _ = tokio::task::spawn_blocking(move || self.folder.close()).await;
    }

    async fn listen<const N: usize>(
        &mut self,
        program: Program,
        args: impl Fn(SocketAddr) -> [String; N],
    ) -> Result<SocketAddr, MonitoringError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let address = free_address().map_err(MonitoringError::Address)?;
            let server = Server::spawn(program, self.folder.path(), address, &args(address))?;
            // From here on it is ours to end, whatever happens.
            let server = self.servers.push_mut(server);
            match server.ready(&self.client).await {
                Ok(()) => {
                    print(&format!("listening {} http://{address}\n", program.name));
                    return Ok(address);
                }
                // Somebody else has taken the port in between.
                Err(ServerError::Ended { .. }) if !is_free(address) && tries < TRIES => {
                    self.servers.pop();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn write(&self, files: [File; 2]) -> Result<(), MonitoringError> {
        let folder = self.folder.path().to_owned();
        let written = tokio::task::spawn_blocking(move || {
            files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
        });
        written.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(MonitoringError::Files)
    }
}

/// A client for loopback. It speaks no TLS, but cannot be built without somebody who could.
fn client() -> Result<reqwest::Client, MonitoringError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| MonitoringError::Client(error.to_string()))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(QUESTION);
    client.build().map_err(|error| MonitoringError::Client(error.to_string()))
}
