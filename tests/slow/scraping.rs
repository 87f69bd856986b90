//! Debian's Prometheus scrapes the exporter, and shows what it got.

use crate::prometheus::Prometheus;
use crate::support::expected::{pair_labels, user_labels};
use crate::support::exporter::Exporter;
use crate::support::hostile::hostile_ids;
use crate::support::scrape::labels;
use crate::support::site::{SITE, Site};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_up_and_its_users_sessions_add_up_to_its_sessions() {
    let exporter = Exporter::start(&["demo"], &[]).await;
    let prometheus = Prometheus::scraping(exporter.authority()).await;

    prometheus.assert_becomes("up", [(labels([]), 1.0)].into()).await;
    // Two proxy services, three virtual proxies.
    prometheus.assert_becomes("count(qlik_proxy_up == 1)", [(labels([]), 6.0)].into()).await;
    // At one instant, for each pair. A pair without users has no series to sum.
    let difference = "qlik_proxy_sessions - qlik_proxy_anonymous_sessions \
         - (sum by (site, proxy, virtual_proxy, instance, job) (qlik_user_sessions) or 0 * qlik_proxy_sessions)";
    prometheus.assert_becomes(&format!("count({difference})"), [(labels([]), 6.0)].into()).await;
    assert_eq!(prometheus.query(&format!("({difference}) != 0")).await, [].into());
    assert!(prometheus.query("sum(qlik_user_sessions)").await[&labels([])] > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxys_series_turn_stale_and_come_back() {
    let site = Site::empty(2, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(2, "", ("LAB", "anna"), 3);
    let exporter = site.exporter("cache_ttl = \"0s\"").await;
    let prometheus = Prometheus::scraping(exporter.authority()).await;
    let of = |values: &[f64]| {
        values.iter().zip([(1, ""), (2, "")]).map(|(value, pair)| (pair_labels(pair), *value)).collect()
    };
    prometheus.assert_becomes("qlik_proxy_sessions", of(&[2.0, 3.0])).await;
    prometheus.assert_becomes("sum(qlik_user_sessions)", [(labels([]), 5.0)].into()).await;

    site.simulator.stop_node(2).await;
    prometheus.assert_becomes("qlik_proxy_sessions", of(&[2.0])).await;
    prometheus.assert_becomes("qlik_proxy_up", of(&[1.0, 0.0])).await;
    prometheus.assert_becomes("sum(qlik_user_sessions)", [(labels([]), 2.0)].into()).await;
    assert_eq!(prometheus.query("up").await, [(labels([]), 1.0)].into());

    site.simulator.start_node(2).await.unwrap();
    prometheus.assert_becomes("qlik_proxy_sessions", of(&[2.0, 3.0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_any_user_id_as_it_is() {
    let site = Site::empty(1, &[""]).await;
    let ids = hostile_ids();
    for id in &ids {
        site.open(1, "", ("LAB", id), 1);
    }
    let exporter = site.exporter("").await;
    let prometheus = Prometheus::scraping(exporter.authority()).await;

    let expected = ids.iter().map(|id| {
        let mut found = user_labels((1, ""), "LAB", id);
        // To Prometheus an empty label is no label.
        found.retain(|_, value| !value.is_empty());
        (found, 1.0)
    });
    prometheus.assert_becomes("qlik_user_sessions", expected.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_discovery_works_as_it_is() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    let exporter = site.exporter("").await;
    let prometheus = Prometheus::start(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: test, http_sd_configs: [{{url: 'http://{}/sd'}}]}}]\n",
        exporter.authority()
    ))
    .await;

    prometheus.assert_becomes("up", [(labels([("target", SITE)]), 1.0)].into()).await;
    prometheus.assert_becomes("sum(qlik_proxy_sessions)", [(labels([]), 2.0)].into()).await;
}
