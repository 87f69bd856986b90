//! The simulated site, spoken to over real mutual TLS the way its clients do.
#![cfg(feature = "simulator")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qlik_session_exporter::simulator::{
    self, Authority, CertificateSet, Error, Leaf, Options, Session, Simulator,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "abcdefghij987654";

/// A running site in a folder of its own, and a client that it trusts.
struct Site {
    simulator: Simulator,
    client: Client,
    folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = simulator::start(options(&folder, change)).await.unwrap();
        let client = client(folder.path());
        Self { simulator, client, folder }
    }

    /// `https://127.0.0.1:PORT` of a listener.
    fn url(&self, name: &str) -> String {
        let (_, url) = self.simulator.listeners().into_iter().find(|(found, _)| found == name).unwrap();
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// As our own exporter asks.
    fn ask(&self, method: Method, listener: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}?Xrfkey={KEY}", self.url(listener));
        let request = self.client.request(method, url).header("X-Qlik-Xrfkey", KEY);
        request.header("X-Qlik-User", "UserDirectory=INTERNAL; UserId=sa%5Fapi")
    }

    async fn json(&self, method: Method, listener: &str, path: &str) -> Value {
        let answer = self.ask(method, listener, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        read(answer).await
    }

    async fn status(&self, method: Method, listener: &str, path: &str) -> StatusCode {
        self.ask(method, listener, path).send().await.unwrap().status()
    }
}

