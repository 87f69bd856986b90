//! The log: one line for what an operator would act on, and no secret.

use serde_json::Value;

use crate::support::exporter::Exporter;
use crate::support::site::Site;
use crate::support::wait::becomes;

/// Enough scrapes to see what is told for each of them.
const SCRAPES: usize = 8;

async fn scrape_often(exporter: &Exporter) {
    for _ in 0..SCRAPES {
        exporter.scrape().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_proxy_is_told_when_it_starts_and_when_it_ends_to_fail() {
    let site = Site::empty(2, &[""]).await;
    let exporter = site.exporter("cache_ttl = \"0s\"").await;
    scrape_often(&exporter).await;
    let before = exporter.program.stderr().len();

    site.simulator.stop_node(2).await;
    scrape_often(&exporter).await;
    site.simulator.start_node(2).await.unwrap();
    let back = async || exporter.scrape().await.sum("qlik_proxy_up", &[]);
    becomes(2.0, "proxies that are up", back).await;
    scrape_often(&exporter).await;

    let told = async || exporter.program.stderr().len() - before;
    becomes(2, "lines", told).await;
    let lines = exporter.program.stderr().split_off(before);
    assert!(lines.iter().all(|line| line.contains("node-2")), "{lines:?}");
    assert!(lines[0].contains("connect"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_scrapes_that_work() {
    let site = Site::busy(1, &[""], 10, 5).await;
    let exporter = site.exporter("cache_ttl = \"0s\"").await;
    exporter.scrape().await;
    let before = exporter.program.stderr();

    scrape_often(&exporter).await;

    assert_eq!(exporter.program.stderr(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn logfmt_is_key_and_value() {
    for flags in [&["--log.level", "debug"][..], &["--log.level", "debug", "--log.format", "logfmt"]] {
        let lines = lines_of_a_failure(flags).await;
        for line in lines {
            let start = line.split_once('=').map(|(key, _)| key);
            assert!(start.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase())), "{line}");
            assert!(line.contains("level=") && !line.contains('\u{1b}'), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_an_object_per_line() {
    let lines = lines_of_a_failure(&["--log.level", "debug", "--log.format", "json"]).await;
    for line in lines {
        let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["level"].is_string() && object["timestamp"].is_string(), "{line}");
    }
}

/// What is logged with these flags when one proxy fails; some lines for sure.
async fn lines_of_a_failure(flags: &[&str]) -> Vec<String> {
    let site = Site::empty(2, &[""]).await;
    site.simulator.stop_node(2).await;
    let exporter = Exporter::with_config(&site.config(""), flags).await;
    exporter.scrape().await;
    let of_proxy = async || exporter.program.stderr().iter().any(|line| line.contains("node-2"));
    becomes(true, "the failure is told", of_proxy).await;
    exporter.program.stderr()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_tells_a_session_id_or_a_key() {
    let site = Site::busy(1, &["", "sales"], 50, 10).await;
    let exporter = Exporter::with_config(&site.config("cache_ttl = \"0s\""), &["--log.level", "trace"]).await;
    let before = exporter.program.stderr().len();
    scrape_often(&exporter).await;
    exporter.get("/probe?target=simulated&debug=true").await;
    let grown = async || exporter.program.stderr().len() > before;
    becomes(true, "something is told", grown).await;

    let log = exporter.program.stderr().join("\n");
    let sessions = [site.simulator.sessions(1, ""), site.simulator.sessions(1, "sales")].concat();
    assert!(sessions.iter().all(|session| !log.contains(&session.session_id)));
    let key = std::fs::read_to_string(site.certificates().join("client_key.pem")).unwrap();
    assert!(key.lines().all(|line| line.len() < 10 || !log.contains(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_gets_the_lines_instead() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exporter.log");
    let site = Site::empty(2, &[""]).await;
    site.simulator.stop_node(2).await;
    let exporter = Exporter::with_config(&site.config(""), &["--log.file", file.to_str().unwrap()]).await;

    exporter.scrape().await;

    let told = async || std::fs::read_to_string(&file).unwrap().contains("node-2");
    becomes(true, "the failure is in the file", told).await;
    assert_eq!(exporter.program.stderr(), Vec::<String>::new());
}
