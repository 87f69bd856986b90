//! Shutdown: soon, in order, whatever is in flight.

use std::process::Command;
use std::time::Duration;

use crate::support::exporter::{Exporter, command};
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::slow_key;
use crate::support::wait::becomes;

/// "Within a second or two".
const SOON: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn without_anything_to_do_it_stops_at_once() {
    for signal in ["TERM", "INT"] {
        let site = Site::empty(1, &[""]).await;
        let exporter = site.exporter("").await;
        exporter.scrape().await;

        let ended = exporter.program.signal(signal).await;

        ended.assert().code(0);
        assert!(ended.took < SOON, "{signal}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_that_waits_for_a_slow_proxy_does_not_delay_shutdown() {
    for signal in ["TERM", "INT"] {
        let site = Site::empty(1, &[""]).await;
        site.simulator.set_latency(Duration::from_secs(100));
        let exporter = site.exporter("request_timeout = \"100s\"").await;
        let url = format!("http://{}/metrics", exporter.authority());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).header("X-Prometheus-Scrape-Timeout-Seconds", "120");
        let scrape = tokio::spawn(request.send());
        becomes(site.queried(1), "queries", async || site.queries()).await;

        let ended = exporter.program.signal(signal).await;

        ended.assert().code(0);
        assert!(ended.took < SOON, "{signal}: {ended:?}");
        let answer = tokio::time::timeout(SOON, scrape).await.expect("the scrape has an end").unwrap();
        assert_eq!(answer.unwrap().status(), reqwest::StatusCode::SERVICE_UNAVAILABLE, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_delay_shutdown() {
    let site = Site::empty(1, &[""]).await;
    let exporter = site.exporter("").await;
    let idle = tokio::net::TcpStream::connect(exporter.authority()).await.unwrap();

    let ended = exporter.program.signal("TERM").await;

    ended.assert().code(0);
    assert!(ended.took < SOON, "{ended:?}");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_stops_as_well() {
    let exporter = Exporter::start(&["demo"], &[]).await;

    let ended = exporter.program.signal("TERM").await;

    ended.assert().code(0);
    assert!(ended.took < SOON, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reload_does_not_delay_shutdown() {
    let site = Site::empty(1, &[""]).await;
    let exporter = Exporter::with_config(&site.config(""), &["--log.level", "debug"]).await;
    slow_key::use_in(&site, "", "3000000");
    exporter.program.send("HUP");
    slow_key::is_read(&exporter).await;
    exporter.program.send("HUP");

    let ended = exporter.program.signal("TERM").await;

    ended.assert().code(0);
    assert!(ended.took < SOON, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_output_does_not_end_it() {
    let site = Site::empty(1, &[""]).await;
    let config = site.config("");
    for subcommand in [&["serve", "--config.file", config.to_str().unwrap()][..], &["demo"]] {
        let folder = tempfile::tempdir().unwrap();
        let flags = ["--web.listen-address", "127.0.0.1:0", "--log.level", "debug"];
        let plain = command(&[subcommand, &flags].concat(), &[], folder.path());
        // Every write fails, as it does when a reader has gone.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" >/dev/full"]).arg(plain.get_program()).args(plain.get_args());
        let mut program = Program::start(&mut shell);
        let listens = |line: &str| line.contains("message=listening").then_some(());
        program.printed("it listens", listens).await;

        program.signal("TERM").await.assert().code(0);
    }
}
