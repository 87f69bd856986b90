//! Failed queries are reported, and the rest is listed.

use qlik_sense_simulator::Fault;

use super::commands::{rows, sessions};
use crate::support::exporter::{command, run};
use crate::support::program::Program;
use crate::support::site::{SITE, Site, TRUSTED, proxy_block};
use crate::support::stand_in::{StandIn, ok};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_proxy_service_does_not_affect_the_others() {
    let site = Site::busy(2, &["", "sales"], 100, 20).await;
    let config = site.discovery_config("", "");
    let others = site.simulator.sessions(1, "").len() + site.simulator.sessions(1, "sales").len();
    site.simulator.set_fault(2, None, Fault::Status(reqwest::StatusCode::FORBIDDEN)).await.unwrap();

    let ended = sessions(&config, &["list", "--output", "json"]).await;
    ended.assert().code(1);
    assert_eq!(rows(&ended).len(), others);
    let errors: Vec<_> = ended.stderr.iter().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].contains(&format!("{SITE} Node2 (127.0.0.2:")) && errors[0].contains(" /: "),
        "{errors:?}"
    );
    assert!(errors[1].contains(" /sales: ") && errors[1].contains("403"), "{errors:?}");
    ended.assert().stderr_contains("RootAdmin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_repository_is_reported_and_configured_pairs_are_queried() {
    let site = Site::busy(1, &[""], 20, 5).await;
    let block = proxy_block("Central", &site.url("qps-1"), &[""]);
    let config = site.discovery_config("", &block);
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();

    let config = std::fs::read_to_string(&config).unwrap();
    let config = site.write_config(&format!("request_timeout = \"1s\"\n{config}"));
    let ended = sessions(&config, &["list", "--output", "json"]).await;
    ended.assert().code(1);
    assert_eq!(rows(&ended).len(), site.simulator.sessions(1, "").len());
    ended.assert().stderr_starts_with(format!("error: the repository of {SITE}: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_is_logged_at_debug_level_without_an_id() {
    let site = Site::empty(2, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 3);
    site.simulator.set_fault(2, None, Fault::Status(reqwest::StatusCode::FORBIDDEN)).await.unwrap();
    let config = site.discovery_config("", "");
    let ids: Vec<_> = site.simulator.sessions(1, "").into_iter().map(|session| session.session_id).collect();

    let listed = sessions(&config, &["list", "--log.level", "debug"]).await;
    let ended = sessions(&config, &["delete", "--user", r"LAB\anna", "--yes", "--log.level", "debug"]).await;

    let has = |log: &[String], parts: &[&str]| {
        log.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    let queried = [
        "message=\"query complete\"",
        "site=simulated",
        "proxy=Central",
        "virtual_proxy=/",
        "sessions=3",
        "duration=",
    ];
    assert_eq!(has(&listed.stderr, &queried), 1, "{:#?}", listed.stderr);
    let failed = ["message=\"query incomplete\"", "proxy=Node2", "error=", "403", "duration="];
    assert_eq!(has(&listed.stderr, &failed), 1, "{:#?}", listed.stderr);
    assert_eq!(has(&ended.stderr, &["message=\"delete complete\""]), 3, "{:#?}", ended.stderr);
    let log = [listed.stderr, ended.stderr].concat().join("\n");
    assert!(ids.len() == 3 && ids.iter().all(|id| !log.contains(id.as_str())), "{log}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_during_a_query() {
    use std::os::unix::process::ExitStatusExt;

    use crate::support::program::Program;
    use crate::support::wait::eventually;

    let site = Site::empty(1, &[""]).await;
    let config = site.discovery_config("request_timeout = \"1m\"", "");
    site.simulator.set_fault(1, None, Fault::Hang).await.unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let before = site.queries();
        let args = ["sessions", "list", "--config.file", config.to_str().unwrap()];
        let list = Program::start(&mut command(&args, &[], site.certificates().as_path()));
        eventually("it queries", async || (site.queries() != before).then_some(())).await;
        assert_eq!(list.signal(name).await.status.signal(), Some(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_is_reported() {
    let site = Site::busy(1, &["", "sales"], 20, 5).await;
    let config = site.discovery_config("", "");
    for (args, code, reported) in [
        (&["--site", "production"][..], 2, "there is no such site, expected one of simulated"),
        (&["--proxy", "Node7"], 1, "--proxy Node7: there is none of that name, expected one of Central"),
        (
            &["--virtual-proxy", "finance"],
            1,
            "--virtual-proxy /finance: there is none of that name, expected one of /, /sales",
        ),
    ] {
        sessions(&config, &[&["list", "--output", "json"], args].concat())
            .await
            .assert()
            .code(code)
            .stderr_contains(reported);
    }
    for args in [
        &["list", "--virtual-proxy", "a b"][..],
        &["list", "--user", "anna"],
        &["list", "--sort-by", "colour"],
        &["list", "--output", "xml"],
        &["lst"],
        &[],
    ] {
        sessions(&config, args).await.assert().code(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_names_are_listed_only_when_they_are_known() {
    let site = Site::busy(1, &["", "sales"], 20, 5).await;
    let config = site.discovery_config("", "");
    site.simulator.set_repository_fault(Some("503".parse().unwrap())).await.unwrap();
    for args in [["--proxy", "Node7"], ["--virtual-proxy", "finance"]] {
        let ended = sessions(&config, &[&["list"], &args[..]].concat()).await;
        ended.assert().code(1);
        let reported = ended.stderr_text();
        assert!(reported.contains("503") && !reported.contains("none of that name"), "{args:?}: {reported}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_listed_in_another_case_is_suggested() {
    let site = Site::empty(2, &[""]).await;
    site.open(1, "", ("LAB", "Anna"), 2);
    site.open(2, "", ("Lab", "anna"), 1);
    // Nothing of it reaches a terminal as it is.
    site.open(2, "", ("LAB", "bo\u{202e}b"), 1);
    let config = site.discovery_config("", "");
    let reported = async |users: &[&str]| {
        let flags: Vec<&str> = users.iter().flat_map(|user| ["--user", user]).collect();
        let ended = sessions(&config, &[&["list", "--output", "json"], &flags[..]].concat()).await;
        ended.assert().code(0);
        (rows(&ended).len(), ended.stderr)
    };
    let (listed, lines) = reported(&[r"lab\anna"]).await;
    assert_eq!(listed, 0);
    let expected = r"--user lab\anna: there is no session of that user, listed as LAB\Anna, Lab\anna: ";
    assert!(matches!(&lines[..], [line] if line.starts_with(expected)), "{lines:?}");

    let (listed, lines) = reported(&[r"Lab\anna", "lab\\BO\u{202e}B", r"LAB\ann"]).await;
    assert_eq!(listed, 1);
    let [other_case, absent] = &lines[..] else { panic!("{lines:?}") };
    assert!(other_case.contains(r"listed as LAB\bo\u{202e}b: "), "{other_case}");
    assert_eq!(absent, r"--user LAB\ann: there is no session of that user");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_virtual_proxies_of_one_proxy_service_are_all_known() {
    let site = Site::busy(1, &["", "sales", "finance"], 30, 5).await;
    let config = site.discovery_config("", "");
    let several = ["--virtual-proxy", "/sales", "--virtual-proxy", "/", "--virtual-proxy", "/finance"];
    let ended = sessions(&config, &[&["list", "--output", "json"], &several[..]].concat()).await;
    ended.assert().code(0).stderr_is_empty();
    assert_eq!(rows(&ended).len(), 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_virtual_proxy_without_query_is_reported_with_reason() {
    let site = Site::busy(1, &["", "sales", "finance"], 30, 5).await;
    let config = site.discovery_config("", "exclude_virtual_proxies = [\"/sales\"]");
    site.simulator.unlink(1, "finance");
    for (virtual_proxy, reported) in [
        ("/sales", "error: --virtual-proxy /sales: the configuration leaves it out"),
        ("/finance", "error: --virtual-proxy /finance: no proxy service links it"),
        ("/hr", "error: --virtual-proxy /hr: there is none of that name, expected one of /"),
    ] {
        sessions(&config, &["list", "--virtual-proxy", virtual_proxy])
            .await
            .assert()
            .code(1)
            .stdout_is_empty()
            .stderr_contains(reported);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_without_a_common_pair_leave_nothing_to_query() {
    let site = Site::busy(2, &["", "sales"], 30, 5).await;
    site.simulator.unlink(2, "sales");
    let filters = ["--proxy", "Node2", "--virtual-proxy", "/sales"];
    for (output, written) in [("table", vec![]), ("json", vec!["[]".to_owned()])] {
        let args = [&["list", "--output", output], &filters[..]].concat();
        sessions(&site.discovery_config("", ""), &args)
            .await
            .assert()
            .code(1)
            .stdout_is(&written)
            .stderr_starts_with("error: nothing to query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_about_an_unselected_site_is_not_logged() {
    let site = Site::empty(1, &[""]).await;
    let text = std::fs::read_to_string(site.discovery_config("", "")).unwrap();
    let of = |name: &str| text.replace("[site.simulated", &format!("[site.{name}"));
    // A server's certificate is no CA's: a warning.
    let config =
        site.write_config(&format!("{}\n{}", of("One"), of("two").replace("root.pem", "server.pem")));
    let warned = async |args: &[&str]| {
        let ended = sessions(&config, &[&["list"], args].concat()).await;
        ended.count_stderr_lines(&["site.two.ca"])
    };
    assert_eq!(warned(&[]).await, 1);
    assert_eq!(warned(&["--site", "two"]).await, 1);
    assert_eq!(warned(&["--site", "one"]).await, 0);
}

#[tokio::test]
async fn a_config_error_is_reported_and_nothing_is_queried() {
    run(&["sessions", "list"], &[])
        .await
        .assert()
        .code(2)
        .stdout_is_empty()
        .stderr_contains("no config.toml found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_ends_it_quietly() {
    let site = Site::busy(1, &[""], 5000, 100).await;
    let config = site.config_with("", TRUSTED);
    // The exit code is the same as if all were read.
    for (output, place, code) in
        [("table", "/", 0), ("json", "/", 0), ("csv", "/", 0), ("table", "/nowhere", 1)]
    {
        let config = config.to_str().unwrap();
        let args =
            ["sessions", "list", "--output", output, "--virtual-proxy", place, "--config.file", config];
        let list = Program::start_and_read(&mut command(&args, &[], &site.certificates()), 0);
        let ended = list.ended().await;
        ended.assert().code(code);
        assert_eq!(ended.stderr.is_empty(), code == 0, "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_that_is_no_text_matters_only_where_it_is_shown() {
    let site = Site::empty(1, &[""]).await;
    let row = r#"{"UserDirectory":"LAB","UserId":"anna","SessionId":"1","Attributes":[{"group":7}]}"#;
    let proxy = StandIn::start(&site.certificates(), move |_| Some(ok(&format!("[{row}]")))).await;
    let config = site.config_with("", &(TRUSTED.to_owned() + &proxy_block("Odd", &proxy.url, &[""])));
    for args in [&["list"][..], &["delete", "--user", r"LAB\anna", "--dry-run"]] {
        sessions(&config, args).await.assert().code(0);
    }
    for args in [&["list", "--wide"][..], &["list", "--output", "json"], &["list", "--output", "csv"]] {
        sessions(&config, args).await.assert().code(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_totals_are_marked_as_incomplete() {
    const LACKS: &str = "not everything could be asked: there may be more sessions";
    let site = Site::busy(2, &[""], 20, 5).await;
    let config = site.discovery_config("", "");
    assert!(!sessions(&config, &["list"]).await.stdout.contains(&LACKS.to_owned()));
    site.simulator.set_fault(2, None, Fault::Refuse).await.unwrap();
    assert_eq!(sessions(&config, &["list"]).await.stdout.last().unwrap(), LACKS);
}
