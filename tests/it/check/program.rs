//! `check` as it is typed: the binary, its two outputs and its exit code.

use std::path::Path;

use serde_json::Value;

use crate::docs;
use crate::support::exporter::command;
use crate::support::program::{Ended, Program};

use super::checked::Files;
use crate::support::simulator::url_of;

/// Runs `check` in this folder, without settings from outside.
async fn run(folder: &Path, args: &[&str]) -> Ended {
    Program::start(&mut command(&[&["check"], args].concat(), &[], folder)).ended().await
}

/// Whether docs/check.md has this kind of step, or this member.
fn is_documented(name: &str) -> bool {
    let page = docs::text("docs/check.md");
    docs::rows(&page).iter().any(|row| row[0].contains(&format!("`{name}`")))
}

/// A site's section whose certificates are in this folder.
fn section(more: &str) -> String {
    let certificates = "certificate = \"client.pem\"\nkey = \"client_key.pem\"\nca = \"root.pem\"\n";
    format!("[site.production]\n{certificates}{more}")
}

/// The one JSON value that was written.
fn json(ended: &Ended) -> Value {
    let text = ended.stdout_text();
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.is_object(), "{text}");
    for step in value["steps"].as_array().unwrap() {
        assert!(is_documented(step["step"].as_str().unwrap()), "{step}");
        assert!(step.as_object().unwrap().keys().all(|member| is_documented(member)), "{step}");
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_good_site_works_and_the_exit_code_is_0() {
    let files = Files::new();
    let simulator = files.simulator(|options| (options.sessions, options.users) = (40, 20)).await;
    files.replace("config.toml", &section(&format!("repository = \"{}\"\n", url_of(&simulator, "qrs"))));

    let text = run(files.path(), &[]).await;
    text.assert()
        .code(0)
        .stderr_is_empty()
        .stdout_starts_with("✓ configuration config.toml: read, 1 site\n\nsite production\n");
    let written = text.stdout_text();
    assert!(!written.contains('✗') && !written.contains('\u{1b}'), "{written}");

    let output = run(files.path(), &["--output", "json"]).await;
    output.assert().code(0).stderr_is_empty();
    let found = json(&output);
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(found["status"], "ok");
    assert!(steps.iter().all(|step| step["status"] == "ok"), "{found:#}");
    let of = |kind: &str| steps.iter().filter(|step| step["step"] == kind).collect::<Vec<_>>();
    let [repository] = of("repository")[..] else { panic!("{found:#}") };
    assert_eq!(repository["proxy_services"], 1);
    let sessions: u64 = of("proxy").iter().filter_map(|step| step["sessions"].as_u64()).sum();
    assert_eq!(sessions, 40);
    assert!(of("certificate").iter().all(|step| step["expires"].is_i64()), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_the_same_when_nobody_reads() {
    let files = Files::new();
    let simulator = files.simulator(|_| ()).await;
    for (repository, code) in [(url_of(&simulator, "qrs").to_string(), 0), ("https://127.0.0.1:1".into(), 1)]
    {
        files.replace("config.toml", &section(&format!("repository = \"{repository}\"\n")));
        for output in ["text", "json"] {
            let mut command = command(&["check", "--output", output], &[], files.path());
            let check = Program::start_and_read(&mut command, 0);
            check.ended().await.assert().code(code).stderr_is_empty();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_is_logged_at_debug_level() {
    let files = Files::new();
    let simulator = files.simulator(|options| (options.sessions, options.users) = (40, 20)).await;
    files.replace("config.toml", &section(&format!("repository = \"{}\"\n", url_of(&simulator, "qrs"))));
    let output = run(files.path(), &["--log.level", "debug"]).await;
    let log = output.stderr_text();
    let queries: Vec<_> = log.lines().filter(|line| line.contains(" message=\"query complete\" ")).collect();
    assert_eq!(queries.len(), 3, "{log}");
    let reported = |line: &&str| {
        ["site=production", "proxy=Central", "virtual_proxy=/", "sessions=", "duration="]
            .iter()
            .all(|part| line.contains(part))
    };
    assert!(queries.iter().all(reported), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_config_errors_are_json_with_their_own_exit_codes() {
    let files = Files::new();
    files.replace("config.toml", &section("repository = \"https://127.0.0.1:1\"\n"));
    let failed = run(files.path(), &["--output", "json"]).await;
    failed.assert().code(1);
    let found = json(&failed);
    assert_eq!(found["status"], "failed");
    let repository = &found["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&repository["step"], &repository["reason"]), (&"repository".into(), &"connect".into()));

    let bad = run(files.path(), &["--output", "json", "--config.file", "nowhere.toml"]).await;
    bad.assert().code(2);
    let found = json(&bad);
    assert_eq!(found["status"], "failed");
    let step = &found["steps"][0];
    assert_eq!(step["target"], "nowhere.toml", "{found:#}");
    assert!(step["message"].as_str().unwrap().starts_with("there is no file "), "{found:#}");
}
