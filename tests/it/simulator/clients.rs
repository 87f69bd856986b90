//! Every request as other clients of Qlik Sense write it.

use qlik_sense_simulator::Options;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::client::{KEY, SiteWithClient, ids, read};

#[tokio::test]
async fn butler_sos_gets_the_sessions_of_each_virtual_proxy() {
    let site = SiteWithClient::start().await;
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

/// As Ctrl-Q does: everything about the key and the header in lower case, the user's values as they are.
fn ctrl_q(site: &SiteWithClient, method: Method, base: &str, path: &str, more: &str) -> RequestBuilder {
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
    let site = SiteWithClient::with(|options| options.nodes = 1).await;
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
    let site = SiteWithClient::start().await;
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
