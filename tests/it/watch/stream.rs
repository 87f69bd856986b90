//! `sessions watch` without a screen: every refresh as a list.

use std::path::Path;

use qlik_sense_simulator::Fault;
use serde_json::Value;

use crate::support::exporter::command;
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::wait::eventually;

async fn site() -> Site {
    let site = Site::empty(2, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(2, "", ("LAB", "=bert"), 1);
    site
}

fn watch(config: &Path, args: &[&str]) -> Program {
    let common = ["sessions", "watch", "--config.file", config.to_str().unwrap()];
    let often = if args.contains(&"--interval") { &[][..] } else { &["--interval", "100ms"] };
    Program::start(&mut command(&[&common, often, args].concat(), &[], config.parent().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_an_array_a_line() {
    let site = site().await;
    let config = site.discovery_config("", "");
    let mut program = watch(&config, &["--output", "json", "--sort-by", "userid"]);
    let users = |line: &str| -> Vec<String> {
        let sessions: Vec<Value> = serde_json::from_str(line).unwrap();
        sessions.iter().map(|session| session["user_id"].as_str().unwrap().to_owned()).collect()
    };
    let first = program.printed("a line", |line| Some(users(line))).await;
    assert_eq!(first, ["=bert", "anna", "anna"]);
    assert!(site.simulator.close_session(2, "", "opened-2"));
    program.printed("one without bert", |line| (users(line) == ["anna", "anna"]).then_some(())).await;
    assert_eq!(program.stderr(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_sessions_is_an_empty_array() {
    let site = Site::empty(1, &[""]).await;
    let mut program = watch(&site.discovery_config("", ""), &["--output", "json"]);
    program.printed("[]", |line| (line == "[]").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_one_header_and_the_time_of_each_refresh() {
    let site = site().await;
    let mut program = watch(&site.discovery_config("", ""), &["--output", "csv"]);
    program.printed("a row", |line| line.contains("opened-0").then_some(())).await;
    site.open(1, "", ("LAB", "cora"), 1);
    program.printed("a row of a later refresh", |line| line.contains("cora").then_some(())).await;
    let lines = program.killed().await.stdout;
    assert!(lines[0].starts_with("time,site,proxy,"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("time,")).count(), 1);
    for row in &lines[1..lines.len() - 1] {
        let cells: Vec<_> = row.split(',').collect();
        assert!(humantime::parse_rfc3339(cells[0]).is_ok(), "{row}");
        assert_eq!((cells.len(), cells[1]), (13, "simulated"), "{row}");
    }
    assert!(lines.iter().any(|line| line.contains(",'=bert,")), "no formula: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_its_recovery_are_reported_once() {
    let site = site().await;
    let mut program = watch(&site.discovery_config("", ""), &["--output", "json"]);
    program.printed("all", |line| line.contains("=bert").then_some(())).await;
    site.simulator.set_fault(2, None, Fault::Refuse).await.unwrap();
    program.printed("the failure", |line| line.starts_with("error: simulated Node2 (").then_some(())).await;
    let queried = site.simulator.list_queries(1, "");
    eventually("more refreshes", async || (site.simulator.list_queries(1, "") >= queried + 3).then_some(()))
        .await;
    site.simulator.clear_faults().await.unwrap();
    program.printed("the end of it", |line| line.ends_with("/: query recovered").then_some(())).await;
    let reported = program.stderr();
    assert_eq!(reported.iter().filter(|line| line.contains("Node2")).count(), 2, "{reported:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_is_reported_once_when_known() {
    let site = site().await;
    site.simulator.set_repository_fault(Some("503".parse().unwrap())).await.unwrap();
    let config = site.discovery_config("", "repository_refresh = \"1s\"");
    let mut program = watch(
        &config,
        &["--output", "json", "--proxy", "Central", "--proxy", "Node9", "--user", r"lab\anna"],
    );
    let failure = |line: &str| line.starts_with("error: the repository of simulated: ").then_some(());
    program.printed("the failure", failure).await;
    assert!(!program.stderr().iter().any(|line| line.contains("Node9")), "nobody knows yet");
    site.simulator.set_repository_fault(None).await.unwrap();
    let expected =
        ["error: --proxy Node9: ", r"--user lab\anna: there is no session of that user, listed as "];
    for begin in expected {
        program.printed(begin, |line| line.starts_with(begin).then_some(())).await;
    }
    let queried = site.simulator.list_queries(1, "");
    eventually("more refreshes", async || (site.simulator.list_queries(1, "") >= queried + 3).then_some(()))
        .await;
    let reported = program.stderr();
    for begin in expected {
        assert_eq!(reported.iter().filter(|line| line.starts_with(begin)).count(), 1, "{reported:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_no_proxy_answers() {
    let site = site().await;
    for format in ["json", "csv"] {
        for node in [1, 2] {
            site.simulator.set_fault(node, None, Fault::Refuse).await.unwrap();
        }
        let mut program = watch(&site.discovery_config("", ""), &["--output", format]);
        let failures = |line: &str| line.starts_with("error: simulated Node2 (").then_some(());
        program.printed("the failure", failures).await;
        site.simulator.clear_faults().await.unwrap();
        program.printed("a row", |line| line.contains("opened-0").then_some(())).await;
        let lines = program.killed().await.stdout;
        assert!(!lines.iter().any(|line| line == "[]"), "{lines:?}");
        assert!(lines[0].contains("opened-0") || lines[0].starts_with("time,"), "{lines:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_with_whole_lines() {
    let site = site().await;
    let config = site.discovery_config("", "");
    for signal in ["INT", "TERM"] {
        let mut program = watch(&config, &["--output", "json"]);
        program.printed("a line", |line| line.starts_with('[').then_some(())).await;
        let ended = program.signal(signal).await;
        ended.assert().code(0).stderr_is_empty();
        assert!(ended.stdout.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_a_terminal_is_refused_with_what_to_use() {
    let site = site().await;
    let ended = watch(&site.discovery_config("", ""), &[]).ended().await;
    ended.assert().code(2).stdout_is_empty();
    let [reported] = &ended.stderr[..] else { panic!("{:?}", ended.stderr) };
    assert!(reported.contains("sessions list") && reported.contains("--output json"), "{reported}");
    assert_eq!(site.simulator.list_queries(1, ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_out_of_range_is_refused() {
    let site = site().await;
    let config = site.discovery_config("", "");
    for interval in ["0s", "99ms", "soon", "2days", "10000000000years"] {
        watch(&config, &["--output", "json", "--interval", interval])
            .ended()
            .await
            .assert()
            .code(2)
            .stderr_contains("100ms to 1day");
    }
}
