//! Latency, counting, connections that are used again.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{KEY, SiteWithClient};

#[tokio::test]
async fn requests_are_held_back_together_and_counted() {
    let site = SiteWithClient::start().await;
    let latency = Duration::from_millis(300);
    site.simulator.set_latency(latency);
    let begun = Instant::now();
    let requests = (0..5).map(|n| {
        let path = if n < 3 { "/qps/session" } else { "/qps/sales/session" };
        site.request(Method::GET, "qps-1", path).send()
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
    let site = SiteWithClient::with(|options| options.sessions = 5000).await;
    for _ in 0..20 {
        site.json(Method::GET, "qps-1", "/qps/session").await;
    }
    assert_eq!(site.simulator.most_in_flight(1), 1);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let site = SiteWithClient::start().await;
    let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
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
