//! The log: one line for what an operator would act on, and no secret.

use serde_json::Value;

use crate::support::exporter::Exporter;
use crate::support::site::Site;
use crate::support::wait::becomes;

/// Enough scrapes to see what is logged for each of them.
const SCRAPES: usize = 8;

async fn scrape_often(exporter: &Exporter) {
    for _ in 0..SCRAPES {
        exporter.scrape().await;
    }
}

/// All that an exporter of two proxies logs at the usual level, from its start to its end.
async fn log(during: impl AsyncFnOnce(&Site, &Exporter)) -> Vec<String> {
    let site = Site::empty(2, &[""]).await;
    let exporter = site.exporter("cache_ttl = \"0s\"").await;
    exporter.scrape().await;
    during(&site, &exporter).await;
    exporter.program.killed().await.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_proxy_is_logged_when_it_starts_and_stops_failing() {
    let quiet = log(async |_, exporter| scrape_often(exporter).await).await;

    let reported = log(async |site, exporter| {
        site.simulator.stop_node(2).await;
        scrape_often(exporter).await;
        site.simulator.start_node(2).await.unwrap();
        let up = async || exporter.scrape().await.sum("qlik_proxy_up", &[]);
        becomes(2.0, "proxies that are up", up).await;
        scrape_often(exporter).await;
    })
    .await;

    assert_eq!(reported.len(), quiet.len() + 2, "{reported:#?}");
    let change = &reported[quiet.len()..];
    assert!(change.iter().all(|line| line.contains("Node2")), "{change:#?}");
    assert!(change[0].contains("connect") && !change[1].contains("connect"), "{change:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_scrapes_log_nothing() {
    let few = log(async |_, _| ()).await;
    let many = log(async |_, exporter| scrape_often(exporter).await).await;

    assert_eq!(many.len(), few.len(), "{many:#?}");
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
    let lines = exporter.program.killed().await.stderr;
    assert!(lines.iter().any(|line| line.contains("Node2")), "{lines:#?}");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_logs_a_session_id_or_a_key() {
    let site = Site::busy(1, &["", "sales"], 50, 10).await;
    let exporter = Exporter::with_config(&site.config("cache_ttl = \"0s\""), &["--log.level", "trace"]).await;
    scrape_often(&exporter).await;
    exporter.get("/probe?target=simulated&debug=true").await;

    let log = exporter.program.killed().await.stderr.join("\n");

    assert!(log.contains("level=trace") || log.contains("level=debug"), "{log}");
    let sessions = [site.simulator.sessions(1, ""), site.simulator.sessions(1, "sales")].concat();
    assert!(sessions.iter().all(|session| !log.contains(&session.session_id)));
    let key = std::fs::read_to_string(site.certificates().join("client_key.pem")).unwrap();
    assert!(key.lines().all(|line| line.len() < 10 || !log.contains(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn flag_of_the_log_wins_over_the_file() {
    let site = Site::empty(2, &[""]).await;
    site.simulator.stop_node(2).await;
    let config = site.config("[log]\nlevel = \"error\"\nformat = \"json\"\nfile = \"exporter.log\"");
    let exporter = Exporter::with_config(&config, &["--log.level", "warn"]).await;

    exporter.scrape().await;

    let file = config.parent().unwrap().join("exporter.log");
    let reported = async || std::fs::read_to_string(&file).unwrap().contains("Node2");
    becomes(true, "the warning is in the file beside the configuration", reported).await;
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        assert!(line.starts_with('{') && !line.contains("\"INFO\""), "{line}");
    }
    assert_eq!(exporter.program.killed().await.stderr, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_gets_the_lines_instead_of_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exporter.log");
    let site = Site::empty(2, &[""]).await;
    site.simulator.stop_node(2).await;
    let exporter = Exporter::with_config(&site.config(""), &["--log.file", file.to_str().unwrap()]).await;

    exporter.scrape().await;

    let reported = async || std::fs::read_to_string(&file).unwrap().contains("Node2");
    becomes(true, "the failure is in the file", reported).await;
    assert_eq!(exporter.program.killed().await.stderr, Vec::<String>::new());
}
