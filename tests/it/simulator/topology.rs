//! Nodes, virtual proxies and the links between them, at the start and while the site runs.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};

use super::client::{SiteWithClient, ids, session};

/// What the repository returns: each proxy service's port and the prefixes that it links.
async fn reported(site: &SiteWithClient) -> BTreeMap<String, (u64, Vec<String>)> {
    let proxies = site.json(Method::GET, "qrs", "/qrs/proxyservice/full").await;
    let proxies = proxies.as_array().unwrap().iter().map(|proxy| {
        let links = proxy["settings"]["virtualProxies"].as_array().unwrap();
        let links = links.iter().map(|link| link["prefix"].as_str().unwrap().to_owned()).collect();
        let name = proxy["serverNodeConfiguration"]["name"].as_str().unwrap();
        (name.to_owned(), (proxy["settings"]["restListenPort"].as_u64().unwrap(), links))
    });
    proxies.collect()
}

async fn links(site: &SiteWithClient, node: &str) -> Vec<String> {
    reported(site).await.remove(node).unwrap().1
}

async fn prefixes(site: &SiteWithClient) -> Vec<String> {
    let found = site.json(Method::GET, "qrs", "/qrs/virtualproxyconfig/full").await;
    found.as_array().unwrap().iter().map(|v| v["prefix"].as_str().unwrap().to_owned()).collect()
}

async fn uneven() -> SiteWithClient {
    SiteWithClient::with(|options| {
        options.nodes = 3;
        options.links = vec![vec!["/".into(), "sales".into()], vec!["/sales".into()], vec![]];
    })
    .await
}

#[tokio::test]
async fn nodes_may_link_different_virtual_proxies_and_leave_one_unlinked() {
    let site = uneven().await;
    assert_eq!(prefixes(&site).await, ["", "sales", "finance"]);
    assert_eq!(links(&site, "Central").await, ["", "sales"]);
    assert_eq!(links(&site, "Node2").await, ["sales"]);
    assert!(links(&site, "Node3").await.is_empty());
    for (listener, path, expected) in [
        ("qps-1", "/qps/session", StatusCode::OK),
        ("qps-1", "/qps/finance/session", StatusCode::NOT_FOUND),
        ("qps-2", "/qps/sales/session", StatusCode::OK),
        ("qps-2", "/qps/session", StatusCode::NOT_FOUND),
        ("qps-3", "/qps/sales/session", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(site.status(Method::GET, listener, path).await, expected, "{listener} {path}");
    }
}

#[tokio::test]
async fn all_sessions_find_a_place_on_uneven_links() {
    let site = uneven().await;
    let pairs = [(1, ""), (1, "sales"), (2, "sales")];
    let counts = pairs.map(|(node, prefix)| site.simulator.sessions(node, prefix).len());
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 80);
}

#[tokio::test]
async fn an_added_node_is_listed_and_answers_on_its_own_port() {
    let site = SiteWithClient::start().await;
    let number = site.simulator.add_node(&["/", "sales"]).await.unwrap();
    assert_eq!(number, 3);
    site.simulator.open_session(3, "sales", session("one"));
    let list = site.json(Method::GET, "qps-3", "/qps/sales/session").await;
    assert_eq!(ids(&list), ["one"]);
    let (port, links) = reported(&site).await.remove("Node3").unwrap();
    assert_eq!(links, ["", "sales"]);
    // By the address and with the name check of an ordinary client.
    assert_eq!(site.url("qps-3"), format!("https://127.0.0.3:{port}"));
}

#[tokio::test]
async fn a_node_that_would_link_what_is_not_there_is_refused() {
    let site = SiteWithClient::start().await;
    let error = site.simulator.add_node(&["sales", "hr"]).await.unwrap_err().to_string();
    assert_eq!(error, r#"there is no virtual proxy "hr" (there are "", "sales", "finance")"#);
    assert_eq!(reported(&site).await.len(), 2);
}

#[tokio::test]
async fn a_removed_node_is_unlisted_closed_and_its_number_is_not_reused() {
    let site = SiteWithClient::start().await;
    let request = site.request(Method::GET, "qps-2", "/qps/session");
    assert!(site.simulator.remove_node(2).await);
    assert!(request.send().await.unwrap_err().is_connect());
    assert!(!reported(&site).await.contains_key("Node2"));
    assert!(site.simulator.listeners().iter().all(|(name, _)| name != "qps-2"));
    assert!(!site.simulator.remove_node(2).await);
    assert_eq!(site.simulator.add_node(&[]).await.unwrap(), 3);
}

#[tokio::test]
async fn virtual_proxies_are_added_linked_unlinked_and_removed_at_run_time() {
    let site = SiteWithClient::start().await;
    let path = "/qps/emea/hr/session";
    assert!(site.simulator.add_virtual_proxy("/emea/hr").unwrap());
    assert!(!site.simulator.add_virtual_proxy("emea/hr").unwrap());
    assert_eq!(prefixes(&site).await, ["", "sales", "finance", "emea/hr"]);
    assert_eq!(site.status(Method::GET, "qps-1", path).await, StatusCode::NOT_FOUND);

    assert!(site.simulator.link(1, "emea/hr"));
    assert!(site.simulator.open_session(1, "emea/hr", session("one")));
    assert_eq!(ids(&site.json(Method::GET, "qps-1", path).await), ["one"]);
    assert_eq!(links(&site, "Central").await, ["", "sales", "finance", "emea/hr"]);
    assert_eq!(links(&site, "Node2").await, ["", "sales", "finance"]);

    assert!(site.simulator.unlink(1, "emea/hr"));
    assert!(!site.simulator.unlink(1, "emea/hr"));
    assert_eq!(site.status(Method::GET, "qps-1", path).await, StatusCode::NOT_FOUND);
    assert!(prefixes(&site).await.contains(&"emea/hr".to_owned()));

    assert!(site.simulator.remove_virtual_proxy("sales"));
    assert_eq!(links(&site, "Node2").await, ["", "finance"]);
    assert_eq!(prefixes(&site).await, ["", "finance", "emea/hr"]);
}

#[tokio::test]
async fn what_cannot_be_linked_is_not() {
    let site = SiteWithClient::start().await;
    assert!(!site.simulator.link(1, "nowhere"));
    assert!(!site.simulator.link(9, "sales"));
    assert!(site.simulator.add_virtual_proxy("HR").is_err());
}

#[tokio::test]
async fn the_configuration_for_discovery_names_the_repository_alone() {
    let site = SiteWithClient::with(|options| options.discovery = true).await;
    let text = std::fs::read_to_string(site.simulator.config_file()).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let simulated = &config["site"]["simulated"];
    assert_eq!(simulated["repository"].as_str(), Some(site.url("qrs").as_str()));
    assert!(simulated.get("proxy").is_none());
}
