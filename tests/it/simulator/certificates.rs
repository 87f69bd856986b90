//! Certificates of both sides, good ones and others.

use qlik_sense_simulator::{Authority, CertificateSet, Error, Leaf};
use reqwest::Method;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{KEY, SiteWithClient, options, rustls_error, tls};

/// The alert that a TLS client of this configuration gets, whether in its handshake or after it.
async fn alert(site: &SiteWithClient, config: ClientConfig) -> Option<AlertDescription> {
    let talk = async {
        let mut stream = site.connect("qps-1", config).await?;
        // With TLS 1.3 the client's handshake is over before the server has seen its certificate, and a
        // client may be busy writing when the alert comes.
        let request = format!("GET /qps/session?Xrfkey={KEY} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.get_ref().0.readable().await?;
        for _ in 0..8 {
            stream.write_all(&[b'x'; 4096]).await?;
            tokio::task::yield_now().await;
        }
        stream.read_to_end(&mut Vec::new()).await
    };
    match rustls_error(&talk.await.unwrap_err()) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_site_gets_an_alert_each_time() {
    let site = SiteWithClient::start().await;
    let foreign = tempfile::tempdir().unwrap();
    CertificateSet::new(vec!["localhost".into()]).unwrap().write(foreign.path()).unwrap();
    for _ in 0..20 {
        let without = alert(&site, tls(site.folder.path(), None)).await;
        assert_eq!(without, Some(AlertDescription::CertificateRequired));
        let of_another = alert(&site, tls(site.folder.path(), Some(foreign.path()))).await;
        assert!(
            matches!(of_another, Some(AlertDescription::UnknownCA | AlertDescription::DecryptError)),
            "{of_another:?}"
        );
    }
}

/// What a plain client reports of the certificate of a site that found this set of files.
async fn verdict(set: CertificateSet) -> Option<rustls::Error> {
    let folder = tempfile::tempdir().unwrap();
    set.write(folder.path()).unwrap();
    let site = SiteWithClient::within(folder, |_| {}).await;
    let error = site.connect("qps-1", site.tls()).await.err()?;
    Some(rustls_error(&error).unwrap().clone())
}

fn localhost() -> Leaf {
    Leaf::server(vec!["127.0.0.1".into(), "localhost".into()])
}

#[tokio::test]
async fn a_site_uses_the_certificates_that_are_there() {
    let authority = Authority::new("SENSE1-CA").unwrap();
    assert_eq!(verdict(CertificateSet::issued_by(&authority, &localhost()).unwrap()).await, None);
}

#[tokio::test]
async fn a_server_certificate_may_have_no_alternative_names() {
    let authority = Authority::new("SENSE1-CA").unwrap();
    let set = CertificateSet::issued_by(&authority, &localhost().without_alt_names()).unwrap();
    let found = verdict(set).await;
    let expected = matches!(
        &found,
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
            if presented.is_empty()
    );
    assert!(expected, "{found:?}");
}

#[tokio::test]
async fn a_server_certificate_may_be_for_another_host() {
    let authority = Authority::new("SENSE1-CA").unwrap();
    let server = Leaf::server(vec!["sense1.company.com".into()]);
    let found = verdict(CertificateSet::issued_by(&authority, &server).unwrap()).await;
    assert!(format!("{found:?}").contains("sense1.company.com"), "{found:?}");
}

#[tokio::test]
async fn a_server_certificate_may_have_expired() {
    let authority = Authority::new("SENSE1-CA").unwrap();
    let found = verdict(CertificateSet::issued_by(&authority, &localhost().expired()).unwrap()).await;
    let expired = matches!(
        found,
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ))
    );
    assert!(expired, "{found:?}");
}

#[tokio::test]
async fn a_server_certificate_may_be_of_another_authority() {
    let [own, other] = ["SENSE1-CA", "SENSE2-CA"].map(|name| Authority::new(name).unwrap());
    let set = CertificateSet::issued_by(&own, &localhost()).unwrap();
    let server = other.issue(&localhost()).unwrap();
    let found = verdict(CertificateSet { server, ..set }).await;
    assert_eq!(found, Some(CertificateError::UnknownIssuer.into()));
}

#[tokio::test]
async fn a_client_certificate_that_has_expired_is_refused_with_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("SENSE1-CA").unwrap();
    let set = CertificateSet::issued_by(&authority, &localhost()).unwrap();
    let client = authority.issue(&Leaf::client("QlikClient").expired()).unwrap();
    CertificateSet { client, ..set }.write(folder.path()).unwrap();
    let site = SiteWithClient::within(folder, |_| {}).await;
    assert_eq!(alert(&site, site.tls()).await, Some(AlertDescription::CertificateExpired));
}

#[tokio::test]
async fn the_clients_key_is_an_rsa_key_as_qlik_exports_it() {
    let site = SiteWithClient::start().await;
    let key = PrivateKeyDer::from_pem_file(site.folder.path().join("client_key.pem")).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    assert_eq!(key.algorithm(), rustls::SignatureAlgorithm::RSA);
}

#[tokio::test]
async fn new_certificates_are_for_the_nodes_host_names_too() {
    let site = SiteWithClient::with(|options| options.host_names = vec!["sense1.company.com".into()]).await;
    for name in ["sense1.company.com", "localhost", "127.0.0.1", "127.0.0.2"] {
        site.connect_as("qps-1", name, site.tls()).await.unwrap();
    }
    let proxies = site.json(Method::GET, "qrs", "/qrs/proxyservice/full").await;
    assert_eq!(proxies[0]["serverNodeConfiguration"]["hostName"], "sense1.company.com");
    assert_eq!(proxies[1]["serverNodeConfiguration"]["hostName"], "127.0.0.2");
}

#[tokio::test]
async fn half_a_set_of_certificates_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("root.pem"), Authority::new("CA").unwrap().pem()).unwrap();
    let error = qlik_sense_simulator::start(options(&folder, |_| {})).await.err().unwrap();
    assert!(matches!(error, Error::IncompleteSet { .. }), "{error}");
}