async fn read(answer: reqwest::Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn options(folder: &TempDir, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options {
        certs: folder.path().to_owned(),
        qrs_port: 0,
        qps_port: 0,
        churn: 0.0,
        ..Options::default()
    };
    change(&mut options);
    options
}

fn pem<T: PemObject>(path: &Path) -> T {
    T::from_pem_file(path).unwrap()
}

/// Trusts the site's authority, and shows the certificate of `identity` when there is one.
fn tls(folder: &Path, identity: Option<&Path>) -> ClientConfig {
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

fn client(folder: &Path) -> Client {
    Client::builder().tls_backend_preconfigured(tls(folder, Some(folder))).no_proxy().build().unwrap()
}

fn session(id: &str) -> Session {
    Session {
        user_directory: "LAB".into(),
        user_id: "testuser_1".into(),
        user_name: None,
        attributes: vec![("group".into(), "Finance".into()), ("email".into(), String::new())],
        session_id: id.into(),
    }
}

fn session_json(id: &str) -> Value {
    json!({ "UserDirectory": "LAB", "UserId": "testuser_1", "UserName": null,
            "Attributes": [{ "group": "Finance" }, { "email": "" }], "SessionId": id })
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|session| session["SessionId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn butler_sos_gets_the_sessions_of_each_virtual_proxy() {
    let site = Site::start().await;
    for (virtual_proxy, path) in [("/", "/qps/session"), ("/sales", "/qps/sales/session")] {
        // Its request: no user, a header for itself, the key with a capital letter in the query.
        let url = format!("{}{path}?Xrfkey={KEY}", site.url("qps-1"));
        let request = site.client.get(url).header("Accept", "application/json, text/plain, */*");
        let request = request.header("Cache-Control", "no-cache").header("Content-Type", "application/json");
        let request = request.header("X-Qlik-Xrfkey", KEY).header("XVirtualProxy", virtual_proxy);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
        let list = read(answer).await;
        let expected = site.simulator.sessions(1, virtual_proxy);
        assert!(!expected.is_empty());
        assert_eq!(list, serde_json::to_value(expected).unwrap());
    }
}

/// As Ctrl-Q asks: everything about the key and the header in lower case, the user's values as they are.
fn ctrl_q(site: &Site, method: Method, base: &str, path: &str, more: &str) -> RequestBuilder {
    let request = site.client.request(method, format!("{base}{path}?xrfkey={KEY}{more}"));
    request.header("x-qlik-xrfkey", KEY).header("X-Qlik-User", "UserDirectory=Internal;UserId=sa_api")
}

async fn body(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await
}

#[tokio::test]
async fn ctrl_q_finds_the_proxies_and_lists_and_deletes_their_sessions() {
    let site = Site::with(|options| options.nodes = 1).await;
    let qrs = site.url("qrs");
    let virtual_proxies = body(ctrl_q(&site, Method::GET, &qrs, "/qrs/virtualproxyconfig/full", "")).await;
    let proxies = body(ctrl_q(&site, Method::GET, &qrs, "/qrs/proxyservice/full", "")).await;
    let proxy = &proxies[0];
    let host = proxy["serverNodeConfiguration"]["hostName"].as_str().unwrap();
    let base = format!("https://{host}:{}", proxy["settings"]["restListenPort"]);

    let mut total = 0;
    for virtual_proxy in virtual_proxies.as_array().unwrap() {
        let links = proxy["settings"]["virtualProxies"].as_array().unwrap();
        assert!(links.iter().any(|link| link["id"] == virtual_proxy["id"]));
        // The default virtual proxy makes two slashes here.
        let path = format!("/qps/{}/session", virtual_proxy["prefix"].as_str().unwrap());
        total += ids(&body(ctrl_q(&site, Method::GET, &base, &path, "")).await).len();
    }
    assert_eq!(total, Options::default().sessions);

    let id = site.simulator.sessions(1, "sales")[0].session_id.clone();
    let path = format!("/qps/sales/session/{id}");
    body(ctrl_q(&site, Method::DELETE, &base, &path, "")).await;
    let again = ctrl_q(&site, Method::DELETE, &base, &path, "").send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ctrl_q_filters_virtual_proxies_by_prefix() {
    let site = Site::start().await;
    for (filter, expected) in [
        ("prefix%20eq%20'sales'", vec!["sales"]),
        ("prefix%20eq%20''%20or%20prefix%20eq%20'finance'", vec!["", "finance"]),
        ("prefix%20eq%20%27nowhere%27", vec![]),
    ] {
        let path = "/qrs/virtualproxyconfig/full";
        let filter = format!("&filter={filter}");
        let found = body(ctrl_q(&site, Method::GET, &site.url("qrs"), path, &filter)).await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(|v| v["prefix"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn the_repository_tells_its_version_and_its_objects_whole() {
    let site = Site::start().await;
    let about = site.json(Method::GET, "qrs", "/qrs/about").await;
    assert_eq!(about["buildVersion"], "32.25.0.0");

    let proxies = site.json(Method::GET, "qrs", "/qrs/proxyservice/full").await;
    assert_eq!(proxies.as_array().unwrap().len(), 2);
    for (number, proxy) in (1..).zip(proxies.as_array().unwrap()) {
        let url = site.url(&format!("qps-{number}"));
        let host = proxy["serverNodeConfiguration"]["hostName"].as_str().unwrap();
        assert_eq!(url, format!("https://{host}:{}", proxy["settings"]["restListenPort"]));
        assert_eq!(proxy["settings"]["listenPort"], 443);
        for member in
            ["createdDate", "modifiedDate", "modifiedByUserName", "tags", "privileges", "schemaPath"]
        {
            assert!(proxy.get(member).is_some(), "{member}");
        }
    }
    assert_eq!(proxies[0]["serverNodeConfiguration"]["name"], "Central");

    let sales = &site.json(Method::GET, "qrs", "/qrs/virtualproxyconfig/full").await[1];
    assert_eq!(sales["prefix"], "sales");
    assert_eq!(sales["sessionCookieHeaderName"], "X-Qlik-Session-sales");
    assert_eq!(sales["sessionInactivityTimeout"], 30);
    assert_eq!(sales["defaultVirtualProxy"], false);
    // Where users are sent on to, which is not where they came in.
    assert_eq!(sales["loadBalancingServerNodes"][0]["name"], "Node2");
    assert_eq!(sales["loadBalancingServerNodes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_repository_refuses_a_request_without_a_user_and_a_proxy_service_does_not() {
    let site = Site::start().await;
    for (listener, path, expected) in
        [("qrs", "/qrs/about", StatusCode::FORBIDDEN), ("qps-1", "/qps/session", StatusCode::OK)]
    {
        let url = format!("{}{path}?Xrfkey={KEY}", site.url(listener));
        let answer = site.client.get(url).header("X-Qlik-Xrfkey", KEY).send().await.unwrap();
        assert_eq!(answer.status(), expected);
    }
}

#[tokio::test]
async fn a_missing_or_wrong_xrfkey_is_refused_everywhere() {
    let site = Site::start().await;
    for (listener, path) in [("qps-1", "/qps/session"), ("qps-2", "/qps/alive"), ("qrs", "/qrs/about")] {
        for (query, header) in [
            ("", Some(KEY)),
            ("?Xrfkey=abcdefghij987654", None),
            ("?Xrfkey=abcdefghij987655", Some(KEY)),
            ("?Xrfkey=short", Some("short")),
        ] {
            let mut request = site.client.get(format!("{}{path}{query}", site.url(listener)));
            request = request.header("X-Qlik-User", "UserDirectory=INTERNAL; UserId=sa_api");
            if let Some(header) = header {
                request = request.header("X-Qlik-Xrfkey", header);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path} {query}");
            let text = answer.text().await.unwrap();
            assert_eq!(text, "XSRF prevention check failed. Possible XSRF discovered.");
        }
    }
    assert_eq!(site.simulator.list_queries(1, ""), 0);
}

#[tokio::test]
async fn a_proxy_service_is_alive() {
    let site = Site::start().await;
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/alive").await, json!(true));
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_done_is_refused() {
    let site = Site::start().await;
    for path in ["/qps/nowhere/session", "/qps/Sales/session", "/qps", "/qps/sales", "/qps/session/none", "/"]
    {
        assert_eq!(site.status(Method::GET, "qps-1", path).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(site.status(Method::GET, "qrs", "/qrs/app/full").await, StatusCode::NOT_FOUND);
    assert_eq!(site.status(Method::GET, "qrs", "/qps/session").await, StatusCode::NOT_FOUND);
    assert_eq!(site.status(Method::PUT, "qps-1", "/qps/session").await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.status(Method::DELETE, "qps-1", "/qps/session").await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_session_is_added_read_and_deleted() {
    let site = Site::with(|options| options.sessions = 0).await;
    let post = site.ask(Method::POST, "qps-2", "/qps/sales/session");
    let post = post.header("Content-Type", "application/json").body(session_json("one").to_string());
    assert_eq!(post.send().await.unwrap().status(), StatusCode::CREATED);
    site.simulator.open_session(2, "/sales", session("two"));

    let one = site.json(Method::GET, "qps-2", "/qps/sales/session/one").await;
    assert_eq!(one, session_json("one"));
    let list = site.json(Method::GET, "qps-2", "/qps/sales/session").await;
    assert_eq!(list, json!([session_json("one"), session_json("two")]));
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/sales/session").await, json!([]));
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/session").await, json!([]));

    let gone = site.json(Method::DELETE, "qps-2", "/qps/sales/session/one").await;
    assert_eq!(gone, json!({ "Session": session_json("one"), "LastSessionForUser": false }));
    let gone = site.json(Method::DELETE, "qps-2", "/qps/sales/session/two").await;
    assert_eq!(gone, json!({ "Session": session_json("two"), "LastSessionForUser": true }));
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/sales/session").await, json!([]));
}

#[tokio::test]
async fn a_body_that_is_no_session_is_refused() {
    let site = Site::start().await;
    for body in ["", "[]", "{}", r#"{"UserDirectory":"LAB","UserId":"anna","SessionId":""}"#] {
        let answer = site.ask(Method::POST, "qps-1", "/qps/session").body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_users_sessions_are_listed_and_ended_together() {
    let site = Site::with(|options| options.sessions = 0).await;
    let other = Session { user_id: "testuser_2".into(), ..session("other") };
    for session in [session("one"), other, session("two")] {
        site.simulator.open_session(1, "", session);
    }
    let both = json!([session_json("one"), session_json("two")]);
    for path in ["/qps/user/LAB/testuser_1", "/qps//user/LAB/testuser_1"] {
        assert_eq!(site.json(Method::GET, "qps-1", path).await, both);
    }
    assert_eq!(site.json(Method::DELETE, "qps-1", "/qps/user/LAB/testuser_1").await, both);
    assert_eq!(site.json(Method::DELETE, "qps-1", "/qps/user/LAB/testuser_1").await, json!([]));
    assert_eq!(ids(&site.json(Method::GET, "qps-1", "/qps/session").await), ["other"]);
}

#[tokio::test]
async fn any_id_that_is_percent_encoded_is_found() {
    let site = Site::with(|options| options.sessions = 0).await;
    for id in ["a/b", "100%", "a b", "%2F", "сессия", "会話", "?x=1&y#z", "session", "\u{202e}mirror", "a\\b"]
    {
        site.simulator.open_session(1, "sales", Session { user_id: id.into(), ..session(id) });
        let encoded =
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string();
        let path = format!("/qps/sales/session/{encoded}");
        assert_eq!(site.json(Method::GET, "qps-1", &path).await["SessionId"], id);
        let path = format!("/qps/sales/user/LAB/{encoded}");
        assert_eq!(ids(&site.json(Method::GET, "qps-1", &path).await), [id]);
        let path = format!("/qps/sales/session/{encoded}");
        assert_eq!(site.json(Method::DELETE, "qps-1", &path).await["Session"]["UserId"], id);
    }
    assert!(site.simulator.sessions(1, "sales").is_empty());
}

#[tokio::test]
async fn a_prefix_of_an_old_version_may_hold_slashes() {
    let site = Site::with(|options| options.virtual_proxies = vec!["/".into(), "emea/sales".into()]).await;
    let list = site.json(Method::GET, "qps-1", "/qps/emea/sales/session").await;
    assert_eq!(ids(&list).len(), site.simulator.sessions(1, "/emea/sales").len());
    assert_eq!(site.simulator.list_queries(1, "emea/sales"), 1);
    assert_eq!(site.status(Method::GET, "qps-1", "/qps/emea/session").await, StatusCode::NOT_FOUND);
}

/// The alert that a TLS client of this configuration gets, whether in its handshake or after it.
async fn alert(site: &Site, config: ClientConfig) -> Option<AlertDescription> {
    let address = site.url("qps-1").replace("https://", "");
    let tcp = TcpStream::connect(&address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let talk = async {
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
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
    let error = talk.await.unwrap_err();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_without_certificate_or_of_another_authority_gets_an_alert_each_time() {
    let site = Site::start().await;
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

#[tokio::test]
async fn a_site_uses_the_certificates_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("SENSE1-CA").unwrap();
    let server = Leaf::server(vec!["sense1.company.com".into()]);
    CertificateSet::issued_by(&authority, &server).unwrap().write(folder.path()).unwrap();
    let simulator = simulator::start(options(&folder, |_| {})).await.unwrap();
    let site = Site { simulator, client: client(folder.path()), folder };
    let error = site.ask(Method::GET, "qps-1", "/qps/session").send().await.unwrap_err();
    assert!(format!("{error:?}").contains("sense1.company.com"), "{error:?}");
}

#[tokio::test]
async fn half_a_set_of_certificates_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("root.pem"), Authority::new("CA").unwrap().pem()).unwrap();
    let error = simulator::start(options(&folder, |_| {})).await.err().unwrap();
    assert!(matches!(error, Error::HalfSet { .. }), "{error}");
}

#[tokio::test]
async fn the_same_seed_is_the_same_site_and_another_is_another() {
    let everything = async |seed| {
        let site = Site::with(|options| options.seed = seed).await;
        let mut all = vec![site.json(Method::GET, "qrs", "/qrs/virtualproxyconfig/full").await];
        for (node, path) in [("qps-1", "/qps/session"), ("qps-2", "/qps/finance/session")] {
            all.push(site.json(Method::GET, node, path).await);
        }
        all
    };
    let first = everything(7).await;
    assert_eq!(first, everything(7).await);
    assert!(first.iter().zip(everything(8).await).all(|(one, other)| *one != other));
}

#[tokio::test]
async fn sessions_come_and_go() {
    let site = Site::with(|options| options.churn = 50.0).await;
    let first = site.json(Method::GET, "qps-1", "/qps/session").await;
    let (mut came, mut went) = (false, false);
    while !(came && went) {
        let now = site.json(Method::GET, "qps-1", "/qps/session").await;
        let (before, now) = (ids(&first), ids(&now));
        came |= now.iter().any(|id| !before.contains(id));
        went |= before.iter().any(|id| !now.contains(id));
    }
}

#[tokio::test]
async fn requests_are_held_back_together_and_counted() {
    let site = Site::start().await;
    let latency = Duration::from_millis(300);
    site.simulator.set_latency(latency);
    let begun = Instant::now();
    let requests = (0..5).map(|n| {
        let path = if n < 3 { "/qps/session" } else { "/qps/sales/session" };
        site.ask(Method::GET, "qps-1", path).send()
    });
    for answer in futures::future::join_all(requests).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert!(begun.elapsed() >= latency);
    assert_eq!(site.simulator.most_in_flight(1), 5);
    assert_eq!(site.simulator.most_in_flight(2), 0);
    assert_eq!(site.simulator.list_queries(1, "/"), 3);
    assert_eq!(site.simulator.list_queries(1, "sales"), 2);
    assert_eq!(site.simulator.list_queries(2, "sales"), 0);
}

#[tokio::test]
async fn requests_one_after_the_other_are_never_two_in_flight() {
    let site = Site::with(|options| options.sessions = 5000).await;
    for _ in 0..20 {
        site.json(Method::GET, "qps-1", "/qps/session").await;
    }
    assert_eq!(site.simulator.most_in_flight(1), 1);
}

#[tokio::test]
async fn a_list_of_100_000_sessions_is_written_once_and_then_only_where_it_changed() {
    let site = Site::with(|options| {
        options.nodes = 1;
        options.virtual_proxies = vec![String::new()];
        options.sessions = 100_000;
        options.users = 30_000;
    })
    .await;
    let list = site.json(Method::GET, "qps-1", "/qps/session").await;
    assert_eq!(ids(&list).len(), 100_000);
    assert_eq!(site.simulator.sessions_rendered(1, ""), 100_000);

    let first = ids(&list)[0].to_owned();
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/session").await, list);
    assert_eq!(site.simulator.sessions_rendered(1, ""), 100_000);

    assert!(site.simulator.close_session(1, "", &first));
    site.simulator.open_session(1, "", session("new"));
    let changed = site.json(Method::GET, "qps-1", "/qps/session").await;
    assert_eq!(ids(&changed).len(), 100_000);
    assert!(!ids(&changed).contains(&first.as_str()) && ids(&changed).contains(&"new"));
    assert!(site.simulator.sessions_rendered(1, "") < 102_000);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let site = Site::start().await;
    let tcp = TcpStream::connect(site.url("qps-1").replace("https://", "")).await.unwrap();
    let config = Arc::new(tls(site.folder.path(), Some(site.folder.path())));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
    for _ in 0..3 {
        let request =
            format!("GET /qps/alive?xrfkey={KEY} HTTP/1.1\r\nHost: x\r\nX-Qlik-Xrfkey: {KEY}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("true") {
            let mut some = [0; 1024];
            let read = stream.read(&mut some).await.unwrap();
            assert_ne!(read, 0, "the connection was closed");
            answer.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_stopped_node_refuses_connections_and_comes_back_on_its_port_with_its_sessions() {
    let site = Site::start().await;
    let before = site.json(Method::GET, "qps-2", "/qps/session").await;
    site.simulator.stop_node(2).await;
    let error = site.ask(Method::GET, "qps-2", "/qps/session").send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    site.json(Method::GET, "qps-1", "/qps/session").await;
    site.json(Method::GET, "qrs", "/qrs/about").await;
    site.simulator.start_node(2).await.unwrap();
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/session").await, before);
}

#[tokio::test]
async fn stopping_a_node_ends_what_is_on_its_way() {
    let site = Site::start().await;
    site.simulator.set_latency(Duration::from_secs(600));
    let request = tokio::spawn(site.ask(Method::GET, "qps-1", "/qps/session").send());
    while site.simulator.list_queries(1, "") == 0 {
        tokio::task::yield_now().await;
    }
    site.simulator.stop_node(1).await;
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn everything_ends_within_a_second() {
    let site = Site::with(|options| options.churn = 1.0).await;
    site.json(Method::GET, "qrs", "/qrs/about").await;
    site.simulator.set_latency(Duration::from_secs(600));
    let held = tokio::spawn(site.ask(Method::GET, "qps-1", "/qps/session").send());
    while site.simulator.list_queries(1, "") == 0 {
        tokio::task::yield_now().await;
    }
    let address = site.url("qps-1").replace("https://", "");
    tokio::time::timeout(Duration::from_secs(1), site.simulator.shutdown()).await.unwrap();
    assert!(held.await.unwrap().is_err());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_told_with_name_and_address() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = simulator::start(options(&folder, |options| options.qps_port = address.port())).await;
    let message = error.err().unwrap().to_string();
    assert!(message.starts_with(&format!("qps-1 cannot listen on {address}: ")), "{message}");
    assert!(message.contains("--qps-port"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[tokio::test]
async fn a_site_without_users_or_sessions_answers_with_empty_lists() {
    let site = Site::with(|options| (options.sessions, options.users) = (0, 0)).await;
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/session").await, json!([]));
}

#[tokio::test]
async fn the_configuration_beside_the_certificates_names_every_listener() {
    let site = Site::start().await;
    assert_eq!(site.simulator.config_file(), site.folder.path().join("config.toml"));
    let text = std::fs::read_to_string(site.simulator.config_file()).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let proxies = config["site"]["simulated"]["proxy"].as_table().unwrap();
    let urls: Vec<_> = proxies.values().map(|proxy| proxy["url"].as_str().unwrap()).collect();
    assert_eq!(urls, [site.url("qps-1"), site.url("qps-2")]);
}

#[tokio::test]
async fn the_command_runs_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = options(&folder, |_| {});
    let config = folder.path().join("config.toml");
    let command = tokio::spawn(qlik_session_exporter::command::simulate::run(options, async {
        let _ = stopped.await;
    }));
    while !config.exists() {
        tokio::task::yield_now().await;
    }
    assert!(!command.is_finished());
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(2), command).await.unwrap().unwrap().unwrap();
}
