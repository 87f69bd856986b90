//! The control address, as people use it with curl.

use qlik_sense_simulator::{FAULTS, Options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::docs;

use super::client::{SiteWithClient, hangs, ids, options};

async fn controlled() -> SiteWithClient {
    SiteWithClient::with(|options| options.control_port = Some(0)).await
}

async fn send(site: &SiteWithClient, method: Method, path: &str) -> (StatusCode, String) {
    let answer = site.client.request(method, format!("{}{path}", site.url("control"))).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn state(site: &SiteWithClient) -> Value {
    let (status, text) = send(site, Method::GET, "/state").await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn there_is_no_control_port_by_default() {
    assert_eq!(Options::default().control_port, None);
    let site = SiteWithClient::start().await;
    assert!(site.simulator.listeners().iter().all(|(name, _)| name != "control"));
}

#[tokio::test]
async fn it_is_plain_http_on_loopback_whatever_the_sites_address() {
    let site = SiteWithClient::with(|options| {
        options.host = [127, 0, 0, 7].into();
        options.control_port = Some(0);
    })
    .await;
    assert!(site.url("control").starts_with("http://127.0.0.1:"), "{}", site.url("control"));
    assert_eq!(state(&site).await["nodes"][0]["url"], format!("{}/", site.url("qps-1")));
}

#[tokio::test]
async fn it_explains_itself_and_every_fault() {
    let site = controlled().await;
    let (status, text) = send(&site, Method::GET, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains(&format!("curl -X PUT \"{}/fault/1/sales?kind=503\"", site.url("control"))),
        "{text}"
    );
    for kind in FAULTS {
        assert!(text.contains(&format!("  {}", kind.name)) && text.contains(kind.does), "{}", kind.name);
    }
}

#[test]
fn the_documentation_lists_the_same_faults() {
    let page = docs::text("docs/simulator.md");
    let (_, after) = page.split_once("| kind | what the service does |\n| --- | --- |\n").unwrap();
    let reported: Vec<_> = after.lines().take_while(|line| line.starts_with('|')).collect();
    let expected = FAULTS.iter().map(|kind| {
        let argument = kind.argument.map_or_else(String::new, |argument| format!("[:{argument}]"));
        format!("| `{}{argument}` | {} |", kind.name, kind.does)
    });
    assert_eq!(reported, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_are_set_listed_and_cleared() {
    let site = controlled().await;
    for (path, kind) in
        [("1/sales", "503"), ("qps-2/", "hang"), ("2/*", "wrong-certificate"), ("qrs/*", "latency:2s")]
    {
        let (status, text) = send(&site, Method::PUT, &format!("/fault/{path}?kind={kind}")).await;
        assert_eq!((status, text), (StatusCode::OK, format!("{kind} is set\n")), "{path}");
    }
    let faults = json!([
        { "node": "qrs", "virtual_proxy": "*", "kind": "latency:2s" },
        { "node": "1", "virtual_proxy": "/sales", "kind": "503" },
        { "node": "2", "virtual_proxy": "*", "kind": "wrong-certificate" },
        { "node": "2", "virtual_proxy": "/", "kind": "hang" },
    ]);
    assert_eq!(state(&site).await["faults"], faults);
    let sales = "/qps/sales/session";
    assert_eq!(site.status(Method::GET, "qps-1", sales).await, StatusCode::SERVICE_UNAVAILABLE);

    for expected in ["cleared\n", "there was none\n"] {
        let cleared = send(&site, Method::DELETE, "/fault/1/sales").await;
        assert_eq!(cleared, (StatusCode::OK, expected.to_owned()));
    }
    assert_eq!(site.status(Method::GET, "qps-1", sales).await, StatusCode::OK);
    assert_eq!(send(&site, Method::DELETE, "/fault").await.0, StatusCode::OK);
    assert_eq!(state(&site).await["faults"], json!([]));
    site.json(Method::GET, "qps-2", "/qps/session").await;
}

#[tokio::test]
async fn a_prefix_with_slashes_has_faults_of_its_own() {
    let site = SiteWithClient::with(|options| {
        options.virtual_proxies = vec!["/".into(), "emea/sales".into()];
        options.control_port = Some(0);
    })
    .await;
    assert_eq!(send(&site, Method::PUT, "/fault/1/emea/sales?kind=hang").await.0, StatusCode::OK);
    assert!(hangs(site.exchange("qps-1", "/qps/emea/sales/session")).await);
    site.json(Method::GET, "qps-1", "/qps/session").await;
}

#[tokio::test]
async fn the_state_has_queries_deliveries_and_connections() {
    let site = controlled().await;
    let list = site.json(Method::GET, "qps-1", "/qps/sales/session").await;
    let state = state(&site).await;
    let node = &state["nodes"][0];
    assert_eq!((&node["name"], &node["connections"]), (&json!("Central"), &json!(1)));
    let sales = &node["virtual_proxies"][2];
    assert_eq!(sales["virtual_proxy"], "/sales");
    for (member, expected) in [("queries", 1), ("full_bodies", 1), ("finishing", 0)] {
        assert_eq!(sales[member], expected, "{member}");
    }
    assert_eq!(sales["sessions"], ids(&list).len());
    assert_eq!(sales["last"]["sessions"], ids(&list).len());
    assert_eq!(sales["last"]["users"], site.simulator.delivery(1, "sales").unwrap().last.unwrap().users);
    assert_eq!(state["nodes"][1]["virtual_proxies"][2]["last"], Value::Null);
}

#[tokio::test]
async fn sessions_of_a_user_are_opened_and_ended() {
    let site = SiteWithClient::with(|options| (options.sessions, options.control_port) = (0, Some(0))).await;
    let path = r"/sessions?node=2&prefix=/sales&user=LAB%5Cz%C3%B6e%5Cx&count=5";
    assert_eq!(send(&site, Method::POST, path).await, (StatusCode::CREATED, "5 opened\n".to_owned()));
    let list = site.json(Method::GET, "qps-2", "/qps/sales/session").await;
    assert_eq!(ids(&list).len(), 5);
    assert_eq!((&list[4]["UserDirectory"], &list[4]["UserId"]), (&json!("LAB"), &json!(r"zöe\x")));
    assert_eq!(send(&site, Method::DELETE, path).await, (StatusCode::OK, "5 ended\n".to_owned()));
    assert!(site.simulator.sessions(2, "sales").is_empty());

    // On the first node's default virtual proxy, one session.
    assert_eq!(send(&site, Method::POST, r"/sessions?user=LAB%5Canna").await.0, StatusCode::CREATED);
    assert_eq!(site.simulator.sessions(1, "").len(), 1);
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_reason() {
    let site = controlled().await;
    for (method, path, status, reason) in [
        (Method::PUT, "/fault/1/sales?kind=hangs", 400, r#"there is no fault "hangs" (there are hang, "#),
        (Method::PUT, "/fault/1/sales?kind=latency:soon", 400, r#""soon" is no argument for latency"#),
        (Method::PUT, "/fault/1/sales", 400, "kind"),
        (Method::PUT, "/fault/1/sales?kind=refuse", 400, "refuse acts on a whole node"),
        (Method::PUT, "/fault/1/hr?kind=hang", 404, r#"node 1 does not link a virtual proxy "hr""#),
        (Method::PUT, "/fault/3/*?kind=hang", 404, "there is no node 3 (the nodes are [1, 2])"),
        (Method::PUT, "/fault/one/*?kind=hang", 400, r#""one" is no node (1, 2, "#),
        (Method::PUT, "/fault/qrs/sales?kind=hang", 400, "qrs/*"),
        (Method::POST, "/sessions?user=anna", 400, r"DIRECTORY\ID"),
        (Method::POST, "/sessions?prefix=hr&user=LAB%5Canna", 404, "does not link"),
        (Method::POST, "/sessions?user=LAB%5Canna&count=10001", 400, "10000 at most"),
        (Method::POST, "/sessions", 400, "user"),
        (Method::GET, "/faults", 404, "see GET /"),
    ] {
        let (found, text) = send(&site, method, path).await;
        assert_eq!(found.as_u16(), status, "{path}: {text}");
        assert!(text.contains(reason), "{path}: {text}");
    }
    assert_eq!(state(&site).await["faults"], json!([]));
}

#[tokio::test]
async fn it_ends_with_the_site() {
    let site = controlled().await;
    let address = site.url("control").replace("http://", "");
    // A connection that is kept open does not hold the end up.
    state(&site).await;
    tokio::time::timeout(std::time::Duration::from_secs(1), site.simulator.shutdown()).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_control_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let error =
        qlik_sense_simulator::start(options(&folder, |options| options.control_port = Some(port))).await;
    let message = error.err().unwrap().to_string();
    let expected = format!("the control address cannot listen on 127.0.0.1:{port}: ");
    assert!(message.starts_with(&expected) && message.contains("--control-port"), "{message}");
}
