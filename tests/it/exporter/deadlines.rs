//! Every wait ends, and a pair that is not queried in time is the next one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use crate::support::expected::{counts, expected, failures, of_pair};
use crate::support::exporter::Exporter;
use crate::support::raw;
use crate::support::scrape::Scrape;
use crate::support::site::{Pair, Site, TRUSTED};
use crate::support::wait::{becomes, eventually};

const SIXTEEN: &[&str] = &["", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"];
/// `max_requests_per_proxy`, as it is by default.
const AT_ONCE: u64 = 4;

fn up(scrape: &Scrape, site: &Site) -> Vec<Pair> {
    site.pairs().into_iter().filter(|pair| of_pair(scrape, "qlik_proxy_up", *pair) == Some(1.0)).collect()
}

fn queries(site: &Site) -> u64 {
    site.queries().into_values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_of_a_second_has_what_there_is_when_a_proxy_needs_five() {
    let site = Site::busy(2, &["", "sales"], 100, 20).await;
    let exporter = site.exporter("cache_ttl = \"0s\"\nrequest_timeout = \"20s\"\n").await;
    exporter.scrape().await;
    let slow = Duration::from_secs(5);
    site.simulator.set_fault(2, None, Fault::Latency(slow)).await.unwrap();

    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let scrape = exporter.scrape_within("1").await;
        quickest = quickest.min(start.elapsed());
        assert_eq!(counts(&scrape), expected(&site, &[(1, ""), (1, "sales")]));
        assert!(site.pairs().into_iter().all(|pair| failures(&scrape, pair).is_empty()));
    }

    // On a busy machine some may be late; one that waits for the slow proxy never is that quick.
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    let start = Instant::now();
    assert_eq!(counts(&exporter.scrape_within("20").await), expected(&site, &site.pairs()));
    assert!(start.elapsed() < slow, "the query on its way was joined: {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_header_a_scrape_waits_ten_seconds_less_the_offset() {
    let site = Site::busy(1, &["", "sales"], 20, 5).await;
    site.simulator.set_fault(1, Some("sales"), Fault::Hang).await.unwrap();
    let exporter = site.exporter("request_timeout = \"50s\"\nscrape_timeout_offset = \"5s\"\n").await;

    let start = Instant::now();
    let scrape = exporter.scrape().await;
    let took = start.elapsed();

    assert_eq!(counts(&scrape), expected(&site, &[(1, "")]));
    assert!((Duration::from_millis(4900)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_is_queried_in_turn_when_time_is_short() {
    let site = Site::busy(1, SIXTEEN, 320, 40).await;
    site.simulator.set_latency(Duration::from_millis(700));
    let exporter = site.exporter("cache_ttl = \"0s\"\nrequest_timeout = \"20s\"\n").await;
    let mut ticks = tokio::time::interval(Duration::from_secs(2));

    let mut answered = Vec::new();
    for _ in 0..7 {
        ticks.tick().await;
        let scrape = exporter.scrape_within("2").await;
        let up = up(&scrape, &site);
        assert_eq!(counts(&scrape), expected(&site, &up));
        answered.push(up.into_iter().collect::<BTreeSet<_>>());
    }

    assert!(answered.iter().any(|up| up.len() < SIXTEEN.len()), "they cannot all be queried in time");
    for three in answered.windows(3) {
        let some: BTreeSet<_> = three.iter().flatten().copied().collect();
        assert_eq!(some.len(), SIXTEEN.len(), "within three scrapes all have their turn: {answered:?}");
    }
    assert_eq!(site.simulator.most_in_flight(1) as u64, AT_ONCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_with_the_oldest_answers_are_queried_first() {
    let site = Site::busy(1, SIXTEEN, 160, 20).await;
    site.simulator.set_latency(Duration::from_millis(700));
    let exporter = site.exporter("cache_ttl = \"0s\"\nrequest_timeout = \"20s\"\n").await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));

    for _ in 0..6 {
        ticks.tick().await;
        exporter.scrape_within("1").await;
    }

    let queries: Vec<_> = site.queries().into_values().collect();
    let (least, most) = (queries.iter().min().unwrap(), queries.iter().max().unwrap());
    assert!(
        *least > 0 && most - least <= 1,
        "no pair is queried again before all had their turn: {queries:?}"
    );
}

/// Sixteen pairs of which four are queried and hang; the queries that were sent end after this time.
async fn hanging() -> (Site, Exporter) {
    let site = Site::busy(1, SIXTEEN, 160, 20).await;
    site.simulator.set_fault(1, None, Fault::Hang).await.unwrap();
    let exporter = site.exporter("cache_ttl = \"0s\"\nrequest_timeout = \"3s\"\n").await;
    (site, exporter)
}

/// Asserts that no pair was queried after the last waiting client had gone.
async fn assert_only_what_was_sent(site: &Site, exporter: &Exporter) {
    // Each timeout closes a connection; were another query sent in its place, that would open one.
    becomes(0, "connections", async || site.simulator.connections(1)).await;
    assert_eq!(queries(site), AT_ONCE);

    site.simulator.clear_faults().await.unwrap();
    let scrape = exporter.scrape_within("60").await;
    assert_eq!(counts(&scrape), expected(site, &site.pairs()));
    assert_eq!(queries(site), AT_ONCE + SIXTEEN.len() as u64);
    let all: f64 = scrape.sum("qlik_proxy_queries_total", &[]);
    assert_eq!(all, queries(site) as f64, "and as many were counted");
    assert_eq!(scrape.sum("qlik_proxy_query_failures_total", &[]), AT_ONCE as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_query_is_not_sent_after_its_scrape_has_timed_out() {
    let (site, exporter) = hanging().await;

    let scrape = exporter.scrape_within("2").await;

    assert_eq!(up(&scrape, &site), []);
    assert_eq!(queries(&site), AT_ONCE);
    assert_only_what_was_sent(&site, &exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_query_is_not_sent_after_its_client_is_gone() {
    let (site, exporter) = hanging().await;

    let scraper = raw::send(exporter.authority(), &raw::scrape_head("60")).await;
    becomes(AT_ONCE, "queries", async || queries(&site)).await;
    drop(scraper);

    assert_only_what_was_sent(&site, &exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_repository_delays_no_scrape() {
    let site = Site::busy(1, &["", "sales"], 40, 10).await;
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    let repository = format!("repository = \"{}\"\nrepository_refresh = \"1s\"\n", site.url("qrs"));
    let settings = "cache_ttl = \"0s\"\nrequest_timeout = \"5s\"\n";
    let exporter = site.exporter_with(settings, &(TRUSTED.to_owned() + &repository)).await;
    let ready = async || exporter.get("/-/ready").await.status == StatusCode::OK;

    // What is found first is waited for as long as the scrape has time.
    let start = Instant::now();
    let first = exporter.scrape_within("2").await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(first.value("qlik_repository_up", &[]), Some(0.0));
    assert!(!ready().await);

    // After it has failed, what is configured is queried.
    becomes(true, "ready", async || ready().await).await;
    let scrape = exporter.scrape_within("10").await;
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(0.0));

    // Once it was found, a repository that hangs again is not waited for.
    site.simulator.set_repository_fault(None).await.unwrap();
    eventually("the repository answers", async || {
        (exporter.scrape().await.value("qlik_repository_up", &[]) == Some(1.0)).then_some(())
    })
    .await;
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    becomes(Some(0.0), "qlik_repository_up", async || {
        let start = Instant::now();
        let scrape = exporter.scrape_within("10").await;
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
        scrape.value("qlik_repository_up", &[])
    })
    .await;
}
