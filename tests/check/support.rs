//! A folder with certificates and a configuration, a server that answers as it is told, and what `check` says.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use qlik_session_exporter::cli::Output;
use qlik_session_exporter::command::check::{self, Outcome};
use qlik_session_exporter::config::{self, Sources};
use qlik_session_exporter::simulator::{self, Authority, CertificateSet, Leaf, Options, Simulator};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// A site's files: certificates of one authority, and its configuration.
pub struct Files {
    pub set: CertificateSet,
    folder: TempDir,
}

impl Files {
    /// With a server certificate for the loopback address.
    pub fn new() -> Self {
        Self::with_server(&Authority::new("site-CA").unwrap(), &Leaf::server(vec!["127.0.0.1".into()]))
    }

    pub fn with_server(authority: &Authority, server: &Leaf) -> Self {
        let set = CertificateSet::issued_by(authority, server).unwrap();
        let folder = tempfile::tempdir().unwrap();
        set.write(folder.path()).unwrap();
        Self { set, folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn replace(&self, name: &str, content: &str) {
        fs::write(self.path().join(name), content).unwrap();
    }

    /// A site that runs with these certificates.
    pub async fn simulator(&self, change: impl FnOnce(&mut Options)) -> Simulator {
        let mut options = Options {
            certs: self.path().to_owned(),
            nodes: 1,
            qrs_port: 0,
            qps_port: 0,
            sessions: 0,
            users: 0,
            churn: 0.0,
            ..Options::default()
        };
        change(&mut options);
        simulator::start(options).await.unwrap()
    }

    /// What `check` says of the site with these settings; `top` stands before its section.
    pub async fn check(&self, top: &str, site: &str) -> Checked {
        let certificates = "certificate = \"client.pem\"\nkey = \"client_key.pem\"\nca = \"root.pem\"\n";
        self.check_file(&format!("{top}\n[site.production]\n{certificates}{site}")).await
    }

    /// What `check` says of a site with one proxy service.
    pub async fn check_proxy(&self, url: &Url) -> Checked {
        self.check("request_timeout = \"20s\"", &proxy("Central", url)).await
    }

    pub async fn check_file(&self, text: &str) -> Checked {
        let path = self.path().join("checked.toml");
        fs::write(&path, text).unwrap();
        let sources = Sources { file: Some(path), ..Sources::default() };
        let mut out = Vec::new();
        let outcome = check::run(config::load(&sources), Output::Json, &mut out, true).await.unwrap();
        let json = String::from_utf8(out).unwrap();
        let found: Value = serde_json::from_str(&json).unwrap();
        let steps = found["steps"].as_array().unwrap().iter().map(Line::new).collect();
        let mut out = Vec::new();
        let again = check::run(config::load(&sources), Output::Text, &mut out, false).await.unwrap();
        assert_eq!(again, outcome);
        Checked { outcome, steps, json, text: String::from_utf8(out).unwrap() }
    }
}

/// The section of a proxy service.
pub fn proxy(name: &str, url: &Url) -> String {
    format!("[site.production.proxy.{name}]\nurl = \"{url}\"\n")
}

pub fn url_of(simulator: &Simulator, listener: &str) -> Url {
    simulator.listeners().into_iter().find(|(name, _)| name == listener).unwrap().1
}

/// What a check said.
pub struct Checked {
    pub outcome: Outcome,
    pub steps: Vec<Line>,
    pub json: String,
    /// Of a second run.
    pub text: String,
}

/// One step.
#[derive(Debug)]
pub struct Line {
    pub step: String,
    pub target: String,
    pub status: String,
    pub message: String,
    pub advice: String,
    pub reason: String,
}

impl Line {
    fn new(step: &Value) -> Self {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        Self {
            step: text("step"),
            target: text("target"),
            status: text("status"),
            message: text("message"),
            advice: text("advice"),
            reason: text("reason"),
        }
    }
}

impl Checked {
    /// The only step that failed.
    pub fn failure(&self) -> &Line {
        let failed: Vec<&Line> = self.steps.iter().filter(|line| line.status == "failed").collect();
        let [failed] = failed[..] else { panic!("{} steps failed:\n{}", failed.len(), self.text) };
        assert_eq!(self.outcome, Outcome::Failed);
        let name = format!("{} {}", failed.step, failed.target);
        assert!(self.text.contains(&format!("✗ {}: ", name.trim_end())), "{}", self.text);
        failed
    }

    /// That one step failed for this reason, with all of these in its message and its advice.
    pub fn fails(&self, reason: &str, message: &[&str], advice: &[&str]) {
        let failure = self.failure();
        assert_eq!(failure.reason, reason, "{failure:?}");
        for part in message {
            assert!(failure.message.contains(part), "{part:?} is not in the message of {failure:#?}");
        }
        for part in advice {
            assert!(failure.advice.contains(part), "{part:?} is not in the advice of {failure:#?}");
        }
    }

    /// The steps of this kind, as `status target: message`.
    pub fn lines(&self, step: &str) -> Vec<String> {
        let of_kind = self.steps.iter().filter(|line| line.step == step);
        of_kind.map(|line| format!("{} {}: {}", line.status, line.target, line.message)).collect()
    }
}

/// What a server says to a request for this path; nothing: it closes the connection.
type Respond = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A server that stands in for one of Qlik's services.
pub struct StandIn {
    pub url: Url,
    _task: AbortOnDropHandle<()>,
}

impl StandIn {
    /// One that asks for a client certificate of the site's authority, as Qlik's services do.
    pub async fn start(
        files: &Files,
        respond: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::with_tls(tls(files, true, rustls::ALL_VERSIONS), respond).await
    }

    pub async fn with_tls(
        tls: Arc<ServerConfig>,
        respond: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let respond: Arc<Respond> = Arc::new(respond);
        Self::each(move |stream| serve(stream, tls.clone(), respond.clone())).await
    }

    /// One that does this with each connection, which need not be TLS.
    pub async fn each<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { url, _task: AbortOnDropHandle::new(task) }
    }

    pub fn port(&self) -> u16 {
        self.url.port().unwrap()
    }
}

/// TLS with the server's certificate; `ask`: for a client certificate too.
pub fn tls(files: &Files, ask: bool, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let builder = if ask {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&files.set.root)).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(files.set.server.key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate(&files.set.server.certificate)], key).unwrap())
}

async fn serve(stream: TcpStream, tls: Arc<ServerConfig>, respond: Arc<Respond>) {
    let mut stream = match TlsAcceptor::from(tls).accept(stream).into_fallible().await {
        Ok(stream) => stream,
        // What is still unread would reset the connection, and the reset overtake the alert.
        Err((_, mut stream)) => {
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
            return;
        }
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let target = request.split(' ').nth(1).unwrap();
    if let Some(response) = respond(target.split('?').next().unwrap()) {
        let _ = stream.write_all(response.as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

pub fn response(status: &str, head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

pub fn ok(body: &str) -> String {
    response("200 OK", "Content-Type: application/json\r\n", body)
}
