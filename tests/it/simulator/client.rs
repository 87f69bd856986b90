//! A site in a folder of its own, and clients that it trusts.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use qlik_sense_simulator::{Options, Session, Simulator};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::simulator::{options as simulator_options, url_of};

pub const KEY: &str = "abcdefghij987654";

/// A running site in a folder of its own, and a client that it trusts.
pub struct SiteWithClient {
    pub simulator: Simulator,
    pub client: Client,
    pub folder: TempDir,
}

impl SiteWithClient {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::within(tempfile::tempdir().unwrap(), change).await
    }

    /// A site of the certificates that are in this folder already, if there are any.
    pub async fn within(folder: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let simulator = qlik_sense_simulator::start(options(&folder, change)).await.unwrap();
        let client = client(folder.path());
        Self { simulator, client, folder }
    }

    /// `https://127.0.0.1:PORT` of a listener.
    pub fn url(&self, name: &str) -> String {
        url_of(&self.simulator, name).as_str().trim_end_matches('/').to_owned()
    }

    /// As our own exporter does.
    pub fn request(&self, method: Method, listener: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}?Xrfkey={KEY}", self.url(listener));
        let request = self.client.request(method, url).header("X-Qlik-Xrfkey", KEY);
        request.header("X-Qlik-User", "UserDirectory=INTERNAL; UserId=sa%5Fapi")
    }

    /// The TLS of the site's usual client.
    pub fn tls(&self) -> ClientConfig {
        tls(self.folder.path(), Some(self.folder.path()))
    }

    /// A connection to a listener by nothing but TLS.
    pub async fn connect(&self, listener: &str, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        self.connect_as(listener, "127.0.0.1", config).await
    }

    /// The same, to a server that must be of this name.
    pub async fn connect_as(
        &self,
        listener: &str,
        name: &str,
        config: ClientConfig,
    ) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.url(listener).replace("https://", "")).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// Sends a request by nothing but TLS and reads to the connection's end, which it requests.
    pub async fn exchange(&self, listener: &str, path: &str) -> Exchange {
        let mut stream = self.connect(listener, self.tls()).await.unwrap();
        stream.write_all(request(path).as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).await.map(drop);
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let body = bytes.split_off(split);
        Exchange { head: String::from_utf8(bytes).unwrap(), body, end }
    }

    pub async fn json(&self, method: Method, listener: &str, path: &str) -> Value {
        let answer = self.request(method, listener, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        read(answer).await
    }

    pub async fn status(&self, method: Method, listener: &str, path: &str) -> StatusCode {
        self.request(method, listener, path).send().await.unwrap().status()
    }
}

/// What came back over one connection.
pub struct Exchange {
    /// With the empty line at its end; empty when there was none.
    pub head: String,
    pub body: Vec<u8>,
    pub end: io::Result<()>,
}

impl Exchange {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn ended_by_reset(&self) -> bool {
        self.end.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }
}

/// A request after which the server closes the connection.
pub fn request(path: &str) -> String {
    format!(
        "GET {path}?xrfkey={KEY} HTTP/1.1\r\nHost: x\r\nX-Qlik-Xrfkey: {KEY}\r\n\
         X-Qlik-User: UserDirectory=INTERNAL; UserId=sa_api\r\nConnection: close\r\n\r\n"
    )
}

/// Whether this is not done after a time in which it would be without a fault.
pub async fn hangs(doing: impl Future) -> bool {
    tokio::time::timeout(Duration::from_millis(300), doing).await.is_err()
}

pub async fn read(answer: reqwest::Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

pub fn options(folder: &TempDir, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = simulator_options(folder.path());
    change(&mut options);
    options
}

pub fn pem<T: PemObject>(path: &Path) -> T {
    T::from_pem_file(path).unwrap()
}

/// Trusts the site's authority, and shows the certificate of `identity` when there is one.
pub fn tls(folder: &Path, identity: Option<&Path>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pem::<CertificateDer>(&folder.join("root.pem"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(folder) => {
            let certificate = vec![pem::<CertificateDer>(&folder.join("client.pem"))];
            let key = pem::<PrivateKeyDer>(&folder.join("client_key.pem"));
            builder.with_client_auth_cert(certificate, key).unwrap()
        }
    }
}

pub fn client(folder: &Path) -> Client {
    Client::builder().tls_backend_preconfigured(tls(folder, Some(folder))).no_proxy().build().unwrap()
}

pub fn session(id: &str) -> Session {
    Session {
        user_directory: "LAB".into(),
        user_id: "testuser_1".into(),
        user_name: None,
        attributes: vec![("group".into(), "Finance".into()), ("email".into(), String::new())],
        session_id: id.into(),
    }
}

pub fn session_json(id: &str) -> Value {
    json!({ "UserDirectory": "LAB", "UserId": "testuser_1", "UserName": null,
            "Attributes": [{ "group": "Finance" }, { "email": "" }], "SessionId": id })
}

pub fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|session| session["SessionId"].as_str().unwrap()).collect()
}

/// What TLS reports as wrong with a connection.
pub fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}
