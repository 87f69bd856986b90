//! Faults of answers: each seen by a plain client as it is named.

use std::io::Read;
use std::time::{Duration, Instant};

use qlik_sense_simulator::{FAULTS, Fault};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Exchange, SiteWithClient, hangs, ids, request};

const SALES: &str = "/qps/sales/session";

/// A site whose node 1 has this fault for `/sales`.
async fn with(fault: &str) -> SiteWithClient {
    let site = SiteWithClient::start().await;
    site.simulator.set_fault(1, Some("/sales"), fault.parse().unwrap()).await.unwrap();
    site
}

async fn exchange(fault: &str) -> (SiteWithClient, Exchange) {
    let site = with(fault).await;
    let exchange = site.exchange("qps-1", SALES).await;
    (site, exchange)
}

/// The list as it would be without a fault.
fn list(site: &SiteWithClient) -> Value {
    serde_json::to_value(site.simulator.sessions(1, "sales")).unwrap()
}

fn faults_of_answers() -> impl Iterator<Item = Fault> {
    FAULTS.iter().map(|kind| kind.fault).filter(|fault| !fault.is_of_whole_node())
}

#[tokio::test]
async fn a_fault_of_one_pair_affects_no_other_and_ends_when_cleared() {
    let site = SiteWithClient::start().await;
    for fault in faults_of_answers() {
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
        for (listener, path) in [("qps-1", "/qps/session"), ("qps-2", SALES)] {
            site.json(Method::GET, listener, path).await;
        }
        assert!(site.simulator.clear_fault(1, Some("sales")).await.unwrap());
        assert_eq!(site.json(Method::GET, "qps-1", SALES).await, list(&site), "{fault}");
    }
}

