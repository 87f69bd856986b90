//! Deletes whose outcome is not what it seems, and how much of that is known in the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use super::commands::{list_of_annas as list, open, sessions, stand_in};
use crate::support::exporter::command;
use crate::support::program::{Ended, Program};
use crate::support::site::{Site, TRUSTED, proxy_block};
use crate::support::stand_in::{StandIn, response};
use crate::support::wait::eventually;

const ANNA: (&str, &str) = ("LAB", "anna");
const ALL: [&str; 5] = ["--all", "--proxy", "Central", "--virtual-proxy", "/"];
const ANNAS: [&str; 2] = ["--user", r"LAB\anna"];

/// A delete that runs beside the test.
fn begin(config: &Path, args: &[&str]) -> Program {
    let args =
        [&["sessions", "delete", "--yes"], args, &["--config.file", config.to_str().unwrap()]].concat();
    Program::start(&mut command(&args, &[], config.parent().unwrap()))
}

/// A delete to its end.
async fn delete(config: &Path, args: &[&str]) -> Ended {
    sessions(config, &[&["delete", "--yes"], args].concat()).await
}

/// A site with one proxy service and 100 sessions of anna, and slow enough to do something meanwhile.
async fn slow_site() -> Site {
    let site = Site::with(1, &[""], |options| options.latency = Duration::from_millis(50)).await;
    site.open(1, "", ANNA, 100);
    site
}

fn left(site: &Site) -> usize {
    open(site).values().map(Vec::len).sum()
}

