//! README.md, docs/ and config.toml match the program: metrics, keys, flags, paths, messages and examples.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use qlik_sense::Reason;
use qlik_session_exporter::commands::sessions::watch::KEYS;
use qlik_session_exporter::exposition::catalogue::{self, MetricKind};
use reqwest::StatusCode;
use toml::{Table, Value};

use crate::support::exporter::{Exporter, command, run};
use crate::support::program::Program;
use crate::support::site::Site;

use super::{code, entries, fenced, pages, rows, section, text};

/// Every `--flag` of a text.
fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c)))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect()
}

#[test]
fn the_table_of_metrics_is_the_catalogue() {
    let text = section("docs/metrics.md", "## All metrics");
    let reported: Vec<_> = rows(&text).iter().map(|row| row[..3].join(" | ")).collect();

    let kind = |kind| match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter => "counter",
        MetricKind::Info => "info",
    };
    let there_are: Vec<_> = catalogue::ALL
        .iter()
        .map(|metric| format!("`{}` | {} | {}", metric.name, kind(metric.kind), metric.labels.join(", ")))
        .collect();
    assert_eq!(reported, there_are);
}

/// Every key of config.toml, commented out or not, with its value as written there. That these are all keys
/// and their defaults, is tested beside the table of keys.
fn keys_of_the_example() -> BTreeMap<String, String> {
    let example = text("config.toml");
    let setting = |line: &str| {
        let rest = line.strip_prefix('#').unwrap_or(line);
        rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[').then(|| rest.to_owned())
    };
    let settings: Vec<_> = example.lines().filter_map(setting).collect();
    let mut found = BTreeMap::new();
    collect("", &settings.join("\n").parse().unwrap(), &mut found);
    found
}

fn collect(path: &str, table: &Table, found: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let name = if ["production", "Central"].contains(&name.as_str()) { "NAME" } else { name };
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Table(table) => collect(&path, table, found),
            value => {
                found.insert(path, value.to_string());
            }
        }
    }
}

#[test]
fn the_table_of_configuration_has_every_key_with_its_default() {
    let example = keys_of_the_example();
    let text = section("docs/configuration.md", "## All keys");
    let rows = rows(&text);

    let reported: BTreeSet<_> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(reported, example.keys().cloned().collect());
    assert_eq!(reported.len(), rows.len(), "a key stands there twice");
    for row in rows {
        let (key, default) = (row[0].trim_matches('`'), row[1]);
        // Where nothing is excluded or chosen, the example shows how it could be.
        let has_example = key.ends_with("exclude") || key.ends_with("virtual_proxies");
        if let (Some(default), false) = (default.strip_prefix('`'), has_example) {
            let default = default.strip_suffix('`').unwrap();
            let parsed: Table = format!("x = {default}").parse().unwrap();
            assert_eq!(parsed["x"].to_string(), example[key], "{key}");
        }
    }
}

/// The output of `--help`, after a command's words or none.
async fn help(command: &str) -> Vec<String> {
    let args: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
    run(&args, &[]).await.stdout
}

/// The commands below this one, as `--help` lists them.
async fn commands_of(command: &str) -> BTreeSet<String> {
    let help = help(command).await;
    let listed =
        help.iter().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(|name| format!("{command} {name}").trim().to_owned()).collect()
}

/// The program's commands; those that have commands below them by these.
async fn commands() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for command in commands_of("").await {
        match commands_of(&command).await {
            below if below.is_empty() => drop(all.insert(command)),
            below => all.extend(below),
        }
    }
    all
}

#[tokio::test]
async fn every_flag_is_documented_and_every_documented_flag_exists() {
    let mut there_are = flags(&help("").await.join("\n"));
    for command in commands().await {
        there_are.extend(flags(&help(&command).await.join("\n")));
    }

    let flags_table = section("docs/command-line.md", "## Flags");
    let reported: BTreeSet<_> = rows(&flags_table).iter().flat_map(|row| flags(row[0])).collect();
    assert_eq!(reported, there_are);
    // Other programs have flags too: after the program's own name, and with a dot in it, a flag is ours.
    for page in pages() {
        let page_text = text(&page);
        let is_ours = |line: &&str| line.trim_start().starts_with("qlik-session-exporter ");
        let after_our_name = page_text.lines().filter(is_ours).flat_map(flags);
        let with_a_dot = flags(&page_text)
            .into_iter()
            .filter(|flag| flag.contains('.') && !flag.ends_with(".url") && !flag.starts_with("--query."));
        for flag in after_our_name.chain(with_a_dot) {
            assert!(there_are.contains(&flag), "{}: {flag}", page.display());
        }
    }
}

