//! Starting, stopping, and what is left behind.

use std::time::Duration;

use reqwest::Method;
use tokio::net::{TcpListener, TcpStream};

use super::client::{SiteWithClient, options};

#[tokio::test]
async fn a_stopped_node_comes_back_on_its_port_with_its_sessions() {
    let site = SiteWithClient::start().await;
    let before = site.json(Method::GET, "qps-2", "/qps/session").await;
    site.simulator.stop_node(2).await;
    let error = site.request(Method::GET, "qps-2", "/qps/session").send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    site.json(Method::GET, "qps-1", "/qps/session").await;
    site.json(Method::GET, "qrs", "/qrs/about").await;
    site.simulator.start_node(2).await.unwrap();
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/session").await, before);
}

#[tokio::test]
async fn stopping_a_node_ends_what_is_on_its_way() {
    let site = SiteWithClient::start().await;
    site.simulator.set_latency(Duration::from_secs(600));
    let request = tokio::spawn(site.request(Method::GET, "qps-1", "/qps/session").send());
    while site.simulator.list_queries(1, "") == 0 {
        tokio::task::yield_now().await;
    }
    site.simulator.stop_node(1).await;
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn everything_ends_within_a_second() {
    let site = SiteWithClient::with(|options| options.churn = 1.0).await;
    site.json(Method::GET, "qrs", "/qrs/about").await;
    site.simulator.set_latency(Duration::from_secs(600));
    let held = tokio::spawn(site.request(Method::GET, "qps-1", "/qps/session").send());
    while site.simulator.list_queries(1, "") == 0 {
        tokio::task::yield_now().await;
    }
    let address = site.url("qps-1").replace("https://", "");
    tokio::time::timeout(Duration::from_secs(1), site.simulator.shutdown()).await.unwrap();
    assert!(held.await.unwrap().is_err());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_name_and_address() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error =
        qlik_sense_simulator::start(options(&folder, |options| options.qps_port = address.port())).await;
    let message = error.err().unwrap().to_string();
    assert!(message.starts_with(&format!("qps-1 cannot listen on {address}: ")), "{message}");
    assert!(message.contains("--qps-port"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[tokio::test]
async fn the_configuration_beside_the_certificates_names_every_listener() {
    let site = SiteWithClient::start().await;
    assert_eq!(site.simulator.config_file(), site.folder.path().join("config.toml"));
    let text = std::fs::read_to_string(site.simulator.config_file()).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let proxies = config["site"]["simulated"]["proxy"].as_table().unwrap();
    let urls: Vec<_> = proxies.values().map(|proxy| proxy["url"].as_str().unwrap()).collect();
    assert_eq!(urls, [site.url("qps-1"), site.url("qps-2")]);
}

#[tokio::test]
async fn the_command_runs_until_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = options(&folder, |_| {});
    let config = folder.path().join("config.toml");
    let command = tokio::spawn(qlik_session_exporter::commands::simulate::run_until(options, async {
        let _ = stopped.await;
    }));
    while !config.exists() {
        tokio::task::yield_now().await;
    }
    assert!(!command.is_finished());
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(2), command).await.unwrap().unwrap().unwrap();
}
