//! A failure does not affect the rest, has its reason, and ends with the first good answer.

use std::time::Duration;

use crate::support::broken_proxy::BrokenProxy;
use crate::support::expected::{counts, expected, failures, of_pair};
use crate::support::exporter::Exporter;
use crate::support::scrape::labels;
use crate::support::site::{Pair, SITE, Site, TRUSTED, proxy_block};
use crate::support::wait::becomes;

const PREFIXES: &[&str] = &["", "sales"];
const NOT_KEPT: &str = "cache_ttl = \"0s\"\n";
const OF_NODE_2: [Pair; 2] = [(2, ""), (2, "sales")];

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_is_absent_and_the_rest_is_whole_until_it_is_back() {
    let site = Site::busy(2, PREFIXES, 100, 20).await;
    let exporter = site.exporter(NOT_KEPT).await;
    let good = exporter.scrape().await;
    assert_eq!(counts(&good), expected(&site, &site.pairs()));

    site.simulator.stop_node(2).await;
    let down = exporter.scrape().await;
    assert_eq!(counts(&down), expected(&site, &[(1, ""), (1, "sales")]));
    let last = "qlik_proxy_last_success_timestamp_seconds";
    for pair in OF_NODE_2 {
        assert_eq!(of_pair(&down, "qlik_proxy_up", pair), Some(0.0));
        assert_eq!(failures(&down, pair), [("connect".to_owned(), 1.0)].into());
        assert!(of_pair(&good, last, pair).is_some());
        assert_eq!(of_pair(&down, last, pair), of_pair(&good, last, pair));
    }

    site.simulator.start_node(2).await.unwrap();
    becomes(expected(&site, &site.pairs()), "counts", async || counts(&exporter.scrape().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sites_figures_are_absent_when_no_proxy_answers() {
    let site = Site::busy(1, PREFIXES, 20, 5).await;
    site.simulator.stop_node(1).await;
    let exporter = site.exporter("").await;

    let scrape = exporter.scrape().await;

    assert_eq!(counts(&scrape), expected(&site, &[]));
    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 0.0);
    assert_eq!(scrape.series("qlik_proxy_last_success_timestamp_seconds"), [].into());
    assert_eq!(scrape.series("qlik_user_session_limit"), [(labels([("site", SITE)]), 5.0)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_proxy_that_the_proxy_does_not_know_fails_alone() {
    let site = Site::busy(1, PREFIXES, 20, 5).await;
    let known = expected(&site, &site.pairs());
    let second = TRUSTED.to_owned() + &proxy_block("second", &site.url("qps-1"), &["nowhere"]);
    let exporter = site.exporter_with("", &second).await;

    let scrape = exporter.scrape().await;

    assert_eq!(counts(&scrape), known);
    assert_eq!(scrape.value("qlik_proxy_up", &[("virtual_proxy", "/nowhere")]), Some(0.0));
    let failed = [("virtual_proxy", "/nowhere"), ("reason", "http_status")];
    assert_eq!(scrape.value("qlik_proxy_query_failures_total", &failed), Some(1.0));
    assert_eq!(scrape.sum("qlik_proxy_query_failures_total", &[]), 1.0);
}

/// One scrape of a site that fails for this reason alone.
async fn assert_fails_with(reason: &str, exporter: &Exporter) {
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.value("qlik_proxy_up", &[]), Some(0.0));
    assert_eq!(failures(&scrape, (1, "")), [(reason.to_owned(), 1.0)].into());
    assert_eq!(scrape.series("qlik_proxy_sessions"), [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_of_another_site_fails_with_tls() {
    let (site, other) = (Site::empty(1, &[""]).await, Site::empty(1, &[""]).await);
    let foreign = other.certificates().display().to_string().replace('\\', "/");
    let settings = TRUSTED.replace("{certs}/client", &format!("{foreign}/client"));
    let exporter = site.exporter_with("", &settings).await;

    assert_fails_with("tls", &exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_certificate_of_another_site_fails_with_tls() {
    let (site, other) = (Site::empty(1, &[""]).await, Site::empty(1, &[""]).await);
    let foreign = other.certificates().display().to_string().replace('\\', "/");
    let settings = TRUSTED.replace("{certs}/root", &format!("{foreign}/root"));
    let exporter = site.exporter_with("", &settings).await;

    assert_fails_with("tls", &exporter).await;

    let unverified = format!("{settings}\nverify = \"none\"");
    let exporter = site.exporter_with("", &unverified).await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_too_long_fails_with_timeout() {
    let site = Site::empty(1, &[""]).await;
    site.simulator.set_latency(Duration::from_secs(60));
    let exporter = site.exporter("request_timeout = \"500ms\"").await;

    assert_fails_with("timeout", &exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 100);
    let exporter = site.exporter("max_response_size = \"1KiB\"").await;

    assert_fails_with("too_large", &exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_fails_with_tls_and_a_closed_one_with_connect() {
    let site = Site::empty(1, &[""]).await;
    let without_tls = site.exporter("").await;
    let plain = format!("https://{}/", without_tls.authority()).parse().unwrap();
    // Its server is gone when the statement ends, and the port is nobody's.
    let nobody = BrokenProxy::closing().await.url.clone();
    let proxies =
        TRUSTED.to_owned() + &proxy_block("plain", &plain, &[""]) + &proxy_block("nobody", &nobody, &[""]);
    let exporter = site.exporter_with("", &proxies).await;

    let scrape = exporter.scrape().await;

    let failed = |proxy, reason| {
        scrape.value("qlik_proxy_query_failures_total", &[("proxy", proxy), ("reason", reason)])
    };
    assert_eq!(failed("plain", "tls"), Some(1.0));
    assert_eq!(failed("nobody", "connect"), Some(1.0));
    assert_eq!(scrape.sum("qlik_proxy_query_failures_total", &[]), 2.0);
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
}
