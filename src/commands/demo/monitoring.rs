//! Runs Prometheus and Alertmanager for the demo, with the shipped configuration.

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

/// The number of ports to try for one server.
const TRIES: usize = 10;

/// The timeout of one readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Prometheus or Alertmanager cannot be run, or has ended.
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

/// A program that must be installed, and is not.
#[derive(Debug, thiserror::Error)]
#[error(
    "--with-prometheus starts Prometheus and Alertmanager, not found in the PATH: {missing}. Install the packages \
     prometheus and prometheus-alertmanager (Debian), or download them from https://prometheus.io/download/"
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

/// The addresses of both servers.
#[derive(Debug, Clone, Copy)]
pub struct MonitoringAddresses {
    pub prometheus: SocketAddr,
    pub alertmanager: SocketAddr,
}

/// Both servers, the chat server that they send to, and their folder. All futures but that of [`Monitoring::end`] may be
/// dropped before they complete.
pub struct Monitoring {
    programs: Programs,
    client: reqwest::Client,
    chat: Chat,
    servers: Vec<Server>,
    /// The configuration, logs and data of the servers.
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

    /// Starts both servers and prints the address of each when it is ready.
    pub async fn start(&mut self, exporter: SocketAddr) -> Result<MonitoringAddresses, MonitoringError> {
        let Programs { prometheus, alertmanager } = self.programs;
        let mail = self.chat.mail().map_err(MonitoringError::Address)?;
        self.write(shipped::alertmanager(mail, self.chat.address)).await?;
        let alertmanager = self
            .listen(alertmanager, |address| {
                [
                    "--config.file=alertmanager.yml".to_owned(),
                    "--storage.path=alertmanager-data".to_owned(),
                    // Disables clustering, which would listen on all addresses.
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

    /// Waits until one of the servers ends by itself.
    pub async fn ended(&mut self) -> MonitoringError {
        match self.servers.is_empty() {
            true => std::future::pending().await,
            false => {
                let ends = self.servers.iter_mut().map(|server| Box::pin(server.ended()));
                select_all(ends).await.0.into()
            }
        }
    }

    /// Ends both servers, waits for their end and removes their folder.
    pub async fn end(self) {
        for server in self.servers {
            server.end().await;
        }
        self.chat.end().await;
        // A failure to remove a temporary folder is not reported.
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
            // From here on, the end of the demo ends it.
            let server = self.servers.push_mut(server);
            match server.ready(&self.client).await {
                Ok(()) => {
                    print(&format!("listening {} http://{address}\n", program.name));
                    return Ok(address);
                }
                // Another program has taken the port in the meantime.
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
            files.iter().try_for_each(|file| std::fs::write(folder.join(file.name), &file.text))
        });
        written.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(MonitoringError::Files)
    }
}

/// Returns an HTTP client for loopback. It needs no TLS, but reqwest builds no client without a TLS configuration.
fn client() -> Result<reqwest::Client, MonitoringError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| MonitoringError::Client(error.to_string()))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client =
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(READINESS_TIMEOUT);
    client.build().map_err(|error| MonitoringError::Client(error.to_string()))
}
