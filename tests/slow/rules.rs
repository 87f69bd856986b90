//! The files in prometheus/: Prometheus' own tools take them, the rules' unit tests hold, and rules, tests,
//! runbooks and metrics know of each other.

mod messages;
mod scraping;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qlik_session_exporter::exposition::catalogue;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::support::project::path;

/// Prefix of the runbooks' addresses, to be replaced by whoever knows the true one.
const RUNBOOKS: &str = "https://example.com/qlik-session-exporter/docs/runbooks/";

/// Every alert that people rely on.
const ALERTS: [&str; 15] = [
    "QlikCertificateExpired",
    "QlikCertificateExpiring",
    "QlikExporterConfigReloadFailed",
    "QlikExporterDown",
    "QlikLoginRefused",
    "QlikProxyDown",
    "QlikQueriesSlow",
    "QlikRepositoryDown",
    "QlikSessionsDropped",
    "QlikSiteDown",
    "QlikUserAtSessionLimit",
    "QlikUserNearSessionLimit",
    "QlikUsersAtSessionLimit",
    "QlikUsersUnlisted",
    "QlikVirtualProxyDown",
];

/// Metrics of the events, which are not exported yet.
const TO_COME: [&str; 3] =
    ["qlik_session_events_total", "qlik_login_denials_total", "qlik_events_rejected_total"];

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<TestGroup>,
}

#[derive(Deserialize)]
struct TestGroup {
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<IgnoredAny>,
}

/// The files of a folder whose names end so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|file| file.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

fn yaml<T: DeserializeOwned>(file: &Path) -> T {
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rules() -> Vec<Rule> {
    let file: RuleFile = yaml(&path("prometheus/rules.yml"));
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Runs one of Prometheus' tools, which must be content, and gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts; tests/run installs it");
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", printed(&output.stdout), printed(&output.stderr));
    printed(&output.stdout)
}

#[test]
fn promtool_takes_the_rules_and_prometheus_configuration() {
    let lint = ["--lint=all", "--lint-fatal"];
    run(Command::new("promtool").args(["check", "rules"]).args(lint).arg(path("prometheus/rules.yml")));
    run(Command::new("promtool").args(["check", "config"]).args(lint).arg(path("prometheus/prometheus.yml")));
}

#[test]
fn amtool_takes_alertmanagers_configuration() {
    run(Command::new("amtool").arg("check-config").arg(path("prometheus/alertmanager.yml")));
}

/// What an alert keeps back in alertmanager.yml: the matchers of its targets, as text.
fn kept_back_by(source: &str) -> String {
    let config: serde_json::Value = yaml(&path("prometheus/alertmanager.yml"));
    let rules = config["inhibit_rules"].as_array().unwrap().iter();
    let own = rules.filter(|rule| rule["source_matchers"].to_string().contains(source));
    own.map(|rule| rule["target_matchers"].to_string()).collect()
}

#[test]
fn a_site_that_is_down_inhibits_consequences_and_not_causes() {
    let kept_back = kept_back_by("QlikSiteDown");
    assert!(kept_back.contains("Proxy") && kept_back.contains("QlikUser"), "{kept_back}");
    for cause in ["Repository", "Certificate", "Exporter"] {
        assert!(!kept_back.contains(cause), "{cause}: {kept_back}");
    }
}

#[test]
fn an_exporter_warning_that_becomes_critical_sends_no_resolved_message() {
    let kept_back = kept_back_by("QlikExporterDown");
    let warning = r#"["alertname = \"QlikExporterDown\"","severity = \"warning\""]"#;
    assert!(kept_back.contains(warning), "{kept_back}");
}

#[test]
fn the_rules_unit_tests_hold() {
    run(Command::new("promtool").args(["test", "rules"]).args(files("prometheus/tests", ".yml")));
}

#[test]
fn every_alert_is_there_with_what_a_reader_needs() {
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule.alert.is_some()).collect();
    let names: BTreeSet<_> = alerts.iter().filter_map(|rule| rule.alert.as_deref()).collect();
    assert_eq!(names, BTreeSet::from(ALERTS));
    for rule in &alerts {
        let name = rule.alert.as_deref().unwrap();
        assert!(["critical", "warning"].contains(&&*rule.labels["severity"]), "{name}");
        for annotation in ["summary", "description"] {
            assert!(!rule.annotations[annotation].is_empty(), "{name}: {annotation}");
        }
        assert_eq!(rule.annotations["runbook_url"], format!("{RUNBOOKS}{name}.md"));
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let runbooks = files("docs/runbooks", ".md");
    let names: Vec<_> = runbooks.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ALERTS);
    for (file, name) in runbooks.iter().zip(names) {
        let text = fs::read_to_string(file).unwrap();
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        let expected = [
            &format!("# {name}"),
            "## What it means",
            "## How to check",
            "## What to do",
            "## How to silence",
        ];
        assert_eq!(headings, expected);
    }
}

