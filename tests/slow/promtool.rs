//! `promtool check metrics` has no complaint.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::exporter::Exporter;
use crate::support::hostile::hostile_ids;
use crate::support::site::Site;

/// What promtool reports of this text, and whether it is content.
fn check(text: &str) -> (String, bool) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts; tests/run installs it");
    // It reads everything before it prints anything.
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let printed = promtool.wait_with_output().unwrap();
    (String::from_utf8([printed.stdout, printed.stderr].concat()).unwrap(), printed.status.success())
}

#[test]
fn promtool_does_complain_when_there_is_something() {
    let (printed, content) = check("# HELP some_total Something.\n# TYPE some_total gauge\nsome_total 1\n");
    assert!(!content && printed.contains("some_total"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_with_all_kinds_of_series_is_fine() {
    let site = Site::busy(2, &["", "sales"], 50, 10).await;
    for id in hostile_ids() {
        site.open(1, "", ("LAB", &id), 1);
    }
    site.simulator.stop_node(2).await;
    let exporter = site.exporter("").await;

    for path in ["/metrics", "/probe?target=simulated", "/metrics?collect[]=exporter"] {
        assert_eq!(check(&exporter.text(path, &[]).await), (String::new(), true), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_fine() {
    let exporter = Exporter::start(&["demo"], &[]).await;
    assert_eq!(check(&exporter.text("/metrics", &[]).await), (String::new(), true));
}
