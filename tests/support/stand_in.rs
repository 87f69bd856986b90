//! A server that stands in for one of Qlik's services, with the answers that a test wants.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// A request, without its parameters.
pub struct Request<'a> {
    pub path: &'a str,
    /// Of the connections that were opened to this server, from 0 on.
    pub connection: usize,
    /// Of the requests on this connection, from 0 on.
    pub number: usize,
}

/// The server's answer to a request; nothing: it closes the connection.
type Respond = dyn Fn(&Request<'_>) -> Option<String> + Send + Sync;

pub struct StandIn {
    pub url: Url,
    _task: AbortOnDropHandle<()>,
}

impl StandIn {
    /// One with the server certificate in this folder, that requests a client certificate of the same site,
    /// as Qlik's services do.
    pub async fn start(
        certificates: &Path,
        respond: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::with_tls(tls(certificates, true, rustls::ALL_VERSIONS), respond).await
    }

    pub async fn with_tls(
        tls: Arc<ServerConfig>,
        respond: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let respond: Arc<Respond> = Arc::new(respond);
        Self::each(move |connection, stream| serve(connection, stream, tls.clone(), respond.clone())).await
    }

    /// One that does this with each connection, which need not be TLS.
    pub async fn each<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(usize, TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(connection, stream));
            }
        });
        Self { url, _task: AbortOnDropHandle::new(task) }
    }
}

/// TLS with the server certificate in this folder, which may request a client certificate of the same site.
pub fn tls(
    certificates: &Path,
    request_certificate: bool,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = |name| CertificateDer::from_pem_file(certificates.join(name)).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = if request_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("root.pem")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(certificates.join("server_key.pem")).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate("server.pem")], key).unwrap())
}

async fn serve(connection: usize, stream: TcpStream, tls: Arc<ServerConfig>, respond: Arc<Respond>) {
    let mut stream = match TlsAcceptor::from(tls).accept(stream).into_fallible().await {
        Ok(stream) => stream,
        // What is still unread would reset the connection, and the reset overtake the alert.
        Err((_, mut stream)) => {
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
            return;
        }
    };
    for number in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split([' ', '?']).nth(1).unwrap();
        let Some(response) = respond(&Request { path, connection, number }) else { break };
        // The client may be gone already.
        if stream.write_all(response.as_bytes()).await.is_err() || !response.contains(KEEP) {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

const KEEP: &str = "Connection: keep-alive\r\n";

/// After which the connection ends.
pub fn response(status: &str, head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

pub fn ok(body: &str) -> String {
    response("200 OK", "Content-Type: application/json\r\n", body)
}

/// The same with the connection kept.
pub fn ok_and_keep(body: &str) -> String {
    ok(body).replace("Connection: close\r\n", KEEP)
}
