//! A Prometheus that already has a past: the exporter's figures of now, some hours back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::prometheus::Prometheus;
use crate::support::exporter::Exporter;
use crate::support::project::text;
use crate::support::wait::eventually;

/// How far back, in seconds.
pub const PAST: u64 = 2 * 3600;

/// In the past, seconds from one scrape to the next: those of the shipped prometheus.yml.
const STEP: u64 = 15;

/// Starts Prometheus with the shipped rules and a job for each exporter; it has two scrapes of each, and the past.
pub async fn prometheus(exporters: &[&Exporter]) -> Prometheus {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), text("prometheus/rules.yml")).unwrap();
    // Three seconds: what comes later on a busy machine is a scrape that failed, and panels that are empty.
    let mut config = "global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}\n\
                      rule_files: [rules.yml]\nscrape_configs:\n"
        .to_owned();
    for (number, exporter) in exporters.iter().enumerate() {
        let target = exporter.authority();
        config += &format!("- {{job_name: qlik-{number}, static_configs: [{{targets: ['{target}']}}]}}\n");
        remember(exporter, &format!("qlik-{number}"), folder.path()).await;
    }
    fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let prometheus = Prometheus::start_in(folder).await;
    let scraped = format!("count(count_over_time(up[30s]) >= 2) == {}", exporters.len());
    eventually("two scrapes of each exporter", async || {
        (!prometheus.query(&scraped).await.is_empty()).then_some(())
    })
    .await;
    prometheus
}

/// Writes what the exporter exports now into Prometheus' storage, as if it had been so all the time.
async fn remember(exporter: &Exporter, job: &str, folder: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs()).unwrap();
    let labels = format!("job=\"{job}\",instance=\"{}\"", exporter.authority());
    let accept = [("Accept", "application/openmetrics-text; version=1.0.0")];
    let mut past = String::new();
    for line in exporter.text("/metrics", &accept).await.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let series = match series.split_once('{') {
            Some((name, others)) => format!("{name}{{{labels},{others}"),
            None => format!("{series}{{{labels}}}"),
        };
        for time in (now - PAST..now - STEP).step_by(STEP as usize) {
            past += &format!("{series} {value} {time}\n");
        }
    }
    let file = folder.join("past.txt");
    fs::write(&file, past + "# EOF\n").unwrap();
    let written = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &folder.join("data")])
        .output()
        .expect("promtool starts; tests/run installs it");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
}
