//! Servers that rustls does not speak to, made by others.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::checked::Files;

/// A TLS server in another language, on a port that it prints; it ends with the test.
struct TlsServer {
    child: Child,
    lines: mpsc::Receiver<String>,
    stdin: Option<ChildStdin>,
}

impl TlsServer {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let stdin = child.stdin.take();
        Self { child, lines, stdin }
    }

    /// The rest of the next line that holds this text.
    fn after(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).expect(text);
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers nothing: the handshake is all that it is for.
const ONLY_OLD: &str = r#"
import socket, ssl, sys, warnings
warnings.simplefilter("ignore")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = ssl.TLSVersion.TLSv1
context.maximum_version = ssl.TLSVersion.TLSv1_1
context.load_cert_chain("server.pem", "server_key.pem")
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("PORT", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except (OSError, ssl.SSLError):
            connection.close()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_only_tls_1_0_and_1_1() {
    let files = Files::new();
    let server = TlsServer::start(Command::new("python3").args(["-c", ONLY_OLD]).current_dir(files.path()));
    let url = format!("https://127.0.0.1:{}", server.after("PORT ")).parse().unwrap();
    files.check_proxy(&url).await.assert_failed(
        "tls",
        &["speaks neither TLS 1.2 nor TLS 1.3"],
        &["enable TLS 1.2 on that Windows server"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_requests_our_certificate_by_renegotiation() {
    let files = Files::new();
    let mut command = Command::new("openssl");
    command
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-tls1_2",
            "-cert",
            "server.pem",
            "-key",
            "server_key.pem",
        ])
        .args(["-CAfile", "root.pem"])
        .current_dir(files.path());
    let mut server = TlsServer::start(&mut command);
    let url = format!("https://127.0.0.1:{}", server.after("ACCEPT 127.0.0.1:")).parse().unwrap();
    let mut stdin = server.stdin.take().unwrap();
    let (_, checked) = tokio::join!(
        // Both runs of the check, as JSON and as text.
        tokio::task::spawn_blocking(move || {
            for _ in 0..2 {
                server.after("GET /qps/session");
                // To s_server: renegotiate, and request a certificate.
                stdin.write_all(b"R\n").unwrap();
                stdin.flush().unwrap();
            }
            // Kept until the check is over.
            (server, stdin)
        }),
        files.check_proxy(&url)
    );
    checked.assert_failed(
        "tls",
        &["ended the connection", "HandshakeFailure", "the handshake did not request the client certificate"],
        &["TLS 1.2 renegotiation"],
    );
}
