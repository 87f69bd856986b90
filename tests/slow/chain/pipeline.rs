//! The whole chain with the shipped files, at sixty times the speed.

use std::fs;
use std::path::Path;

use qlik_session_exporter::commands::demo::shipped;
use reqwest::{Method, StatusCode};
use tempfile::TempDir;

use super::alertmanager::Alertmanager;
use super::durations::divided;
use super::receiver::Receiver;
use crate::prometheus::Prometheus;
use crate::support::exporter::{Exporter, command, listening};
use crate::support::http::Server;
use crate::support::program::Program;
use crate::support::scrape::labels;

/// How much quicker time passes.
const SPEED: u32 = 60;

/// The exporter's settings that belong to the files' durations: `cache_ttl` and `scrape_timeout_offset`, as
/// much quicker.
const SETTINGS: &[(&str, &str)] =
    &[("QLIK_SESSION_EXPORTER_CACHE_TTL", "167ms"), ("QLIK_SESSION_EXPORTER_SCRAPE_TIMEOUT_OFFSET", "8ms")];

/// Its parts end in this order: clients before their servers.
pub struct Chain {
    pub prometheus: Prometheus,
    _alertmanager: Alertmanager,
    pub receiver: Receiver,
    _exporter: Exporter,
    control: Server,
    _site: Program,
    _folder: TempDir,
}

impl Chain {
    /// Two proxy services with two virtual proxies each, without sessions; all of it runs and is scraped.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut site, control) = simulate(folder.path()).await;
        listening(&mut site, "qps-2").await;
        let config = folder.path().join("certs/config.toml");
        let exporter = Exporter::start(&["--config.file", config.to_str().unwrap()], SETTINGS).await;

        let receiver = Receiver::start().await;
        let files = shipped::alertmanager(receiver.mail, receiver.chat);
        let alertmanager = Alertmanager::start(quickly(files)).await;
        let address = |server: &Server| server.authority().parse().unwrap();
        let files = shipped::prometheus(address(&exporter), address(&alertmanager.server));
        let prometheus = Prometheus::start_in(quickly(files)).await;
        prometheus.assert_becomes("count(qlik_proxy_up == 1)", [(labels([]), 4.0)].into()).await;
        Self {
            prometheus,
            _alertmanager: alertmanager,
            receiver,
            _exporter: exporter,
            control,
            _site: site,
            _folder: folder,
        }
    }

    /// Has the site's control address do something.
    pub async fn site(&self, method: Method, path: &str) {
        let answer = self.control.request(method, path, &[]).await;
        assert!([StatusCode::OK, StatusCode::CREATED].contains(&answer.status), "{path}: {}", answer.text());
    }
}

async fn simulate(folder: &Path) -> (Program, Server) {
    let certs = folder.join("certs");
    let certs = ["simulate", "--certs", certs.to_str().unwrap(), "--virtual-proxies", ",sales"];
    let empty = ["--sessions", "0", "--users", "0", "--churn", "0"];
    let ports = ["--qrs-port", "0", "--qps-port", "0", "--control-port", "0"];
    let mut site = Program::start(&mut command(&[&certs[..], &empty, &ports].concat(), &[], folder));
    let control = listening(&mut site, "control").await;
    (site, Server::at(control))
}

/// A folder with these files, in which time passes more quickly.
fn quickly(files: [shipped::File; 2]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for shipped::File { name, text } in files {
        // Templates have formats of times, and no durations.
        let text = if name.ends_with(".yml") { divided(&text, SPEED) } else { text };
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}
