//! Debian's Alertmanager.

use std::process::Command;

use tempfile::TempDir;

use crate::free_port::on_a_free_port;
use crate::support::http::Server;
use crate::support::program::Program;

pub struct Alertmanager {
    _program: Program,
    pub server: Server,
    /// Its configuration and storage, gone when it goes.
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts it with `alertmanager.yml` of this folder and waits until it listens; it knows no others of its
    /// kind.
    pub async fn start(folder: TempDir) -> Self {
        let (program, server) = on_a_free_port("Listening on", |address| {
            let mut command = Command::new("prometheus-alertmanager");
            command
                .current_dir(folder.path())
                .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
                .arg(format!("--web.listen-address={address}"));
            command
        })
        .await;
        Self { _program: program, server, _folder: folder }
    }
}
