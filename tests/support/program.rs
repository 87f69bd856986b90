//! A program that runs beside the test: what it prints is kept, and it ends with the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::signal::send;
use super::wait::eventually;

pub struct Program {
    command: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// What a program that has ended left behind. [`Ended::assert`] starts assertions on it.
#[derive(Debug)]
pub struct Ended {
    /// As it was started, for messages of failing tests.
    pub command: String,
    pub status: ExitStatus,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    /// From the wait for its end to the end.
    pub took: Duration,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        Self::start_and_read(command, usize::MAX)
    }

    /// Starts a program whose standard output is closed after so many lines, as `head` does.
    pub fn start_and_read(command: &mut Command, lines: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started ({error}); tests/run installs it"));
        let stdout = Lines::read(child.stdout.take().unwrap(), lines);
        let stderr = Lines::read(child.stderr.take().unwrap(), usize::MAX);
        Self { command: format!("{command:?}"), child, stdout, stderr }
    }

    /// Its number in the operating system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    pub fn stderr(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Waits until `find` finds something in what was printed on either output; panics when the program
    /// ends before that.
    pub async fn printed<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        eventually(what, async || {
            // Looked at before the outputs are read: what an ended program printed is all there then.
            let ended = self.child.try_wait().unwrap();
            let lines = [self.stdout(), self.stderr()].concat();
            let found = lines.iter().find_map(|line| find(line));
            if let (None, Some(status)) = (&found, ended) {
                panic!("waiting for {what}, but the program ended ({status}):\n{}", lines.join("\n"));
            }
            found
        })
        .await
    }

    /// Waits until the program ends by itself.
    pub async fn ended(mut self) -> Ended {
        let start = Instant::now();
        let status = eventually("the program ends", async || self.child.try_wait().unwrap()).await;
        let took = start.elapsed();
        let command = std::mem::take(&mut self.command);
        Ended { command, status, took, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }

    /// Ends it the hard way, for what it printed until then.
    pub async fn killed(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended().await
    }

    /// Sends a signal, by its name without `SIG`, and waits for the end.
    #[cfg(unix)]
    pub async fn signal(self, name: &str) -> Ended {
        self.send(name);
        self.ended().await
    }

    /// Sends a signal, by its name without `SIG`.
    #[cfg(unix)]
    pub fn send(&self, name: &str) {
        send(name, &self.child.id().to_string());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- standard error of the program:\n{}", self.stderr().join("\n"));
        }
    }
}

/// The lines of one output, read by a thread of its own so that the program never waits for us.
struct Lines {
    read: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn read(output: impl Read + Send + 'static, limit: usize) -> Self {
        let read = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&read);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().take(limit) {
                let Ok(line) = line else { return };
                lines.lock().unwrap().push(line);
            }
        });
        Self { read, reader: Some(reader) }
    }

    fn so_far(&self) -> Vec<String> {
        self.read.lock().unwrap().clone()
    }

    /// All lines of a program that has ended.
    fn all(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}