#[tokio::test]
async fn a_fault_of_a_node_affects_all_its_pairs_and_no_other_node() {
    let site = SiteWithClient::start().await;
    site.simulator.set_fault(2, None, "503".parse().unwrap()).await.unwrap();
    for path in ["/qps/session", "/qps/sales/session", "/qps/alive"] {
        assert_eq!(site.status(Method::GET, "qps-2", path).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(site.status(Method::GET, "qps-1", path).await, StatusCode::OK);
    }
    site.simulator.clear_faults().await.unwrap();
    assert_eq!(site.status(Method::GET, "qps-2", "/qps/session").await, StatusCode::OK);
}

#[tokio::test]
async fn a_fault_where_nothing_is_or_where_it_cannot_act_is_refused() {
    let site = SiteWithClient::start().await;
    let set = async |node, prefix, fault: &str| {
        let set = site.simulator.set_fault(node, prefix, fault.parse().unwrap()).await;
        set.unwrap_err().to_string()
    };
    assert_eq!(set(3, None, "hang").await, "there is no node 3 (the nodes are [1, 2])");
    let no_link = r#"node 1 does not link a virtual proxy "hr" (it links "", "finance", "sales")"#;
    assert_eq!(set(1, Some("hr"), "hang").await, no_link);
    let whole = "refuse acts on a whole node, not on one virtual proxy of it";
    assert_eq!(set(1, Some("sales"), "refuse").await, whole);
}

#[tokio::test]
async fn a_request_that_is_lost_changes_nothing() {
    let site = with("500").await;
    let id = site.simulator.sessions(1, "sales")[0].session_id.clone();
    let path = format!("{SALES}/{id}");
    let status = site.status(Method::DELETE, "qps-1", &path).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(site.simulator.sessions(1, "sales")[0].session_id, id);
}

#[tokio::test]
async fn hang_never_answers_and_the_query_is_counted_and_in_flight() {
    let site = with("hang").await;
    assert!(hangs(site.exchange("qps-1", SALES)).await);
    assert_eq!(site.simulator.list_queries(1, "sales"), 1);
    assert_eq!(site.simulator.most_in_flight(1), 1);
}

#[tokio::test]
async fn hang_midway_stops_after_half_of_the_body() {
    let site = with("hang-midway").await;
    let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
    stream.write_all(request(SALES).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    assert!(hangs(stream.read_to_end(&mut bytes)).await);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let whole = list(&site).to_string().len();
    assert!(head.contains(&format!("content-length: {whole}\r\n")), "{head}");
    assert_eq!(body.len(), whole / 2);
}

#[tokio::test]
async fn trickle_sends_a_byte_a_second() {
    let site = with("trickle").await;
    let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
    stream.write_all(request(SALES).as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut at = Vec::new();
    while at.len() < 2 {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).await.unwrap();
        text.push_str(std::str::from_utf8(&some[..read]).unwrap());
        let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        assert!(body <= at.len() + 1, "{body} bytes at once");
        if body > at.len() {
            at.push(Instant::now());
        }
    }
    assert!(at[1] - at[0] > Duration::from_millis(800), "{:?}", at[1] - at[0]);
    assert!(text.ends_with("\r\n\r\n[{"), "{text}");
}

#[tokio::test]
async fn fault_statuses_are_sent_as_named() {
    let site = SiteWithClient::start().await;
    for status in [500, 503, 403, 401, 404] {
        let fault = status.to_string().parse().unwrap();
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
        assert_eq!(site.status(Method::GET, "qps-1", SALES).await, status);
    }
}

#[tokio::test]
async fn redirect_sends_to_a_login_page() {
    let (_, exchange) = exchange("redirect").await;
    assert!(exchange.head.starts_with("HTTP/1.1 302 "), "{}", exchange.head);
    assert_eq!(exchange.header("location"), Some("/internal_windows_authentication/"));
}

#[tokio::test]
async fn reset_is_a_tcp_reset_before_any_byte() {
    let (_, exchange) = exchange("reset").await;
    assert!(exchange.ended_by_reset(), "{:?}", exchange.end);
    assert_eq!((exchange.head.as_str(), exchange.body.len()), ("", 0));
}

#[tokio::test]
async fn reset_midway_is_a_tcp_reset_within_the_body() {
    let (site, exchange) = exchange("reset-midway").await;
    assert!(exchange.ended_by_reset(), "{:?}", exchange.end);
    assert!(exchange.head.starts_with("HTTP/1.1 200 "), "{}", exchange.head);
    let whole = list(&site).to_string();
    assert_eq!(exchange.header("content-length"), Some(whole.len().to_string().as_str()));
    assert_eq!(exchange.body.len(), whole.len() / 2);
}

#[tokio::test]
async fn truncated_is_a_whole_answer_with_half_of_the_json() {
    let (site, exchange) = exchange("truncated").await;
    let half = list(&site).to_string().len() / 2;
    assert_eq!(exchange.header("content-length"), Some(half.to_string().as_str()));
    assert_eq!(exchange.body.len(), half);
    assert!(exchange.end.is_ok());
    let error = serde_json::from_slice::<Value>(&exchange.body).unwrap_err();
    assert!(error.is_eof(), "{error}");
}

#[tokio::test]
async fn valid_json_may_be_of_the_wrong_shape() {
    let site = SiteWithClient::start().await;
    let list = list(&site);
    let numbers =
        json!([{ "UserDirectory": 1, "UserId": 2, "UserName": null, "Attributes": [], "SessionId": 3 }]);
    for (fault, expected) in [
        ("json-object", json!({ "Sessions": list })),
        ("json-numbers", numbers),
        ("json-nulls", json!([null, null])),
        ("json-nested", json!([list])),
    ] {
        site.simulator.set_fault(1, Some("sales"), fault.parse().unwrap()).await.unwrap();
        let exchange = site.exchange("qps-1", SALES).await;
        assert!(exchange.head.starts_with("HTTP/1.1 200 "), "{}", exchange.head);
        assert_eq!(exchange.header("content-type"), Some("application/json"));
        assert_eq!(exchange.json(), expected, "{fault}");
    }
}

#[tokio::test]
async fn html_and_an_empty_body_come_with_status_200() {
    let (_, html) = exchange("html").await;
    assert!(html.head.starts_with("HTTP/1.1 200 "), "{}", html.head);
    assert_eq!(html.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(html.body.starts_with(b"<!DOCTYPE html>"));
    let (_, empty) = exchange("empty").await;
    assert!(empty.head.starts_with("HTTP/1.1 200 "), "{}", empty.head);
    assert_eq!((empty.header("content-length"), empty.body.len()), (Some("0"), 0));
}

#[tokio::test]
async fn endless_goes_on_with_sessions_until_the_client_goes() {
    let site = with("endless").await;
    let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
    stream.write_all(request(SALES).as_bytes()).await.unwrap();
    let (mut bytes, mut piece) = (0, vec![0; 64 * 1024]);
    while bytes < 32 * 1024 * 1024 {
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0);
        bytes += read;
    }
    drop(stream);
    while site.simulator.connections(1) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn long_ids_duplicate_ids_and_camel_case_are_lists_still() {
    let site = SiteWithClient::start().await;
    let list = list(&site);
    let seen = async |fault: &str| {
        site.simulator.set_fault(1, Some("sales"), fault.parse().unwrap()).await.unwrap();
        site.exchange("qps-1", SALES).await.json()
    };
    assert!(ids(&seen("long-ids").await).iter().take(8).all(|id| id.len() == 64 * 1024));
    assert_eq!(ids(&seen("duplicate-ids").await), [ids(&list), ids(&list)].concat());
    assert_eq!(seen("camel-case").await[0]["sessionId"], list[0]["SessionId"]);
}

#[tokio::test]
async fn gzip_is_sent_without_being_accepted() {
    let (site, exchange) = exchange("gzip").await;
    assert_eq!(exchange.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&exchange.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), list(&site));
}

#[tokio::test]
async fn a_content_length_may_be_too_long_or_too_short() {
    for (fault, longer, divided) in [("length-too-long", 1000, 1), ("length-too-short", 0, 2)] {
        let (site, exchange) = exchange(fault).await;
        let announced: usize = exchange.header("content-length").unwrap().parse().unwrap();
        assert_eq!(announced, (exchange.body.len() + longer) / divided, "{fault}");
        assert_eq!(exchange.json(), list(&site));
        assert!(exchange.end.is_ok());
    }
}

#[tokio::test]
async fn latency_and_jitter_are_of_one_pair() {
    let site = SiteWithClient::start().await;
    for fault in ["latency:400ms", "jitter:400ms..450ms"] {
        site.simulator.set_fault(1, Some("sales"), fault.parse().unwrap()).await.unwrap();
        let begun = Instant::now();
        let slow = site.exchange("qps-1", SALES);
        let quick = async {
            site.exchange("qps-1", "/qps/session").await;
            begun.elapsed()
        };
        let (slow, quick) = tokio::join!(slow, quick);
        assert!(begun.elapsed() >= Duration::from_millis(400), "{fault}");
        assert!(quick < Duration::from_millis(400), "{fault}: {quick:?}");
        assert_eq!(slow.json(), list(&site));
    }
}

#[tokio::test]
async fn every_second_request_is_answered_and_the_others_hang() {
    let site = with("every-second").await;
    for _ in 0..2 {
        assert!(hangs(site.exchange("qps-1", SALES)).await);
        assert_eq!(site.exchange("qps-1", SALES).await.json(), list(&site));
    }
}
