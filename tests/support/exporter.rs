//! The real binary, as an operator starts it.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use url::Url;

use super::http::{Answer, Server};
use super::program::{Ended, Program};

/// The binary with these arguments, in a working directory of its own, without settings from outside.
pub fn command(args: &[&str], environment: &[(&str, &str)], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qlik-session-exporter"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_uppercase().starts_with("QLIK_SESSION_EXPORTER_") {
            command.env_remove(name);
        }
    }
    // What a program that is killed leaves behind is gone with the test's folder.
    command.envs([("TMPDIR", directory), ("TMP", directory), ("TEMP", directory)]);
    command.args(args).envs(environment.iter().copied()).current_dir(directory);
    command
}

/// Runs the binary to its end.
pub async fn run(args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    Program::start(&mut command(args, environment, directory.path())).ended().await
}

/// Runs the binary with a configuration of this text, named `config.toml`, to its end.
pub async fn run_with_config(config: impl AsRef<[u8]>, args: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("config.toml"), config).unwrap();
    Program::start(&mut command(args, &[], directory.path())).ended().await
}

/// The flag that allows `POST /-/reload`.
pub const LIFECYCLE: &[&str] = &["--web.enable-lifecycle"];

/// An exporter that listens; it is a [`Server`], too.
pub struct Exporter {
    pub program: Program,
    server: Server,
    /// Its working directory, gone when it goes.
    _directory: TempDir,
}

impl Exporter {
    /// Starts `serve`, or the subcommand that `args` begins with, on a port from the system, and waits until
    /// it listens.
    pub async fn start(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::spawn(&on_any_port(args), environment, |command| command).await
    }

    /// The same, started where 1024 files may be open until it raises the limit, as it is on most systems.
    #[cfg(unix)]
    pub async fn with_few_files(config: &Path) -> Self {
        let script = "ulimit -S -n 1024 && exec \"$0\" \"$@\"";
        let limited = |command: Command| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(command.get_program()).args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => shell.env(name, value),
                    None => shell.env_remove(name),
                };
            }
            shell
        };
        Self::spawn(&on_any_port(&["--config.file", config.to_str().unwrap()]), &[], limited).await
    }

    /// Starts `serve` with this configuration file.
    pub async fn with_config(config: &Path, args: &[&str]) -> Self {
        Self::start(&[args, &["--config.file", config.to_str().unwrap()]].concat(), &[]).await
    }

    /// The same on the address that the file names.
    pub async fn listening_as_configured(config: &Path, args: &[&str]) -> Self {
        Self::spawn(&[args, &["--config.file", config.to_str().unwrap()]].concat(), &[], |command| command)
            .await
    }

    async fn spawn(
        args: &[&str],
        environment: &[(&str, &str)],
        change: impl FnOnce(Command) -> Command,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut program = Program::start(&mut change(command(args, environment, directory.path())));
        let server = Server::at(listening(&mut program, "web").await);
        Self { program, server, _directory: directory }
    }

    /// Requests that it reads its configuration again.
    pub async fn request_reload(&self) -> Answer {
        self.request(Method::POST, "/-/reload", &[]).await
    }

    /// Makes it read a good configuration again.
    pub async fn reload(&self) {
        let answer = self.request_reload().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// Whether it reports that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.get("/-/ready").await.status == StatusCode::OK
    }
}

fn on_any_port<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--web.listen-address", "127.0.0.1:0"]].concat()
}

impl Deref for Exporter {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Waits for the line with the address of this listener.
pub async fn listening(program: &mut Program, name: &str) -> Url {
    let start = format!("listening {name} ");
    program
        .printed(&format!("{start}URL"), |line| line.strip_prefix(&start).map(|url| url.parse().unwrap()))
        .await
}