#[tokio::test]
async fn every_command_is_documented_and_every_documented_one_exists() {
    let text = section("docs/command-line.md", "## Commands");
    let rows = rows(&text);
    let reported = rows.iter().map(|row| row[0].trim_matches('`').to_owned());
    assert_eq!(reported.collect::<BTreeSet<_>>(), commands().await);
}

#[tokio::test]
async fn watch_has_the_flags_of_list_as_documented() {
    let own = async |command| flags(&help(command).await.join("\n"));
    let (list, watch) = (own("sessions list").await, own("sessions watch").await);
    let reported = section("docs/sessions.md", "## Watch").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        reported.contains("the flags of `sessions list` except `--wide`, and `--interval`"),
        "{reported}"
    );
    let only = |of: &BTreeSet<String>, other| of.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (only(&list, &watch), only(&watch, &list)),
        (vec!["--wide".into()], vec!["--interval".into()])
    );
}

#[test]
fn the_table_of_keys_is_that_of_the_view() {
    let text = section("docs/sessions.md", "## Watch");
    let reported: Vec<_> =
        rows(&text).iter().map(|row| code(row[0]).collect::<Vec<_>>().join(", ")).collect();
    let there_are: Vec<_> = KEYS.iter().map(|(keys, _)| *keys).collect();
    assert_eq!(reported, there_are);
}

#[test]
fn every_failure_reason_is_documented() {
    let text = section("docs/metrics.md", "## Reasons");
    let reported: Vec<_> = rows(&text).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(reported, Reason::ALL.map(Reason::as_str));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_served() {
    let demo = Exporter::start(&["demo"], &[]).await;
    let page = text("docs/http.md");
    let rows = rows(&page);
    assert!(rows.len() >= 6, "{rows:?}");
    for path in rows.iter().flat_map(|row| code(row[0])) {
        let answer = demo.get(&path.replace("SITE", "simulated")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_a_real_site_is_good_as_it_stands() {
    let site = Site::empty(1, &[""]).await;
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    fs::create_dir(&certs).unwrap();
    for name in ["client.pem", "client_key.pem", "root.pem"] {
        fs::copy(site.certificates().join(name), certs.join(name)).unwrap();
    }
    let [config] = &fenced(&text("README.md"), "toml")[..] else { panic!("README has one example") };
    let [proxy] = &fenced(&text("docs/configuration.md"), "toml")[..] else {
        panic!("one of a proxy service")
    };
    let without_repository = config.lines().filter(|line| !line.starts_with("repository"));
    let instead = without_repository.collect::<Vec<_>>().join("\n") + "\n" + proxy;
    for config in [config, &instead] {
        fs::write(folder.path().join("config.toml"), config).unwrap();
        Program::start(&mut command(&["--config.check"], &[], folder.path()))
            .ended()
            .await
            .assert()
            .code(0)
            .stderr_is_empty();
    }
}

#[test]
fn every_documented_log_message_is_logged() {
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in entries(folder) {
            match entry.extension() {
                Some(_) => sources += &text(&entry),
                None => folders.push(entry),
            }
        }
    }
    let table = section("docs/logging.md", "## Messages");
    for row in rows(&table) {
        let message = row[0].trim_matches('`');
        assert!(sources.contains(&format!("\"{message}\"")), "{message}");
    }
}

#[test]
fn the_metrics_shown_in_readme_have_their_labels() {
    let page = text("README.md");
    let samples: Vec<_> = page.lines().filter(|line| line.starts_with("qlik_")).collect();
    assert!(samples.len() >= 5, "{samples:?}");
    for sample in samples {
        let (name, rest) = sample.split_once('{').unwrap();
        let labels: Vec<_> = rest.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect();
        let metric = catalogue::ALL.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(labels, metric.labels, "{name}");
    }
}