async fn some_have_ended(site: &Site) {
    eventually("some sessions have ended", async || (left(site) <= 95).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_answered_with_404_are_not_counted_as_ended() {
    for whose in [&ALL[..], &ANNAS] {
        let site = slow_site().await;
        let delete = begin(&site.discovery_config("", ""), whose);
        some_have_ended(&site).await;
        site.simulator.set_fault(1, None, Fault::Status(StatusCode::NOT_FOUND)).await.unwrap();
        let ended = delete.ended().await;

        ended.assert().code(1);
        let kept = left(&site);
        assert!(kept > 0);
        let reported = format!("{} sessions deleted, {kept} unknown", 100 - kept);
        ended.assert().stdout_has_line(&reported).stderr_lacks("already gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_is_no_end_of_a_session() {
    let site = Site::empty(1, &[""]).await;
    for whose in [&ALL[..], &ANNAS] {
        let (_proxy, config) = stand_in(&site, &["/"], |request| {
            Some(match request.path {
                "/qps/session" => list(&["one", "two"]),
                _ => response("200 OK", "", "<html>Log in</html>"),
            })
        })
        .await;
        delete(&config, whose)
            .await
            .assert()
            .code(1)
            .stdout_has_line("0 sessions deleted, 2 failed")
            .stderr_lacks("sessions deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_listed_twice_ends_once() {
    let site = Site::empty(1, &[""]).await;
    let (_proxy, config) = stand_in(&site, &["/"], |request| {
        Some(match request.path {
            "/qps/session" => list(&["one", "one"]),
            _ => response("200 OK", "", "{}"),
        })
    })
    .await;
    delete(&config, &ALL).await.assert().stdout_has_line("1 session deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_not_found_but_still_listed_is_a_failure() {
    let site = Site::empty(1, &[""]).await;
    let ids = ["--session-id", "one", "two"];
    for whose in [&ALL[..], &ANNAS, &[&ids, &ALL[1..]].concat()] {
        let queried = AtomicUsize::new(0);
        let (_proxy, config) = stand_in(&site, &["/"], move |request| {
            Some(match request.path {
                "/qps/session" if queried.fetch_add(1, Ordering::Relaxed) == 0 => list(&["one", "two"]),
                "/qps/session" => list(&["two"]),
                "/qps/session/two" => response("404 Not Found", "", ""),
                _ => response("200 OK", "", "{}"),
            })
        })
        .await;
        let ended = delete(&config, whose).await;
        ended.assert().code(1);
        let summary = ended.stdout.iter().find(|line| line.contains("deleted")).unwrap();
        assert!(summary.contains("1 session deleted, 1 failed"), "{whose:?}: {summary}");
        ended
            .assert()
            .stderr_contains(r"a session of LAB\anna was not deleted")
            .stderr_contains("still listed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_that_is_still_listed_is_a_failure() {
    let site = Site::empty(1, &[""]).await;
    let queried = Arc::new(AtomicUsize::new(0));
    let (_proxy, config) = stand_in(&site, &["/"], {
        let queried = queried.clone();
        move |request| {
            Some(match request.path {
                "/qps/session" if queried.fetch_add(1, Ordering::Relaxed) == 0 => list(&["one", "two"]),
                "/qps/session" => list(&["one"]),
                _ => response("200 OK", "", "{}"),
            })
        }
    })
    .await;
    let ended = delete(&config, &ANNAS).await;
    ended.assert().code(1).stdout_has_line("1 session deleted, 1 failed").stderr_contains("still listed");
    let taken_back =
        ended.stderr.iter().filter(|line| line.contains("level=warn") && line.contains("still listed"));
    assert!(taken_back.clone().count() > 0, "{:?}", ended.stderr);
    assert!(
        taken_back.into_iter().all(|line| line.contains("user_id=anna sessions=1")),
        "{:?}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_cannot_succeed_is_tried_once() {
    let site = Site::empty(1, &[""]).await;
    let queried = Arc::new(AtomicUsize::new(0));
    let (_proxy, config) = stand_in(&site, &["/"], {
        let queried = queried.clone();
        move |request| {
            Some(match request.path {
                // The dots are no id that can be requested.
                "/qps/session" => list(&["one", "two", ".."]),
                _ => {
                    queried.fetch_add(1, Ordering::Relaxed);
                    response("403 Forbidden", "", "")
                }
            })
        }
    })
    .await;
    let ended = delete(&config, &ANNAS).await;
    ended.assert().code(1);
    assert_eq!(queried.load(Ordering::Relaxed), 2, "{ended:?}");
    ended.assert().stdout_has_line("0 sessions deleted, 3 failed").stderr_lines_with(3, &["was not deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_neither_found_nor_listed_is_gone() {
    let site = Site::empty(1, &[""]).await;
    let queried = Arc::new(AtomicUsize::new(0));
    let (_proxy, config) = stand_in(&site, &["/"], {
        let queried = queried.clone();
        move |request| {
            Some(match request.path {
                "/qps/session" if queried.fetch_add(1, Ordering::Relaxed) == 0 => list(&["one", "two"]),
                "/qps/session" => list(&["three"]),
                "/qps/session/two" => response("404 Not Found", "", ""),
                // Any good status will do.
                _ => response("204 No Content", "", ""),
            })
        }
    })
    .await;
    delete(&config, &ALL).await.assert().code(0).stdout_has_line("1 session deleted, 1 already gone");
    assert_eq!(queried.load(Ordering::Relaxed), 2, "what began meanwhile was not to end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_fails_later_is_reported_and_nothing_twice() {
    let site = Site::with(2, &[""], |options| options.latency = Duration::from_millis(50)).await;
    site.open(1, "", ANNA, 100);
    let fails = |status| Fault::Status(StatusCode::from_u16(status).unwrap());
    site.simulator.set_fault(2, None, fails(500)).await.unwrap();
    let delete = begin(&site.discovery_config("", ""), &ANNAS);
    some_have_ended(&site).await;
    site.simulator.set_fault(1, None, fails(503)).await.unwrap();
    let ended = delete.ended().await;
    ended
        .assert()
        .code(1)
        .stderr_lines_with(1, &[" /: HTTP status 503"])
        .stderr_lines_with(1, &[" /: HTTP status 500"]);
    let kept = left(&site);
    ended.assert().stdout_has_line(format!("{} sessions deleted, {kept} failed", 100 - kept));
    let advice = ended.stderr.iter().filter(|line| line.starts_with("  → "));
    let advice: Vec<_> = advice.collect();
    let once: std::collections::HashSet<_> = advice.iter().collect();
    assert_eq!(advice.len(), once.len(), "advice is printed once: {advice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_with_unknown_outcome_are_logged() {
    let site = Site::empty(1, &[""]).await;
    let lists = AtomicUsize::new(0);
    let (_proxy, config) = stand_in(&site, &["/"], move |request| match request.path {
        "/qps/session" if lists.fetch_add(1, Ordering::Relaxed) == 0 => Some(list(&["one", "two", "three"])),
        "/qps/session/one" => Some(response("200 OK", "", "{}")),
        // The connection breaks, and no list shows what became of them.
        _ => None,
    })
    .await;
    let ended = delete(&config, &ALL).await;
    ended.assert().code(1);
    let reported = "1 session deleted, 2 unknown".to_owned();
    ended.assert().stdout_has_line(&reported).stderr_lines_with(2, &["unknown whether a session"]);
    let begins = ended.stderr.iter().position(|line| line.contains("message=\"deleting sessions\"")).unwrap();
    assert!(ended.stderr[begins].contains("sessions=3") && ended.stderr[begins].contains("by="));
    assert!(ended.stderr[..begins].iter().all(|line| !line.contains("unknown")), "{:?}", ended.stderr);
    let warned = ended.stderr.iter().find(|line| line.contains("level=warn")).unwrap();
    for part in ["by=", "user_directory=LAB", "user_id=anna", "sessions=2", "deletion result unknown"] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    ended.assert().stderr_lacks("three");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_users_as_configured() {
    for (label, fields) in [("hashed", 1), ("off", 0)] {
        let site = Site::empty(1, &[""]).await;
        site.open(1, "", ANNA, 2);
        std::fs::write(site.certificates().join("hash.key"), "0123456789abcdef0123456789abcdef").unwrap();
        let users = format!("[users]\nlabel = \"{label}\"\nhash_key_file = \"{{certs}}/hash.key\"\n");
        let config = site.discovery_config("", &users);
        let ended = delete(&config, &ANNAS).await;
        ended.assert().code(0);
        let line = ended.stderr.iter().find(|line| line.contains("sessions deleted")).unwrap();
        assert!(!line.contains("LAB") && !line.contains("anna"), "{line}");
        assert!(!line.contains("user_directory="), "{line}");
        assert_eq!(line.matches("user_id=").count(), fields, "{line}");
        ended.assert().stdout_contains(r"LAB\anna");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn any_signal_stops_it_after_the_requests_in_flight() {
    for signal in ["HUP", "TERM"] {
        let site = slow_site().await;
        let delete = begin(&site.discovery_config("", ""), &ANNAS);
        some_have_ended(&site).await;
        let ended = delete.signal(signal).await;
        ended.assert().code(1);
        let kept = left(&site);
        assert!(kept > 0);
        let reported = format!("stopped: {} sessions deleted, {kept} left", 100 - kept);
        ended.assert().stdout_has_line(&reported);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ANNA, 10);
    let hangs = Arc::new(AtomicUsize::new(0));
    let silent = StandIn::each({
        let (hangs, tls) =
            (hangs.clone(), crate::support::stand_in::tls(&site.certificates(), true, rustls::ALL_VERSIONS));
        move |_, stream| {
            let (hangs, tls) = (hangs.clone(), tls.clone());
            async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut stream = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                if head.starts_with(b"DELETE") {
                    hangs.fetch_add(1, Ordering::Relaxed);
                    return std::future::pending().await;
                }
                let _ = stream.write_all(list(&["one", "two", "three"]).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await;
    let block = proxy_block("Central", &silent.url, &["/"]);
    let config = site.write_config(&format!("request_timeout = \"10m\"\n[site.simulated]{TRUSTED}{block}"));
    let mut delete = begin(&config, &ALL);
    eventually("all are under way", async || (hangs.load(Ordering::Relaxed) == 3).then_some(())).await;
    delete.send("INT");
    delete.printed("the first is acknowledged", |line| line.contains("Ctrl-C again").then_some(())).await;
    let ended = delete.signal("INT").await;
    ended.assert().code(1);
    let reported = "stopped: 0 sessions deleted, 3 unknown";
    ended.assert().stdout_has_line(reported).stderr_lines_with(1, &["level=warn", "sessions=3"]);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_behind_standard_error_interrupts_nothing() {
    let site = slow_site().await;
    let config = site.discovery_config("", "");
    let args = ["sessions", "delete", "--yes", ANNAS[0], ANNAS[1], "--config.file", config.to_str().unwrap()];
    let plain = command(&args, &[], config.parent().unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]).arg(plain.get_program()).args(plain.get_args());
    let delete = Program::start(&mut shell);
    some_have_ended(&site).await;
    let ended = delete.signal("INT").await;
    ended.assert().code(1);
    let kept = left(&site);
    let reported = format!("stopped: {} sessions deleted, {kept} left", 100 - kept);
    ended.assert().stdout_has_line(&reported);
}