#[test]
fn the_documentation_lists_every_alert_and_every_recorded_name() {
    let text = fs::read_to_string(path("docs/alerting.md")).unwrap();
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let rules = rules();
    for rule in &rules {
        let (first, last) = match (&rule.alert, &rule.record) {
            (Some(alert), _) => (format!("[{alert}](runbooks/{alert}.md)"), &*rule.labels["severity"]),
            (_, record) => (format!("`{}`", record.as_ref().unwrap()), ""),
        };
        assert!(
            rows.iter().any(|row| row[0] == first && row.iter().any(|cell| cell.contains(last))),
            "{first}"
        );
    }
    let reported = rows.iter().filter(|row| row[0].starts_with("[Qlik") || row[0].contains(':')).count();
    // QlikExporterDown is two rules and one row.
    assert_eq!(reported, rules.len() - 1);
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let tests = files("prometheus/tests", ".yml");
    let groups = tests.iter().flat_map(|file| yaml::<TestFile>(file).tests);
    let tests: Vec<_> = groups.flat_map(|group| group.alert_rule_test).collect();
    let tested = |fires: bool| {
        let those = tests.iter().filter(|test| test.exp_alerts.is_empty() != fires);
        those.map(|test| &*test.alertname).collect::<BTreeSet<_>>()
    };
    assert_eq!(tested(true), BTreeSet::from(ALERTS), "that fire");
    assert_eq!(tested(false), BTreeSet::from(ALERTS), "that do not fire");
}

/// The names of metrics in an expression: what is left when texts, label lists and functions are taken out.
fn metrics(expression: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 4] = ["and", "or", "unless", "offset"];
    const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let without_texts: String = expression.split('"').step_by(2).collect();
    let mut rest = &*without_texts;
    let mut found = BTreeSet::new();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || "{[".contains(c)) {
        rest = &rest[start..];
        let end = match rest.as_bytes()[0] {
            b'{' => rest.find('}').unwrap() + 1,
            b'[' => rest.find(']').unwrap() + 1,
            _ => rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        let is_function = ["(", "by ", "without "].iter().any(|next| after.trim_start().starts_with(next));
        if LISTS.contains(&word) {
            rest = &after[after.find(')').unwrap() + 1..];
        } else if word.starts_with(|c: char| c.is_ascii_alphabetic())
            && !is_function
            && !KEYWORDS.contains(&word)
        {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn the_names_of_metrics_are_found_in_an_expression() {
    let expression =
        r#"max by (site) (rate(a_total{reason="by (x)"}[5m]) unless on (b) c offset 5m) > 2 or site:d:max"#;
    assert_eq!(metrics(expression), ["a_total", "c", "site:d:max"].map(str::to_owned).into());
}

#[test]
fn every_metric_of_a_rule_is_exported_or_recorded_before() {
    let mut known: BTreeSet<_> = catalogue::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    known.extend(TO_COME.map(str::to_owned));
    known.insert("up".to_owned());
    for rule in rules() {
        let used = metrics(&rule.expr);
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(!used.is_empty() && unknown.is_empty(), "{}: {unknown:?}", rule.expr);
        known.extend(rule.record);
    }
}
