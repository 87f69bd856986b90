//! Runs a server of another project as a child process on a free port of loopback.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;
use tracing::debug;

use crate::terminal::escaped;

/// The time for a server to become ready, and for a program to print its version.
const START: Duration = Duration::from_secs(60);

/// The time for a killed server to end.
const END: Duration = Duration::from_secs(5);

/// The interval of readiness checks.
const READINESS_INTERVAL: Duration = Duration::from_millis(100);

/// The bytes and lines at the end of a log that are printed when its server has ended by itself.
const LAST_BYTES: u64 = 4096;
const LAST_LINES: usize = 5;

/// A server could not be started, is not ready in time or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot start {name}: {error}")]
    Start { name: &'static str, error: io::Error },
    #[error("{name} ended by itself ({status}). The end of its log:{log}")]
    Ended { name: &'static str, status: ExitStatus, log: LastLines },
    #[error("{name} is not ready after {START:?}. The end of its log:{log}")]
    NotReady { name: &'static str, log: LastLines },
}

/// An installed program.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The name of its listener.
    pub name: &'static str,
    file: &'static str,
}

impl Program {
    /// Returns the first of these programs that is in the `PATH`, or `None`.
    pub async fn find(name: &'static str, files: &[&'static str]) -> Result<Option<Self>, ServerError> {
        for file in files {
            let mut version = Command::new(file);
            version.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
            let error = match timeout(START, version.output()).await {
                Ok(Ok(_)) => return Ok(Some(Self { name, file })),
                Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Ok(Err(error)) => error,
                Err(_) => io::Error::new(io::ErrorKind::TimedOut, format!("{file} --version does not end")),
            };
            return Err(ServerError::Start { name, error });
        }
        Ok(None)
    }
}

/// A child process with its log in a file. Dropping it kills the process.
pub struct Server {
    name: &'static str,
    address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program in this folder, which gets its log. `args` make it listen on `address`.
    pub fn spawn(
        program: Program,
        folder: &Path,
        address: SocketAddr,
        args: &[String],
    ) -> Result<Self, ServerError> {
        let log = folder.join(format!("{}.log", program.name));
        let child = File::create(&log).and_then(|out| {
            let mut command = Command::new(program.file);
            command.args(args).current_dir(folder).kill_on_drop(true);
            command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
            // Ctrl-C must reach only the demo, which ends its servers itself.
            #[cfg(unix)]
            command.process_group(0);
            #[cfg(windows)]
            command.creation_flags(CREATE_NEW_PROCESS_GROUP);
            command.spawn()
        });
        let child = child.map_err(|error| ServerError::Start { name: program.name, error })?;
        debug!(program = program.file, %address, log = %log.display(), "started");
        Ok(Self { name: program.name, address, child, log })
    }

    /// Waits until the server is ready.
    pub async fn ready(&mut self, client: &reqwest::Client) -> Result<(), ServerError> {
        let url = format!("http://{}/-/ready", self.address);
        let answers = async {
            loop {
                let answer = client.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(READINESS_INTERVAL).await;
            }
        };
        let ready = tokio::select! {
            // Its end has priority: another program may answer on a port that the server did not get.
            biased;
            error = self.child.wait() => Err(self.ended_with(error).await),
            ready = timeout(START, answers) => Ok(ready.is_ok()),
        };
        match ready? {
            true => Ok(()),
            false => Err(ServerError::NotReady { name: self.name, log: self.last_lines().await }),
        }
    }

    /// Waits until the server ends by itself.
    pub async fn ended(&mut self) -> ServerError {
        let status = self.child.wait().await;
        self.ended_with(status).await
    }

    async fn ended_with(&self, status: io::Result<ExitStatus>) -> ServerError {
        match status {
            Ok(status) => ServerError::Ended { name: self.name, status, log: self.last_lines().await },
            Err(error) => ServerError::Start { name: self.name, error },
        }
    }

    /// Kills the server and waits for its end, after which its files can be removed. Its data is not kept, so it needs
    /// no orderly shutdown.
    pub async fn end(mut self) {
        // It may have ended already.
        let _ = timeout(END, self.child.kill()).await;
    }

    async fn last_lines(&self) -> LastLines {
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || end_of(&log)).await;
        LastLines(read.ok().and_then(Result::ok).unwrap_or_default())
    }
}

#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Returns an address on loopback that no program listens on.
///
/// These servers do not report the port that they choose for port 0. Another program may take the address before the
/// server does: see [`is_free`].
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Returns whether no program listens on this address.
pub fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The end of a log, escaped for a terminal.
#[derive(Debug, Default)]
pub struct LastLines(String);

impl std::fmt::Display for LastLines {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<_> = self.0.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
        last.iter().try_for_each(|line| write!(out, "\n  {}", escaped(line)))
    }
}

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut end = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}
