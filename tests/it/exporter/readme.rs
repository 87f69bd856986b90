//! README.md held against the program: its metrics, keys, flags, paths and examples are those that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use qlik_sense::Reason;
use qlik_session_exporter::commands::sessions::watch::KEYS;
use qlik_session_exporter::exposition::catalogue::{self, MetricKind};
use reqwest::StatusCode;
use toml::{Table, Value};

use crate::support::exporter::{Exporter, command, run};
use crate::support::program::Program;
use crate::support::project::text as file;
use crate::support::site::Site;

/// The text below a heading, up to the next one of that depth or above.
fn section(heading: &str) -> String {
    let readme = file("README.md");
    let depth = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = |line: &str| {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=depth).contains(&hashes) && line[hashes..].starts_with(' ')
    };
    let text = readme.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    // Lines within fences are no headings.
    let mut fenced = false;
    let lines = text.lines().take_while(|line| {
        fenced ^= line.starts_with("```");
        fenced || !ends(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The rows of all tables of a text whose first cell begins with code.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The text within fences that are marked with this language.
fn fenced(text: &str, language: &str) -> Vec<String> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned())).collect()
}

/// Every `--flag` of a text.
fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c)))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect()
}

#[test]
fn the_table_of_metrics_is_the_catalogue() {
    let text = section("### Metrics");
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
    let text = file("config.toml");
    let setting = |line: &str| {
        let rest = line.strip_prefix('#').unwrap_or(line);
        rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[').then(|| rest.to_owned())
    };
    let text: Vec<_> = text.lines().filter_map(setting).collect();
    let mut found = BTreeMap::new();
    collect("", &text.join("\n").parse().unwrap(), &mut found);
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
    let text = section("### Configuration");
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

    let text = section("### Command line");
    let reported: BTreeSet<_> = rows(&text).iter().flat_map(|row| flags(row[0])).collect();
    assert_eq!(reported, there_are);
    // Elsewhere, other programs have flags too: what follows our own name, and what is dotted, is ours.
    let readme = file("README.md");
    let ours = readme.lines().filter(|line| line.trim_start().starts_with("qlik-session-exporter "));
    let mentioned = ours.flat_map(flags).chain(flags(&readme).into_iter().filter(|flag| flag.contains('.')));
    for flag in mentioned {
        assert!(there_are.contains(&flag), "{flag}");
    }
}

#[tokio::test]
async fn every_command_is_documented_and_every_documented_one_exists() {
    let text = section("### Command line");
    let rows = rows(&text);
    let reported = rows.iter().map(|row| row[0].trim_matches('`')).filter(|name| !name.starts_with('-'));
    assert_eq!(reported.map(str::to_owned).collect::<BTreeSet<_>>(), commands().await);
}

#[tokio::test]
async fn watch_has_the_flags_of_list_as_documented() {
    let own = async |command| flags(&help(command).await.join("\n"));
    let (list, watch) = (own("sessions list").await, own("sessions watch").await);
    let reported = section("### Live").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(reported.contains("the flags of `sessions list` but `--wide`, and `--interval`"), "{reported}");
    let only = |of: &BTreeSet<String>, other| of.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (only(&list, &watch), only(&watch, &list)),
        (vec!["--wide".into()], vec!["--interval".into()])
    );
}

#[test]
fn the_table_of_keys_is_that_of_the_view() {
    let text = section("### Live");
    let reported: Vec<_> =
        rows(&text).iter().map(|row| code(row[0]).collect::<Vec<_>>().join(", ")).collect();
    let there_are: Vec<_> = KEYS.iter().map(|(keys, _)| *keys).collect();
    assert_eq!(reported, there_are);
}

#[test]
fn every_failure_reason_is_documented() {
    let text = section("### Reasons");
    let reported: Vec<_> = rows(&text).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(reported, Reason::ALL.map(Reason::as_str));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_served() {
    let demo = Exporter::start(&["demo"], &[]).await;
    let text = section("### HTTP");
    let rows = rows(&text);
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
    let text = section("## A real site in five minutes");
    let [config, proxy] = &fenced(&text, "toml")[..] else { panic!("two examples are expected in {text}") };
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
