//! The ways to scrape that prometheus/prometheus.yml offers, each used by Prometheus.

use std::collections::BTreeMap;
use std::fs;

use crate::prometheus::Prometheus;
use crate::support::exporter::Exporter;
use crate::support::project::path;
use crate::support::scrape::{Labels, labels};
use crate::support::site::SITE;

/// The example with one of its three ways to scrape: the first as it stands, the others with their signs taken
/// away.
fn scraping_in_way(number: usize) -> String {
    let text = fs::read_to_string(path("prometheus/prometheus.yml")).unwrap();
    let mut parts = ["\n# 1. ", "\n# 2. ", "\n# 3. "].iter().fold(vec![&*text], |mut parts, start| {
        let (before, after) = parts.pop().unwrap().split_once(start).unwrap();
        parts.extend([before, after]);
        parts
    });
    let way = parts.remove(number);
    let is_prose = |line: &&str| line.starts_with("# ") && !line.starts_with("#  ");
    // The first line lost its sign above.
    let lines = way.lines().skip(1).filter(|line| !is_prose(line));
    let used: Vec<_> = lines.map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    parts[0].to_owned() + "\n" + &used.join("\n") + "\n"
}

/// Starts Prometheus with one of the ways to scrape this exporter, once a second.
async fn prometheus_scraping(exporter: &Exporter, way: usize) -> Prometheus {
    let config = scraping_in_way(way)
        .replace("15s", "1s")
        .replace("10s", "1s")
        .replace("- rules.yml", &format!("- {}", path("prometheus/rules.yml").display()))
        .replace("localhost:9877", exporter.authority())
        .replace("[production, test]", &format!("[{SITE}]"));
    Prometheus::start(&config).await
}

/// The demo as each way to scrape it shows it, with so many targets of no site and of its site.
async fn assert_shows_the_demo(way: usize, targets: BTreeMap<Labels, f64>) {
    let exporter = Exporter::start(&["demo"], &[]).await;
    let prometheus = prometheus_scraping(&exporter, way).await;
    let up = format!(r#"count by (target) (up{{job=~"qlik.*", instance="{}"}} == 1)"#, exporter.authority());
    prometheus.assert_becomes(&up, targets).await;
    // Each pair once, and the exporter's own metrics once.
    prometheus.assert_becomes("count(qlik_proxy_up == 1)", [(labels([]), 6.0)].into()).await;
    prometheus.assert_becomes("count(qlik_session_exporter_build_info)", [(labels([]), 1.0)].into()).await;
    prometheus
        .assert_becomes("count(site_proxy_virtual_proxy:qlik_proxy_up:max)", [(labels([]), 6.0)].into())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sites_at_once_can_be_scraped() {
    assert_shows_the_demo(1, [(labels([]), 1.0)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_can_be_discovered_as_targets() {
    assert_shows_the_demo(2, [(labels([]), 1.0), (labels([("target", SITE)]), 1.0)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_can_be_named_as_targets() {
    assert_shows_the_demo(3, [(labels([]), 1.0), (labels([("target", SITE)]), 1.0)].into()).await;
}
