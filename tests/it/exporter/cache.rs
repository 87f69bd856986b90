//! The cache and single flight: how often the proxies are queried. The simulator counts.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::support::broken_proxy::BrokenProxy;
use crate::support::expected::{counts, expected, failures};

use crate::support::site::Site;
use crate::support::wait::{becomes, eventually};

const PREFIXES: &[&str] = &["", "sales"];

/// Longer than any test runs.
const KEPT: &str = "cache_ttl = \"1h\"\nrequest_timeout = \"50s\"\n";
const NOT_KEPT: &str = "cache_ttl = \"0s\"\nrequest_timeout = \"50s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_scrapes_at_once_are_one_query_per_pair() {
    let site = Site::busy(2, PREFIXES, 100, 20).await;
    site.simulator.set_latency(Duration::from_secs(3));
    let exporter = site.exporter(KEPT).await;

    let scrapes = join_all((0..100).map(|_| exporter.scrape_within("60"))).await;

    assert_eq!(site.queries(), site.queried(1));
    let expected = expected(&site, &site.pairs());
    for scrape in scrapes {
        assert_eq!(counts(&scrape), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_joins_a_query_in_flight_even_when_nothing_is_cached() {
    let site = Site::busy(1, &[""], 20, 5).await;
    site.simulator.set_latency(Duration::from_secs(5));
    let exporter = site.exporter(NOT_KEPT).await;

    let late = async {
        becomes(site.queried(1), "queries", async || site.queries()).await;
        exporter.scrape_within("60").await
    };
    let (first, second) = tokio::join!(exporter.scrape_within("60"), late);

    assert_eq!(site.queries(), site.queried(1));
    let expected = expected(&site, &site.pairs());
    assert_eq!((counts(&first), counts(&second)), (expected.clone(), expected));
    let own = exporter.scrape_path("/metrics?collect[]=exporter").await;
    assert_eq!(own.value("qlik_session_exporter_cache_requests_total", &[]), Some(2.0));
    assert_eq!(own.value("qlik_session_exporter_cache_hits_total", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_scrape_within_the_cache_ttl_sends_no_query() {
    let site = Site::busy(2, PREFIXES, 100, 20).await;
    let exporter = site.exporter(KEPT).await;
    let first = exporter.scrape().await;
    let before = expected(&site, &site.pairs());
    site.open(1, "", ("LAB", "late"), 1);

    let second = exporter.scrape().await;
    let probe = exporter.scrape_path("/probe?target=simulated").await;

    assert_eq!(site.queries(), site.queried(1));
    assert_eq!([counts(&first), counts(&second), counts(&probe)], [before.clone(), before.clone(), before]);
    let own = exporter.scrape_path("/metrics?collect[]=exporter").await;
    assert_eq!(own.value("qlik_session_exporter_cache_requests_total", &[]), Some(12.0));
    assert_eq!(own.value("qlik_session_exporter_cache_hits_total", &[]), Some(8.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_answer_is_queried_again() {
    let site = Site::empty(1, &[""]).await;
    let exporter = site.exporter("cache_ttl = \"1s\"").await;
    assert_eq!(exporter.scrape().await.value("qlik_proxy_sessions", &[]), Some(0.0));
    site.open(1, "", ("LAB", "anna"), 2);

    becomes(Some(2.0), "sessions", async || exporter.scrape().await.value("qlik_proxy_sessions", &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scrape_queries_at_a_cache_ttl_of_zero() {
    let site = Site::empty(2, PREFIXES).await;
    let exporter = site.exporter(NOT_KEPT).await;

    for round in 1..=3 {
        exporter.scrape().await;
        assert_eq!(site.queries(), site.queried(round));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_query_is_cached_as_long_as_a_good_one() {
    let broken = BrokenProxy::closing().await;
    let site = Site::empty(1, &[""]).await;
    let exporter = site.exporter_beside(KEPT, "broken", &broken.url).await;

    for _ in 0..10 {
        let scrape = exporter.scrape().await;
        assert_eq!(scrape.value("qlik_proxy_up", &[("proxy", "broken")]), Some(0.0));
        assert_eq!(scrape.value("qlik_proxy_queries_total", &[("proxy", "broken")]), Some(1.0));
    }

    assert_eq!(broken.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_that_gives_up_loses_nothing_that_was_sent() {
    let site = Site::busy(2, PREFIXES, 50, 10).await;
    let latency = Duration::from_secs(6);
    site.simulator.set_latency(latency);
    let exporter = site.exporter(KEPT).await;
    let own =
        async |name| exporter.scrape_path("/metrics?collect[]=exporter").await.value(name, &[]).unwrap();

    let start = Instant::now();
    let given_up = exporter.scrape_within("1").await;
    assert!(start.elapsed() < latency, "answered after {:?}", start.elapsed());
    // Down in this answer, but no failure: the queries go on.
    assert_eq!(counts(&given_up), expected(&site, &[]));
    assert_eq!(given_up.sum("qlik_proxy_up", &[]), 0.0);
    assert!(site.pairs().into_iter().all(|pair| failures(&given_up, pair).is_empty()));

    let kept = eventually("the answers have come", async || {
        let scrape = exporter.scrape_within("1").await;
        (scrape.sum("qlik_proxy_up", &[]) == 4.0).then_some(scrape)
    })
    .await;
    assert_eq!(counts(&kept), expected(&site, &site.pairs()));
    let hits = own("qlik_session_exporter_cache_hits_total").await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
    assert_eq!(own("qlik_session_exporter_cache_hits_total").await, hits + 4.0);
    assert_eq!(site.queries(), site.queried(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_proxy_does_not_affect_the_others() {
    let site = Site::busy(1, PREFIXES, 50, 10).await;
    let silent = BrokenProxy::silent().await;
    let exporter = site.exporter_beside(KEPT, "silent", &silent.url).await;

    let scrape = exporter.scrape_within("3").await;

    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert_eq!(scrape.value("qlik_proxy_up", &[("proxy", "silent")]), Some(0.0));
}
