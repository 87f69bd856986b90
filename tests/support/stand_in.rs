//! A server that stands in for a site's repository service, and says what the test wants it to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use reqwest::StatusCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// What is answered to each path; 404 to others.
type Answers = Arc<BTreeMap<&'static str, String>>;

pub struct StandIn {
    pub url: Url,
    _task: AbortOnDropHandle<()>,
}

impl StandIn {
    /// One with the server certificate in this folder, that wants a client certificate of the same site.
    pub async fn start(certificates: &Path, answers: &[(&'static str, &str)]) -> Self {
        let tls = TlsAcceptor::from(tls(certificates));
        let answers: Answers =
            Arc::new(answers.iter().map(|(path, text)| (*path, (*text).to_owned())).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tls.clone(), answers.clone()));
            }
        });
        Self { url, _task: AbortOnDropHandle::new(task) }
    }
}

fn tls(certificates: &Path) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = |name| CertificateDer::from_pem_file(certificates.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("root.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::from_pem_file(certificates.join("server_key.pem")).unwrap();
    let config = builder.unwrap().with_client_cert_verifier(verifier.unwrap());
    Arc::new(config.with_single_cert(vec![certificate("server.pem")], key).unwrap())
}

/// One request on one connection.
async fn serve(stream: TcpStream, tls: TlsAcceptor, answers: Answers) {
    let Ok(mut stream) = tls.accept(stream).await else { return };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split([' ', '?']).nth(1).unwrap();
    let (status, body) = match answers.get(path) {
        Some(body) => (StatusCode::OK, body.as_str()),
        None => (StatusCode::NOT_FOUND, ""),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Who asked may be gone already.
    let _ = stream.write_all((head + body).as_bytes()).await;
    let _ = stream.shutdown().await;
}
