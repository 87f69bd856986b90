//! Reloads at bad moments: under load, while a discovery hangs, many at once, just before the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use crate::support::expected::{all_labels, counts, expected, of_pair, pairs_of};
use crate::support::exporter::{Exporter, LIFECYCLE};
use crate::support::http::Server;
use crate::support::scrape::Scrape;
use crate::support::site::{Pair, Site, TRUSTED, proxy_block};
use crate::support::wait::{becomes, eventually};

const PREFIXES: &[&str] = &["", "sales"];
const NOT_KEPT: &str = "cache_ttl = \"0s\"\n";
/// A hanging repository hangs for longer than any test runs.
const PATIENT: &str = "cache_ttl = \"0s\"\nrequest_timeout = \"100s\"\n";

const RELOADS: usize = 50;
const IN_FLIGHT: usize = 10;
/// More than have to be in flight: some are between two scrapes.
const SCRAPERS: usize = 20;
const LATENCY: Duration = Duration::from_millis(200);

/// Prometheus servers that scrape again and again.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    in_flight: AtomicUsize,
    done: AtomicUsize,
}

impl Load {
    /// The texts that one of them got, in their order.
    async fn scrape(self: Arc<Self>, exporter: Server) -> Vec<String> {
        let mut texts = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            texts.push(exporter.text("/metrics", &[]).await);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        texts
    }

    async fn enough_in_flight(&self) {
        let enough = async || (self.in_flight.load(Ordering::SeqCst) >= IN_FLIGHT).then_some(());
        eventually("enough scrapes are in flight", enough).await;
    }
}

/// The counters of a scrape, less those of the proxy that comes and goes: what went begins anew.
fn counters(scrape: &Scrape) -> BTreeMap<String, f64> {
    let mut counters = BTreeMap::new();
    for name in scrape.names().into_iter().filter(|name| name.ends_with("_total")) {
        for (labels, value) in scrape.series(name) {
            if labels.get("proxy").map(String::as_str) != Some(ADDED) {
                counters.insert(format!("{name}{labels:?}"), value);
            }
        }
    }
    counters
}

/// The proxy that every second configuration adds.
const ADDED: &str = "Added";

/// What the exporter's process holds: file descriptors, and bytes of memory.
async fn held(exporter: &Server) -> (f64, f64) {
    let own = exporter.scrape_path("/metrics?collect[]=exporter").await;
    let value = |name| own.value(name, &[]).unwrap();
    (value("process_open_fds"), value("process_resident_memory_bytes"))
}

/// Reloads under load, with `write` for the configuration before each.
async fn under_load(site: &Site, exporter: &Exporter, write: impl Fn(usize)) {
    site.simulator.set_latency(LATENCY);
    let load = Arc::new(Load::default());
    let scrapers: Vec<_> = (0..SCRAPERS)
        .map(|_| tokio::spawn(Arc::clone(&load).scrape(Server::at(exporter.url().clone()))))
        .collect();
    for number in 0..RELOADS {
        let done = load.done.load(Ordering::SeqCst);
        eventually("some scrapes are done", async || {
            (load.done.load(Ordering::SeqCst) >= done + 5).then_some(())
        })
        .await;
        write(number);
        load.enough_in_flight().await;
        exporter.reload().await;
    }
    load.stop.store(true, Ordering::SeqCst);
    let texts = join_all(scrapers).await;

    let pairs = all_labels(&site.pairs());
    let mut limits = BTreeMap::<String, usize>::new();
    for texts in texts {
        let mut before = BTreeMap::new();
        for text in texts.unwrap() {
            let scrape = Scrape::classic(&text);
            for pair in &pairs {
                assert_eq!(scrape.series("qlik_proxy_up").get(pair), Some(&1.0), "{pair:?}\n{text}");
            }
            let now = counters(&scrape);
            for (series, value) in &before {
                assert!(
                    now.get(series) >= Some(value),
                    "{series} fell from {value} to {:?}",
                    now.get(series)
                );
            }
            before = now;
            let limit = scrape.value("qlik_user_session_limit", &[]).unwrap();
            *limits.entry(limit.to_string()).or_default() += 1;
        }
    }
    assert_eq!(limits.keys().collect::<Vec<_>>(), ["3", "5"], "both configurations were in force");
    assert_eq!(exporter.scrape().await.sum("qlik_proxy_query_failures_total", &[]), 0.0);
    // A query in flight when the configuration changes is not sent a second time.
    assert_eq!(site.simulator.most_in_flight(2), PREFIXES.len());
}

