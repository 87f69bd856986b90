//! Faults of ports and handshakes, which act on a whole service, and those of the repository.

use std::io;

use qlik_sense_simulator::Fault;
use reqwest::{Method, StatusCode};
use rustls::{AlertDescription, CertificateError};
use tokio::io::AsyncReadExt;

use super::client::{SiteWithClient, hangs, rustls_error};

/// What a client meets that connects to node 1.
async fn met(site: &SiteWithClient) -> io::Error {
    site.connect("qps-1", site.tls()).await.err().unwrap()
}

#[tokio::test]
async fn refuse_closes_the_port_until_it_is_cleared() {
    let site = SiteWithClient::start().await;
    let port = site.url("qps-1");
    site.simulator.set_fault(1, None, Fault::Refuse).await.unwrap();
    assert_eq!(met(&site).await.kind(), io::ErrorKind::ConnectionRefused);
    site.json(Method::GET, "qps-2", "/qps/session").await;
    site.json(Method::GET, "qrs", "/qrs/about").await;

    site.simulator.clear_fault(1, None).await.unwrap();
    assert_eq!(site.url("qps-1"), port);
    site.json(Method::GET, "qps-1", "/qps/session").await;
}

#[tokio::test]
async fn refuse_handshake_ends_it_with_an_alert() {
    let site = SiteWithClient::start().await;
    site.simulator.set_fault(1, None, Fault::RefuseHandshake).await.unwrap();
    let error = met(&site).await;
    let expected = rustls::Error::AlertReceived(AlertDescription::AccessDenied);
    assert_eq!(rustls_error(&error), Some(&expected));
    site.simulator.clear_faults().await.unwrap();
    site.json(Method::GET, "qps-1", "/qps/session").await;
}

#[tokio::test]
async fn wrong_certificate_is_of_another_authority_and_for_the_right_names() {
    let site = SiteWithClient::start().await;
    site.simulator.set_fault(1, None, Fault::WrongCertificate).await.unwrap();
    let error = met(&site).await;
    assert_eq!(rustls_error(&error), Some(&CertificateError::UnknownIssuer.into()));
    site.simulator.set_fault(1, None, Fault::Hang).await.unwrap();
    site.connect("qps-1", site.tls()).await.unwrap();
}

#[tokio::test]
async fn open_connections_are_cut_when_the_port_or_the_handshake_changes() {
    let site = SiteWithClient::start().await;
    for fault in [Fault::Refuse, Fault::RefuseHandshake, Fault::WrongCertificate] {
        let mut open = site.connect("qps-1", site.tls()).await.unwrap();
        let mut other = site.connect("qps-2", site.tls()).await.unwrap();
        site.simulator.set_fault(1, None, fault).await.unwrap();
        assert!(!hangs(open.read(&mut [0])).await, "{fault}");
        assert!(hangs(other.read(&mut [0])).await, "{fault}");
        site.simulator.clear_faults().await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_of_answers_keeps_connections_open() {
    let site = SiteWithClient::start().await;
    let mut open = site.connect("qps-1", site.tls()).await.unwrap();
    site.simulator.set_fault(1, None, Fault::Html).await.unwrap();
    site.simulator.clear_faults().await.unwrap();
    assert!(hangs(open.read(&mut [0])).await);
}

#[tokio::test]
async fn a_stopped_node_stays_so_whatever_its_fault() {
    let site = SiteWithClient::start().await;
    site.simulator.stop_node(1).await;
    site.simulator.set_fault(1, None, Fault::WrongCertificate).await.unwrap();
    assert_eq!(met(&site).await.kind(), io::ErrorKind::ConnectionRefused);
    site.simulator.start_node(1).await.unwrap();
    assert_eq!(rustls_error(&met(&site).await), Some(&CertificateError::UnknownIssuer.into()));
    site.simulator.set_fault(1, None, Fault::Refuse).await.unwrap();
    site.simulator.start_node(1).await.unwrap();
    assert_eq!(met(&site).await.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn the_repository_may_fail_hang_or_be_gone_while_the_proxies_go_on() {
    let site = SiteWithClient::start().await;
    let repository = &site.simulator;
    repository.set_repository_fault(Some("500".parse().unwrap())).await.unwrap();
    let status = site.status(Method::GET, "qrs", "/qrs/proxyservice/full").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);

    repository.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    assert!(hangs(site.exchange("qrs", "/qrs/about")).await);

    repository.set_repository_fault(Some(Fault::Refuse)).await.unwrap();
    let error = site.connect("qrs", site.tls()).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    site.json(Method::GET, "qps-1", "/qps/session").await;
    repository.set_repository_fault(None).await.unwrap();
    site.json(Method::GET, "qrs", "/qrs/about").await;
}

#[tokio::test]
async fn open_connections_are_counted() {
    let site = SiteWithClient::start().await;
    let first = site.connect("qps-1", site.tls()).await.unwrap();
    let second = site.connect("qps-1", site.tls()).await.unwrap();
    assert_eq!([1, 2].map(|node| site.simulator.connections(node)), [2, 0]);
    drop((first, second));
    while site.simulator.connections(1) > 0 {
        tokio::task::yield_now().await;
    }
}
