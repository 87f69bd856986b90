//! Nothing is reached, or not with TLS.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::checked::Files;
use crate::support::stand_in::{StandIn, tls};

#[tokio::test]
async fn a_host_name_that_is_not_known() {
    // Names below .invalid are known nowhere (RFC 6761).
    let url = "https://sense1.invalid:4243".parse().unwrap();
    Files::new().check_proxy(&url).await.assert_failed(
        "connect",
        &["the host name sense1.invalid cannot be resolved"],
        &["Check the spelling", "nslookup sense1.invalid"],
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    Files::new().check_proxy(&format!("https://{address}").parse().unwrap()).await.assert_failed(
        "connect",
        &[&format!("{address} refuses connections")],
        &["firewall", "4243 unless changed"],
    );
}

#[tokio::test]
async fn a_host_that_never_answers() {
    let server = StandIn::each(|_, stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let site = super::checked::proxy("Central", &server.url);
    Files::new().check("request_timeout = \"200ms\"", &site).await.assert_failed(
        "timeout",
        &["does not answer", "no complete answer within 200ms"],
        &["firewall", "drop"],
    );
}

#[tokio::test]
async fn a_service_that_is_reached_and_does_not_answer_in_time() {
    let files = Files::new();
    let tls = tls(files.path(), true, rustls::ALL_VERSIONS);
    let server = StandIn::each(move |_, stream| {
        let tls = tls.clone();
        async move {
            let _open = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await;
            std::future::pending().await
        }
    })
    .await;
    // The first request makes a TLS session, and a debug build is slow at it.
    let site = super::checked::proxy("Central", &server.url);
    files.check("request_timeout = \"3s\"", &site).await.assert_failed(
        "timeout",
        &["accepts connections, but no complete answer within 3s"],
        &["raise request_timeout"],
    );
}

#[tokio::test]
async fn a_port_that_speaks_no_tls() {
    let server = StandIn::each(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        let _ = stream.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
    })
    .await;
    Files::new().check_proxy(&server.url).await.assert_failed(
        "tls",
        &["answers, but not with TLS"],
        &["Check that this is the port of the proxy service.", "never the one for browsers (443)"],
    );
}

#[tokio::test]
async fn a_port_that_hangs_up() {
    let server = StandIn::each(|_, stream| async move { drop(stream) }).await;
    Files::new().check_proxy(&server.url).await.assert_failed(
        "connect",
        &["closed the connection in the TLS handshake"],
        &["firewall", "TLS 1.0 or 1.1"],
    );
}

#[tokio::test]
async fn a_service_that_speaks_tls_and_no_http() {
    let files = Files::new();
    let server = StandIn::start(files.path(), |_| Some("220 mail.company.com ESMTP\r\n".into())).await;
    files.check_proxy(&server.url).await.assert_failed(
        "decode",
        &["the answer is no HTTP"],
        &[" is the proxy service.", "never the one for browsers (443)"],
    );
}

#[tokio::test]
async fn a_connection_that_just_ends_is_reported_without_library_texts() {
    let files = Files::new();
    let tls = tls(files.path(), true, rustls::ALL_VERSIONS);
    let server = StandIn::each(move |_, stream| {
        let tls = tls.clone();
        async move {
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
            let _ = stream.read(&mut [0; 1024]).await;
            // Without the TLS alert that an end has.
            let _ = stream.get_mut().0.shutdown().await;
        }
    })
    .await;
    let checked = files.check_proxy(&server.url).await;
    checked.assert_failed("connect", &["closed the connection"], &[]);
    assert!(!checked.text.contains("docs.rs") && !checked.text.contains("close_notify"), "{}", checked.text);
}