fn session_limit(number: usize) -> String {
    format!("{NOT_KEPT}[users]\nsession_limit = {}\n", if number.is_multiple_of(2) { 3 } else { 5 })
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_no_scrape_where_proxies_are_configured() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    let third = site.simulator.add_node(&["sales"]).await.unwrap();
    let added = proxy_block(ADDED, &site.url(&format!("qps-{third}")), &["sales"]);
    let exporter = Exporter::with_config(&site.config(NOT_KEPT), LIFECYCLE).await;

    under_load(&site, &exporter, |number| {
        let added = if number.is_multiple_of(2) { &*added } else { "" };
        site.config_with(&session_limit(number), &format!("{TRUSTED}{added}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_no_scrape_where_proxies_are_found() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    let url = site.url("qps-1").to_string().replace("127.0.0.1", "localhost").parse().unwrap();
    let added = proxy_block(ADDED, &url, &["sales"]);
    let exporter = site.discovering(NOT_KEPT, "").await;

    under_load(&site, &exporter, |number| {
        site.discovery_config(&session_limit(number), if number.is_multiple_of(2) { &added } else { "" });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_leave_no_connections_and_no_memory_behind() {
    let site = Site::busy(2, PREFIXES, 200, 50).await;
    let exporter = site.discovering(NOT_KEPT, "").await;
    // Each makes every connection anew.
    let reload_and_scrape = async |number: usize| {
        let timeout = format!("request_timeout = \"{}s\"\n", 20 + number % 2);
        site.discovery_config(&(timeout + &session_limit(number)), "");
        exporter.reload().await;
        let scrape = exporter.scrape().await;
        assert_eq!(scrape.sum("qlik_proxy_up", &[]), 4.0);
    };
    for number in 0..50 {
        reload_and_scrape(number).await;
    }
    let (files, memory) = held(&exporter).await;

    for number in 0..200 {
        reload_and_scrape(number).await;
    }

    let (_, memory_after) = held(&exporter).await;
    let grown = memory_after - memory;
    assert!(grown < 4e6, "{grown} bytes more than {memory}");
    eventually("connections of old configurations are closed", async || {
        (held(&exporter).await.0 <= files + 2.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_the_first_discovery_hangs_takes_effect_at_once() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    let exporter = site.discovering(PATIENT, "").await;
    let own = proxy_block("Central", &site.url("qps-1"), PREFIXES);
    let start = Instant::now();

    site.discovery_config(&format!("{PATIENT}[users]\nsession_limit = 3\n"), &own);
    exporter.reload().await;

    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(exporter.get("/-/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let scrape = exporter.scrape_within("3").await;
    let configured: [Pair; 2] = [(1, ""), (1, "sales")];
    assert_eq!(scrape.value("qlik_user_session_limit", &[]), Some(3.0));
    assert_eq!(pairs_of(&scrape, "qlik_proxy_up"), all_labels(&configured));
    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 2.0);

    // A repository that answers, in the next configuration.
    site.simulator.set_repository_fault(None).await.unwrap();
    site.discovery_config(PATIENT, "");
    exporter.reload().await;
    let scrape = exporter.scrape().await;
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert!(exporter.is_ready().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn known_pairs_are_queried_while_the_repository_hangs_after_a_reload() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    let exporter = site.discovering(PATIENT, "").await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();

    // Another user id: everything is connected anew.
    site.discovery_config(PATIENT, "user_id = \"another\"");
    exporter.reload().await;

    let scrape = exporter.scrape_within("3").await;
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    for pair in site.pairs() {
        assert_eq!(of_pair(&scrape, "qlik_proxy_queries_total", pair), Some(2.0));
    }
    assert_eq!(exporter.get("/-/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_waits_for_the_discovery_of_the_new_configuration() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    let own = proxy_block("Central", &site.url("qps-1"), PREFIXES);
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    let exporter = site.discovering(PATIENT, &own).await;
    let server = Server::at(exporter.url().clone());
    let scrape = tokio::spawn(async move { server.scrape_within("50").await });
    // It has begun, and waits.
    let queried = async || [site.simulator.list_queries(1, ""), site.simulator.list_queries(1, "sales")];
    becomes([1, 1], "queries", queried).await;

    site.simulator.set_repository_fault(None).await.unwrap();
    site.discovery_config(PATIENT, "user_id = \"another\"");
    exporter.reload().await;

    let scrape = scrape.await.unwrap();
    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(1.0));
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_at_once_all_succeed() {
    let site = Site::busy(2, PREFIXES, 30, 8).await;
    let exporter = site.discovering(NOT_KEPT, "").await;
    exporter.scrape().await;
    site.discovery_config(&session_limit(0), "user_id = \"another\"");

    join_all((0..20).map(|_| exporter.reload())).await;

    let scrape = exporter.scrape().await;
    assert_eq!(scrape.value("qlik_user_session_limit", &[]), Some(3.0));
    for pair in site.pairs() {
        assert_eq!(of_pair(&scrape, "qlik_proxy_queries_total", pair), Some(2.0));
    }
    assert_eq!(site.queries(), site.queried(2));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_end_right_after_one_to_reload_ends_it() {
    for fault in [None, Some(Fault::Hang)] {
        let site = Site::empty(2, PREFIXES).await;
        site.simulator.set_repository_fault(fault).await.unwrap();
        let exporter = site.discovering(PATIENT, "").await;
        site.discovery_config(PATIENT, "user_id = \"another\"");

        exporter.program.send("HUP");
        let ended = exporter.program.signal("TERM").await;

        ended.assert().code(0);
        assert!(ended.took < Duration::from_millis(2500), "{ended:?}");
    }
}
