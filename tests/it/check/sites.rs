//! Whole sites: what works, what is a warning, and what is queried.

use std::time::Duration;

use qlik_sense_simulator::{Authority, Leaf, Session};
use qlik_session_exporter::commands::check::CheckOutcome;

use super::checked::{Files, proxy};
use crate::support::simulator::url_of;
use crate::support::stand_in::{StandIn, ok, response};

fn session(id: &str) -> Session {
    Session {
        user_directory: "LAB".into(),
        user_id: "anna".into(),
        user_name: None,
        attributes: Default::default(),
        session_id: id.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_site_is_queried_once_and_reported_step_by_step() {
    let files = Files::new();
    let simulator =
        files.simulator(|options| options.virtual_proxies = vec!["".into(), "sales".into()]).await;
    for id in ["one-secret-id", "two-secret-id"] {
        assert!(simulator.open_session(1, "sales", session(id)));
    }
    let site = format!("repository = \"{}\"\n", url_of(&simulator, "qrs"));
    let checked = files.check("", &site).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    // Once for JSON, once for the text.
    assert_eq!((simulator.list_queries(1, ""), simulator.list_queries(1, "sales")), (2, 2));
    let port = url_of(&simulator, "qps-1").port().unwrap();
    let without_times: Vec<String> = checked
        .text
        .lines()
        .map(|line| line.split_once(", valid until ").map_or(line, |(start, _)| start))
        .map(|line| match line.rsplit_once(", ") {
            Some((start, end)) if end.ends_with(" ms") => start.to_owned(),
            _ => line.replace(&files.path().display().to_string(), "").replace(['/', '\\'], "/"),
        })
        .collect();
    let qrs = url_of(&simulator, "qrs");
    assert_eq!(
        without_times,
        [
            "✓ configuration /checked.toml: read, 1 site".to_owned(),
            String::new(),
            "site production".into(),
            "✓ certificate client: \"CN=QlikClient\"".into(),
            "✓ certificate ca: \"CN=site-CA\"".into(),
            format!(
                "✓ repository {}: version 32.25.0.0, 1 proxy service, 2 virtual proxies",
                qrs.as_str().trim_end_matches('/')
            ),
            "✓ certificate repository: \"CN=127.0.0.1\"".into(),
            format!("✓ proxy Central (127.0.0.1:{port}) /: 0 sessions of 0 users"),
            format!("✓ proxy Central (127.0.0.1:{port}) /sales: 2 sessions of 1 user"),
            "✓ certificate proxy Central: \"CN=127.0.0.1\"".into(),
            String::new(),
            "everything works".into(),
        ]
    );
    assert!(!checked.json.contains("secret-id") && !checked.text.contains("secret-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_in_flight_on_a_proxy_than_allowed() {
    let files = Files::new();
    let simulator = files
        .simulator(|options| {
            options.virtual_proxies = (0..12).map(|number| format!("vp{number:02}")).collect();
            options.latency = Duration::from_millis(100);
        })
        .await;
    let site = format!("repository = \"{}\"\n", url_of(&simulator, "qrs"));
    let checked = files.check("max_requests_per_proxy = 3", &site).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    assert_eq!(simulator.most_in_flight(1), 3);
    let paths: Vec<_> =
        checked.lines("proxy").iter().map(|line| line.split(['/', ':']).nth(2).unwrap().to_owned()).collect();
    assert_eq!(paths, (0..12).map(|number| format!("vp{number:02}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_listed_by_two_virtual_proxies_are_reported_without_ids() {
    let files = Files::new();
    let simulator =
        files.simulator(|options| options.virtual_proxies = vec!["".into(), "sales".into()]).await;
    for (prefix, id) in [("", "secret-a"), ("", "secret-b"), ("sales", "secret-b"), ("sales", "secret-c")] {
        simulator.open_session(1, prefix, session(id));
    }
    let checked = files.check("", &format!("repository = \"{}\"\n", url_of(&simulator, "qrs"))).await;
    assert_eq!(checked.outcome, CheckOutcome::Good);
    assert_eq!(
        checked.lines("sessions"),
        ["warning Central: 1 session listed under both / and /sales: counted twice"]
    );
    assert!(checked.text.contains("exclude_virtual_proxies = [\"/\"]"), "{}", checked.text);
    assert!(!checked.json.contains("secret") && !checked.text.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_proxy_service_under_two_addresses_is_reported() {
    let leaf = Leaf::server(vec!["127.0.0.1".into(), "localhost".into()]);
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &leaf);
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    for id in ["secret-a", "secret-b"] {
        simulator.open_session(1, "", session(id));
    }
    let url = url_of(&simulator, "qps-1");
    let mut by_name = url.clone();
    by_name.set_host(Some("localhost")).unwrap();
    let checked = files.check("", &(proxy("Central", &url) + &proxy("Edge", &by_name))).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    let port = url.port().unwrap();
    let message = format!(
        "warning Edge: 2 sessions listed by both Central (127.0.0.1:{port}) and Edge (localhost:{port}): counted twice"
    );
    assert_eq!(checked.lines("sessions"), [message]);
    assert!(checked.text.contains("the same proxy service under two addresses"), "{}", checked.text);
    assert!(!checked.json.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_is_reported_per_pair_and_the_others_work() {
    let files = Files::new();
    let simulator = files.simulator(|_| ()).await;
    let site = format!(
        "repository = \"{}\"\n{}virtual_proxies = [\"/\", \"/sales\"]\n",
        url_of(&simulator, "qrs"),
        proxy("Added", &"https://127.0.0.1:1".parse().unwrap())
    );
    let checked = files.check("", &site).await;
    assert_eq!(checked.outcome, CheckOutcome::Failed);
    let statuses: Vec<_> =
        checked.lines("proxy").iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(statuses, ["failed", "failed", "ok", "ok", "ok"]);
    assert_eq!(checked.text.matches("the firewall opens that port to this host").count(), 1);
}

/// A repository that lists this, and a proxy service with no sessions, at one port.
async fn listing(
    files: &Files,
    proxy_services: impl Fn(u16) -> String + Send + Sync + 'static,
    virtual_proxies: &'static str,
) -> StandIn {
    let port = std::sync::Arc::new(std::sync::OnceLock::new());
    let known = port.clone();
    let server = StandIn::start(files.path(), move |request| {
        Some(match request.path {
            "/qrs/about" => response("500 Internal Server Error", "", ""),
            "/qrs/proxyservice/full" => ok(&proxy_services(*known.get().unwrap())),
            "/qrs/virtualproxyconfig/full" => ok(virtual_proxies),
            _ => ok("[]"),
        })
    })
    .await;
    port.set(server.url.port().unwrap()).unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_virtual_proxy_is_reported_and_not_queried() {
    let files = Files::new();
    let server = listing(
        &files,
        |port| format!(
            r#"[{{"serverNodeConfiguration": {{"name": "Central", "hostName": "127.0.0.1"}},
                 "settings": {{"restListenPort": {port}, "virtualProxies": [{{"id": "v1", "prefix": "sales"}}]}}}}]"#
        ),
        r#"[{"id": "v1", "prefix": "sales"}, {"id": "v2", "prefix": "lonely"}, {"id": "v3", "prefix": "a b"}]"#,
    )
    .await;
    let checked = files.check("", &format!("repository = \"{}\"\n", server.url)).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    assert_eq!(checked.lines("virtual-proxy"), ["warning /lonely: no proxy service links it"]);
    assert_eq!(checked.lines("proxy").len(), 1);
    assert!(checked.lines("discovery")[0].contains("prefix \"a b\" cannot be queried"), "{}", checked.text);
    assert!(checked.lines("repository")[0].contains("version unknown, 1 proxy service, 2 virtual proxies"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_shows_nothing_is_suspicious() {
    let files = Files::new();
    let server = listing(&files, |_| "[]".into(), "[]").await;
    let checked = files.check("", &format!("repository = \"{}\"\nuser_id = \"monitor\"\n", server.url)).await;
    let repository = checked.steps.iter().find(|line| line.step == "repository").unwrap();
    assert_eq!(repository.status, "warning");
    assert!(repository.advice.contains("what the user INTERNAL\\monitor may not read"), "{repository:?}");
    checked.assert_failed("", &["nothing to query on this site"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_the_repository_cannot_control_the_terminal() {
    let files = Files::new();
    let name = r"\u001b[2J\n\u2713 all good\u202e";
    let services = move |port: u16| {
        format!(
            r#"[{{"serverNodeConfiguration": {{"name": "{name}", "hostName": "127.0.0.1"}},
                 "settings": {{"restListenPort": {port}, "virtualProxies": [{{"prefix": ""}}]}}}},
                {{"serverNodeConfiguration": {{"name": "Bad", "hostName": "{name}"}}}}]"#
        )
    };
    let server = listing(&files, services, "[]").await;
    let checked = files.check("", &format!("repository = \"{}\"\n", server.url)).await;
    for output in [&checked.text, &checked.json] {
        assert!(!output.contains(['\u{1b}', '\u{202e}']) && !output.contains("\n✓ all good"), "{output}");
    }
    assert!(checked.text.contains(r"\u{1b}[2J\n✓ all good\u{202e}"), "{}", checked.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_proxies_are_queried_when_the_repository_fails() {
    let files = Files::new();
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    let site = format!(
        "repository = \"https://127.0.0.1:1\"\n{}virtual_proxies = [\"/\"]\n",
        proxy("Central", &url_of(&simulator, "qps-1"))
    );
    let checked = files.check("", &site).await;
    checked.assert_failed(
        "connect",
        &["127.0.0.1:1 refuses connections"],
        &["repository service", "4242 unless changed"],
    );
    assert!(checked.lines("proxy")[0].starts_with("ok Central"));
}

#[tokio::test]
async fn a_failing_repository_is_reported_in_one_step() {
    let checked = Files::new().check("", "repository = \"https://127.0.0.1:1\"\n").await;
    checked.assert_failed("connect", &["127.0.0.1:1 refuses connections"], &[]);
    assert_eq!(checked.lines("proxy"), [""; 0]);
    assert!(!checked.text.contains("nothing to query"), "{}", checked.text);
}

#[tokio::test]
async fn config_errors_end_the_check_before_any_query() {
    let checked = Files::new().check("cache_ttl = 5", "colour = \"red\"\nrepository = \"sense1\"\n").await;
    assert_eq!(checked.outcome, CheckOutcome::BadConfig);
    assert_eq!(checked.outcome.result().unwrap_err().exit_code(), 2);
    let reported = checked.lines("configuration");
    assert_eq!(reported.len(), 3, "{reported:#?}");
    assert!(
        reported[0].starts_with("failed ") && reported[0].contains("checked.toml:1: cache_ttl: found 5"),
        "{reported:#?}"
    );
    assert!(checked.steps.iter().all(|line| line.target.contains("checked.toml:")), "{:#?}", checked.steps);
}
