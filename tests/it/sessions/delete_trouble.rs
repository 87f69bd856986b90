//! Deletes in which something goes wrong, or changes while they run.

use std::path::Path;
use std::time::Duration;

use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use super::commands::{open, sessions};
use crate::support::exporter::command;
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::wait::eventually;

const ANNA: (&str, &str) = ("LAB", "anna");

/// A delete of all of anna's sessions that runs beside the test.
fn begin(config: &Path) -> Program {
    let args =
        ["sessions", "delete", "--user", r"LAB\anna", "--yes", "--config.file", config.to_str().unwrap()];
    Program::start(&mut command(&args, &[], config.parent().unwrap()))
}

/// How many sessions of a pair are open.
fn left(site: &Site, pair: (usize, &str)) -> usize {
    site.simulator.sessions(pair.0, pair.1).len()
}

/// Waits until some of so many sessions of the first pair have ended.
async fn some_have_ended(site: &Site, all: usize) {
    eventually("some sessions have ended", async || (left(site, (1, "")) + 5 <= all).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_service_that_fails_midway_keeps_the_remaining_sessions() {
    let site = Site::with(2, &[""], |options| options.latency = Duration::from_millis(50)).await;
    site.open(1, "", ("LAB", "bob"), 5);
    site.open(1, "", ANNA, 60);
    site.open(2, "", ANNA, 10);

    let delete = begin(&site.discovery_config("", ""));
    some_have_ended(&site, 65).await;
    site.simulator.set_fault(1, None, Fault::Status(StatusCode::SERVICE_UNAVAILABLE)).await.unwrap();
    let ended = delete.ended().await;

    ended.assert().code(1);
    let kept = left(&site, (1, "")) - 5;
    assert!(kept > 0);
    assert_eq!(left(&site, (2, "")), 0, "the other proxy service's all ended");
    ended
        .assert()
        .stderr_lines_with(kept, &["was not deleted: HTTP status 503"])
        .stdout_has_line(format!("{} sessions deleted, {kept} failed", 70 - kept));
    let bobs = site.simulator.sessions(1, "").into_iter().filter(|session| session.user_id == "bob");
    assert_eq!(bobs.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlisted_pairs_are_reported_and_listed_sessions_end() {
    let site = Site::empty(2, &[""]).await;
    site.open(1, "", ANNA, 3);
    site.open(2, "", ANNA, 3);
    site.simulator.set_fault(2, None, Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)).await.unwrap();
    for dry in [true, false] {
        let args: &[&str] = if dry { &["--dry-run"] } else { &["--yes"] };
        let args = [&["delete", "--user", r"LAB\anna"], args].concat();
        sessions(&site.discovery_config("", ""), &args)
            .await
            .assert()
            .code(1)
            .stderr_starts_with("error: simulated Node2");
        assert_eq!((left(&site, (1, "")), left(&site, (2, ""))), (if dry { 3 } else { 0 }, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_listing_is_not_reported_as_no_sessions() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ANNA, 3);
    site.simulator.set_fault(1, None, Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)).await.unwrap();
    sessions(&site.discovery_config("", ""), &["delete", "--user", r"LAB\anna", "--yes"])
        .await
        .assert()
        .code(1)
        .stdout_is_empty()
        .stderr_last_line("no sessions can be deleted safely: see the errors above");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_reported_also_when_standard_output_is_closed() {
    let site = Site::with(1, &[""], |options| options.latency = Duration::from_millis(50)).await;
    site.open(1, "", ANNA, 30);
    let config = site.discovery_config("", "");
    let args =
        ["sessions", "delete", "--user", r"LAB\anna", "--yes", "--config.file", config.to_str().unwrap()];
    let delete = Program::start_and_read(&mut command(&args, &[], config.parent().unwrap()), 1);
    let ended = delete.ended().await;
    ended.assert().code(0).stderr_contains("30 sessions deleted\n").stderr_contains("five minutes");
    assert_eq!(left(&site, (1, "")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_start_meanwhile_end_in_the_next_round() {
    let site = Site::with(1, &[""], |options| options.latency = Duration::from_millis(50)).await;
    site.open(1, "", ANNA, 30);
    let delete = begin(&site.discovery_config("", ""));
    some_have_ended(&site, 30).await;
    site.open(1, "", ANNA, 2);
    site.open(1, "", ("LAB", "bob"), 1);
    delete.ended().await.assert().code(0).stdout_has_line("32 sessions deleted");
    assert_eq!(left(&site, (1, "")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_service_gets_no_more_requests_at_once_than_it_may() {
    let site = Site::with(1, &["", "sales"], |options| options.latency = Duration::from_millis(30)).await;
    site.open(1, "", ANNA, 20);
    site.open(1, "sales", ANNA, 20);
    let delete = begin(&site.discovery_config("max_requests_per_proxy = 2", ""));
    delete.ended().await.assert().code(0);
    assert!(open(&site).values().all(Vec::is_empty));
    assert_eq!(site.simulator.most_in_flight(1), 2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_it_after_the_requests_in_flight() {
    let site = Site::with(1, &[""], |options| options.latency = Duration::from_millis(100)).await;
    site.open(1, "", ANNA, 100);
    let delete = begin(&site.discovery_config("", ""));
    some_have_ended(&site, 100).await;
    let ended = delete.signal("INT").await;
    ended.assert().code(1);
    let kept = left(&site, (1, ""));
    assert!(kept > 0);
    let reported = format!("stopped: {} sessions deleted, {kept} left", 100 - kept);
    ended.assert().stdout_has_line(&reported).stderr_contains(format!("sessions={}", 100 - kept));
}
