//! Connections that are used again, and what is sent when the other side closes one of them just then.

use std::sync::{Arc, Mutex};

use crate::support::exporter::Exporter;
use crate::support::scrape::Scrape;
use crate::support::site::{SITE, Site, TRUSTED, proxy_block};
use crate::support::stand_in::{Request, StandIn, ok, ok_and_keep};

/// An exporter that keeps no answers, and a proxy service with these answers.
struct QueriedProxy {
    exporter: Exporter,
    /// The connection and the number on it of each request, in their order.
    requests: Arc<Mutex<Vec<(usize, usize)>>>,
    _site: Site,
    _proxy: StandIn,
}

impl QueriedProxy {
    async fn start(respond: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        let site = Site::empty(1, &[""]).await;
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let noted = requests.clone();
        let proxy = StandIn::start(&site.certificates(), move |request| {
            noted.lock().unwrap().push((request.connection, request.number));
            respond(request)
        })
        .await;
        let text = format!(
            "cache_ttl = \"0s\"\n[site.{SITE}]{TRUSTED}{}",
            proxy_block("Central", &proxy.url, &[""])
        );
        let exporter = Exporter::with_config(&site.write_config(&text), &[]).await;
        Self { exporter, requests, _site: site, _proxy: proxy }
    }

    fn requests(&self) -> Vec<(usize, usize)> {
        self.requests.lock().unwrap().clone()
    }
}

/// Queries begun, and how many of them failed.
fn queries(scrape: &Scrape) -> (f64, f64) {
    (scrape.sum("qlik_proxy_queries_total", &[]), scrape.sum("qlik_proxy_query_failures_total", &[]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_a_closed_idle_connection_is_repeated_once_on_a_new_one() {
    let queried = QueriedProxy::start(|request| (request.number == 0).then(|| ok_and_keep("[]"))).await;

    queried.exporter.scrape().await;
    let scrape = queried.exporter.scrape().await;

    assert_eq!(queries(&scrape), (2.0, 0.0));
    assert_eq!(queried.requests(), [(0, 0), (0, 1), (1, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_a_new_connection_is_sent_once() {
    let queried = QueriedProxy::start(|_| None).await;

    let scrape = queried.exporter.scrape().await;

    assert_eq!(scrape.value("qlik_proxy_query_failures_total", &[("reason", "connect")]), Some(1.0));
    assert_eq!(queried.requests(), [(0, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_sent_a_third_time() {
    let queried = QueriedProxy::start(|request| {
        (request.connection == 0 && request.number == 0).then(|| ok_and_keep("[]"))
    })
    .await;

    queried.exporter.scrape().await;
    let scrape = queried.exporter.scrape().await;

    assert_eq!(queries(&scrape), (2.0, 1.0));
    assert_eq!(scrape.value("qlik_proxy_query_failures_total", &[("reason", "connect")]), Some(1.0));
    assert_eq!(queried.requests(), [(0, 0), (0, 1), (1, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_on_an_idle_connection_is_not_queried_again() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[";
    let queried = QueriedProxy::start(move |request| {
        Some(if request.number == 0 { ok_and_keep("[]") } else { cut.into() })
    })
    .await;

    queried.exporter.scrape().await;
    let scrape = queried.exporter.scrape().await;

    assert_eq!(scrape.value("qlik_proxy_query_failures_total", &[("reason", "decode")]), Some(1.0));
    assert_eq!(queried.requests(), [(0, 0), (0, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_proxy_closes_after_each_answer_fail_no_query() {
    // Without a word that it will.
    let queried = QueriedProxy::start(|_| Some(ok("[]").replace("Connection: close\r\n", ""))).await;

    for _ in 0..50 {
        queried.exporter.scrape().await;
    }

    assert_eq!(queries(&queried.exporter.scrape().await), (51.0, 0.0));
}
