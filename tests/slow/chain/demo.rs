//! `demo --with-prometheus`: the programs that are installed, started, watched and ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::support::exporter::{command, listening, run};
use crate::support::http::Server;
use crate::support::program::{Ended, Program};
use crate::support::wait::{DEADLINE, becomes, eventually};

const FLAGS: &[&str] = &["demo", "--with-prometheus", "--web.listen-address", "127.0.0.1:0"];

/// A demo with a folder of its own for what is temporary, and with programs that go before the installed ones.
struct Demo {
    program: Program,
    /// Dropped after the program, see there.
    folder: Folder,
}

/// Where a demo keeps what is temporary. When a test fails the demo is killed, and cannot end its children.
struct Folder {
    root: TempDir,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        ["tmp", "bin"].iter().for_each(|name| fs::create_dir(root.path().join(name)).unwrap());
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Puts a shell script in the place of a program. `$FOLDER` is this folder, `real` the installed program;
    /// called for its version, the script is silent.
    fn instead_of(&self, program: &str, script: &str) {
        let path = self.path("bin").join(program);
        let real = format!("real() {{ PATH=${{PATH#*:}} exec {program} \"$@\"; }}");
        let version = "[ \"$1\" = --version ] && exit 0";
        fs::write(&path, format!("#!/bin/sh\n{real}\n{version}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self) -> Command {
        let installed = std::env::vars().find(|(name, _)| name == "PATH").unwrap().1;
        let path = format!("{}:{installed}", self.path("bin").display());
        let [root, tmp] = [self.path(""), self.path("tmp")].map(|path| path.to_str().unwrap().to_owned());
        let environment = [("PATH", path.as_str()), ("TMPDIR", &tmp), ("FOLDER", &root)];
        command(FLAGS, &environment, &self.path(""))
    }

    fn start(self) -> Demo {
        Demo { program: Program::start(&mut self.command()), folder: self }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for id in processes_in(&self.path("tmp")) {
            let _ = with_process(id, Process::kill);
        }
    }
}

impl Demo {
    async fn listening(&mut self, name: &str) -> Url {
        listening(&mut self.program, name).await
    }

    /// The processes that it has started, by their working directory.
    fn children(&self) -> Vec<Pid> {
        processes_in(&self.folder.path("tmp"))
    }

    /// Whether by a signal or not, nothing is left of it.
    async fn assert_leaves_nothing(folder: &Folder) {
        becomes(Vec::<Pid>::new(), "children", async || processes_in(&folder.path("tmp"))).await;
        assert_eq!(fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    }

    async fn terminated(self) -> Ended {
        self.signalled("TERM").await
    }

    async fn signalled(self, name: &str) -> Ended {
        let ended = self.program.signal(name).await;
        Self::assert_leaves_nothing(&self.folder).await;
        ended
    }

    async fn ended(self) -> Ended {
        let ended = self.program.ended().await;
        Self::assert_leaves_nothing(&self.folder).await;
        ended
    }
}

fn processes_in(folder: &Path) -> Vec<Pid> {
    let mut system = System::new().unwrap();
    let kind = ProcessRefreshKind::nothing().with_cwd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let inside = |process: &&Process| process.cwd().is_some_and(|cwd| cwd.starts_with(folder));
    system.processes().values().filter(inside).map(Process::pid).collect()
}

fn with_process<T>(id: Pid, what: impl FnOnce(&Process) -> T) -> Option<T> {
    let mut system = System::new().unwrap();
    system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
    system.process(id).map(what)
}

async fn refuses(address: &str) -> bool {
    TcpStream::connect(address).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_scrapes_the_exporter_and_sends_alerts_until_a_signal() {
    let mut demo = Folder::new().start();
    let [alertmanager, prometheus] =
        [demo.listening("alertmanager").await, demo.listening("prometheus").await].map(Server::at);
    let web = demo.listening("web").await;

    let up = format!(r#"up{{instance="{}",job="qlik"}}"#, web.authority());
    let query = url::form_urlencoded::byte_serialize(up.as_bytes()).collect::<String>();
    let answered = async || prometheus.text(&format!("/api/v1/query?query={query}"), &[]).await;
    eventually("the exporter is scraped", async || answered().await.contains("\"1\"]").then_some(())).await;
    let reported = format!("http://{}/api/v2/alerts", alertmanager.authority());
    let answered = async || prometheus.text("/api/v1/alertmanagers", &[]).await;
    eventually("Prometheus knows Alertmanager", async || answered().await.contains(&reported).then_some(()))
        .await;
    assert!(prometheus.text("/api/v1/rules", &[]).await.contains("QlikUserAtSessionLimit"));

    // On this address alone, and without others of its kind.
    for server in [&alertmanager, &prometheus] {
        let port = server.url().port().unwrap();
        assert_eq!(server.url().host_str(), Some("127.0.0.1"));
        assert!(refuses(&format!("127.0.0.2:{port}")).await, "{}", server.url());
    }
    assert!(alertmanager.text("/api/v2/status", &[]).await.contains(r#""status":"disabled""#));

    let addresses = [&alertmanager, &prometheus].map(|server| server.authority().to_owned());
    let ended = demo.terminated().await;
    ended.assert().code(0);
    assert!(refuses(&addresses[0]).await && refuses(&addresses[1]).await);
    // Their own log is not ours.
    assert!(ended.stderr.iter().all(|line| line.contains("target=qlik_session_exporter")), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_messages_are_printed() {
    let mut demo = Folder::new().start();
    let chat = demo.listening("chat").await.join("/hooks/change-me").unwrap();
    let message =
        serde_json::json!({ "attachments": [{ "title": "[1] A", "text": "• LAB\\anna\u{1b}[2J\n" }] });
    send(&chat, &message).await;

    let line = |line: &str| (line == r"  • LAB\anna\u{1b}[2J").then_some(());
    demo.program.printed("the message", line).await;
    assert!(demo.program.stdout().contains(&"[1] A".to_owned()));
    demo.terminated().await.assert().code(0);
}

/// Brings the chat a message.
async fn send(chat: &Url, message: &serde_json::Value) {
    // Nothing here speaks TLS, but a client cannot be built without somebody who could.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
    let sent =
        client.post(chat.clone()).header("Content-Type", "application/json").body(message.to_string()).send();
    assert_eq!(sent.await.unwrap().status(), reqwest::StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_messages_delay_nothing() {
    let folder = Folder::new();
    let mut command = folder.command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let (mut chat, mut web) = (None, None);
    // Until it has printed all that it prints by itself.
    loop {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        if let Some(url) = line.strip_prefix("listening chat ") {
            chat = Some(Url::parse(url).unwrap());
        } else if let Some(url) = line.strip_prefix("listening web ") {
            web = Some(Server::at(Url::parse(url).unwrap()));
        } else if line.starts_with("Chat messages of Alertmanager are printed") {
            break;
        }
    }

    // More than a pipe holds, and more messages than may wait.
    let attachment = serde_json::json!({ "title": "[1] A", "text": "x".repeat(1 << 16) });
    let message = serde_json::json!({ "attachments": [attachment] });
    for _ in 0..50 {
        send(chat.as_ref().unwrap(), &message).await;
    }

    assert!(!web.unwrap().text("/-/healthy", &[]).await.is_empty());
    let term = |process: &Process| process.kill_with(sysinfo::Signal::Term);
    with_process(Pid::from_u32(demo.id().unwrap()), term).unwrap();
    let status = eventually("the demo ends", async || demo.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0));
    Demo::assert_leaves_nothing(&folder).await;
    drop(lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_terminal_ends_all_programs() {
    let mut demo = Folder::new().start();
    demo.listening("prometheus").await;
    // What a demo that is killed hard leaves is known by its name.
    let mut folders = fs::read_dir(demo.folder.path("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(folders.all(|name| name.to_string_lossy().starts_with("qlik-session-exporter-demo-")));

    demo.signalled("HUP").await.assert().code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_exits_ends_the_demo_and_its_log_is_printed() {
    let mut demo = Folder::new().start();
    demo.listening("prometheus").await;
    let is_prometheus = |process: &Process| process.name().to_string_lossy() == "prometheus";
    let found = demo.children().into_iter().find(|id| with_process(*id, is_prometheus) == Some(true));
    // It logs that a signal ended it.
    let queried = |process: &Process| process.kill_with(sysinfo::Signal::Term);
    with_process(found.expect("a child is Prometheus"), queried).unwrap();

    let ended = demo.ended().await;

    ended.assert().code(1);
    let reported = ended.stderr_text();
    assert!(
        reported.contains("error: prometheus ended by itself (exit status: 0). The end of its log:\n  "),
        "{reported}"
    );
    assert!(reported.contains("See you next time!"), "{reported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_start_ends_the_demo_and_its_log_is_printed() {
    let folder = Folder::new();
    folder.instead_of("prometheus", r#"printf '1\n2\n3\n4\n5\nno \033[2Jluck\n'; exit 3"#);

    let ended = folder.start().ended().await;

    ended.assert().code(1);
    let reported = ended.stderr_text();
    let expected = "error: prometheus ended by itself (exit status: 3). The end of its log:\n  2\n  3\n  4\n  5\n  no \\u{1b}[2Jluck";
    assert!(reported.ends_with(expected), "{reported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_before_the_programs_are_ready_ends_them_too() {
    let folder = Folder::new();
    // No program of its own makes the file: it could still be there when the file is seen.
    folder.instead_of("prometheus", ": > $FOLDER/started; exec sleep 1000");
    let mut demo = folder.start();
    demo.listening("alertmanager").await;
    let started = demo.folder.path("started");
    becomes(true, "it has been started", async || started.exists()).await;
    assert_eq!(demo.children().len(), 2);

    demo.terminated().await.assert().code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_takes_meanwhile_is_left_to_it() {
    let folder = Folder::new();
    // The first one waits until the port is taken, and ends as it does when it finds that.
    folder.instead_of(
        "prometheus",
        "mkdir $FOLDER/first || real \"$@\"\n\
         echo \"$*\" > $FOLDER/args; mv $FOLDER/args $FOLDER/started\n\
         until [ -e $FOLDER/taken ]; do sleep 0.05; done; exit 1",
    );
    let mut demo = folder.start();
    let started = demo.folder.path("started");
    let args = eventually("it gets a port", async || fs::read_to_string(&started).ok()).await;
    let address = args.split("--web.listen-address=").nth(1).unwrap().split_whitespace().next().unwrap();
    let taken = TcpListener::bind(address).await.unwrap();
    fs::write(demo.folder.path("taken"), "").unwrap();

    let prometheus = demo.listening("prometheus").await;

    assert_ne!(prometheus.port().unwrap(), taken.local_addr().unwrap().port());
    demo.terminated().await.assert().code(0);
}

#[tokio::test]
async fn missing_programs_are_reported_before_anything_starts() {
    let empty = tempfile::tempdir().unwrap();
    let ended = run(FLAGS, &[("PATH", empty.path().to_str().unwrap())]).await;

    ended.assert().code(2).stdout_is_empty();
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    let reported = &ended.stderr[0];
    let missing = "not found in the PATH: prometheus and alertmanager (or prometheus-alertmanager)";
    assert!(reported.starts_with("error: --with-prometheus") && reported.contains(missing), "{reported}");
    assert!(reported.contains("https://prometheus.io/download/"), "{reported}");
}

#[tokio::test]
async fn demo_with_prometheus_refuses_another_telemetry_path() {
    for args in [
        &["demo", "--with-prometheus", "--web.telemetry-path", "/other"][..],
        &["--web.telemetry-path", "/other", "demo", "--with-prometheus"],
    ] {
        run(args, &[]).await.assert().code(2).stdout_is_empty().stderr_contains("--web.telemetry-path");
    }
}
