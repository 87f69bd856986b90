//! A server of another project, run as a child: found, started on a free port of loopback, watched, ended.

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

/// How long a server may take until it is ready, and a program until it has printed its version.
const START: Duration = Duration::from_secs(60);

/// How long it may take to be gone once it is killed.
const END: Duration = Duration::from_secs(5);

/// How often it is queried whether it is ready.
const STEP: Duration = Duration::from_millis(100);

/// How much of a server's log is printed when it has ended by itself.
const LAST_BYTES: u64 = 4096;
const LAST_LINES: usize = 5;

/// A server that does not run, or does no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{name} cannot be started: {error}")]
    Start { name: &'static str, error: io::Error },
    #[error("{name} ended by itself ({status}). The end of its log:{log}")]
    Ended { name: &'static str, status: ExitStatus, log: LastLines },
    #[error("{name} is not ready after {START:?}. The end of its log:{log}")]
    NotReady { name: &'static str, log: LastLines },
}

/// A program that can be started.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// As listeners are named.
    pub name: &'static str,
    file: &'static str,
}

impl Program {
    /// The first of these files that the system finds and can run; none when it finds none of them.
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

/// A child process with its log in a file. It ends with its owner.
pub struct Server {
    name: &'static str,
    address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program in this folder, which gets its log. It is to listen on `address`.
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
            // Ctrl-C is for us: we end it when we end.
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

    /// Waits until it answers that it is ready.
    pub async fn ready(&mut self, client: &reqwest::Client) -> Result<(), ServerError> {
        let url = format!("http://{}/-/ready", self.address);
        let refreshing = async {
            loop {
                let answer = client.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(STEP).await;
            }
        };
        let ready = tokio::select! {
            // Its end goes first: somebody else may answer on the port that it did not get.
            biased;
            error = self.child.wait() => Err(self.over(error).await),
            ready = timeout(START, refreshing) => Ok(ready.is_ok()),
        };
        match ready? {
            true => Ok(()),
            false => Err(ServerError::NotReady { name: self.name, log: self.last_lines().await }),
        }
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ServerError {
        let status = self.child.wait().await;
        self.over(status).await
    }

    async fn over(&self, status: io::Result<ExitStatus>) -> ServerError {
        match status {
            Ok(status) => ServerError::Ended { name: self.name, status, log: self.last_lines().await },
            Err(error) => ServerError::Start { name: self.name, error },
        }
    }

    /// Ends it, and waits for the end: its files can be removed then. What it has stored is not kept, so it
    /// needs no time to put it in order.
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

/// An address on loopback that nobody listens on.
///
/// These servers do not report which port they got when they are to choose one. Another program may take this one
/// before them: see [`is_free`].
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Whether nobody listens there.
pub fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The end of a log, as it may be shown.
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
