//! The files in prometheus/: Prometheus' own tools take them, the rules' unit tests hold, and rules, tests,
//! runbooks and metrics know of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qlik_session_exporter::exposition::catalogue;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use crate::support::exporter::Exporter;
use crate::support::prometheus::Prometheus;
use crate::support::scrape::{Labels, labels};
use crate::support::site::SITE;

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

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
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
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
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

/// The example with one of its three ways to scrape: the first as it stands, the others with their signs taken
/// away.
fn scraping_in_way(number: usize) -> String {
    let text = fs::read_to_string(path("prometheus/prometheus.yml")).unwrap();
    let mut parts = ["\n# 1. ", "\n# 2. ", "\n# 3. "].iter().fold(vec![&*text], |mut parts, start| {
        let (before, after) = parts.pop().unwrap().split_once(start).unwrap();
        parts.extend([before, after]);
        parts
    });
    let way = parts.remove(number);
    let is_prose = |line: &&str| line.starts_with("# ") && !line.starts_with("#  ");
    // The first line lost its sign above.
    let lines = way.lines().skip(1).filter(|line| !is_prose(line));
    let used: Vec<_> = lines.map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    parts[0].to_owned() + "\n" + &used.join("\n") + "\n"
}

/// Starts Prometheus with one of the ways to scrape this exporter, once a second.
async fn prometheus_scraping(exporter: &Exporter, way: usize) -> Prometheus {
    let config = scraping_in_way(way)
        .replace("15s", "1s")
        .replace("10s", "1s")
        .replace("- rules.yml", &format!("- {}", path("prometheus/rules.yml").display()))
        .replace("localhost:9877", exporter.authority())
        .replace("[production, test]", &format!("[{SITE}]"));
    Prometheus::start(&config).await
}

/// The demo as each way to scrape it shows it, with so many targets of no site and of its site.
async fn shows_the_demo(way: usize, targets: BTreeMap<Labels, f64>) {
    let exporter = Exporter::start(&["demo"], &[]).await;
    let prometheus = prometheus_scraping(&exporter, way).await;
    let up = format!(r#"count by (target) (up{{job=~"qlik.*", instance="{}"}} == 1)"#, exporter.authority());
    prometheus.says(&up, targets).await;
    // Each pair once, and the exporter's own metrics once.
    prometheus.says("count(qlik_proxy_up == 1)", [(labels([]), 6.0)].into()).await;
    prometheus.says("count(qlik_session_exporter_build_info)", [(labels([]), 1.0)].into()).await;
    prometheus.says("count(site_proxy_virtual_proxy:qlik_proxy_up:max)", [(labels([]), 6.0)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sites_at_once_can_be_scraped() {
    shows_the_demo(1, [(labels([]), 1.0)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_can_be_discovered_as_targets() {
    shows_the_demo(2, [(labels([]), 1.0), (labels([("target", SITE)]), 1.0)].into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_can_be_named_as_targets() {
    shows_the_demo(3, [(labels([]), 1.0), (labels([("target", SITE)]), 1.0)].into()).await;
}

/// A message that Alertmanager makes of so many users at the limit, and one who no longer is.
fn message(template: &str, users: usize) -> String {
    let alert = |status: &str, user: String| {
        json!({
            "status": status,
            "labels": { "alertname": "QlikUserAtSessionLimit", "site": "production", "severity": "warning" },
            "annotations": {
                "summary": format!("User LAB\\{user} has 5 open sessions"),
                "description": format!("To end them:\nsessions delete --user 'LAB\\{user}'"),
                "runbook_url": format!("{RUNBOOKS}QlikUserAtSessionLimit.md"),
            },
            "startsAt": "2026-11-25T01:00:00Z",
            "endsAt": "2026-11-25T01:10:00Z",
        })
    };
    let firing = (1..=users).map(|n| alert("firing", format!("<!u{n}&>")));
    let data = json!({
        "status": "firing",
        "alerts": firing.chain([alert("resolved", "ben".to_owned())]).collect::<Vec<_>>(),
        "groupLabels": { "alertname": "QlikUserAtSessionLimit", "site": "production" },
        "commonLabels": { "alertname": "QlikUserAtSessionLimit", "site": "production", "severity": "warning" },
        "commonAnnotations": { "runbook_url": format!("{RUNBOOKS}QlikUserAtSessionLimit.md") },
        "externalURL": "http://alertmanager:9093",
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.json");
    fs::write(&file, data.to_string()).unwrap();
    run(Command::new("amtool")
        .args(["template", "render", "--template.glob"])
        .arg(path("prometheus/qlik.tmpl"))
        .args(["--template.text", &format!("{{{{ template \"{template}\" . }}}}")])
        .arg("--template.data")
        .arg(file))
}

#[test]
fn a_mail_names_every_user_and_what_to_do() {
    let title = message("qlik.title", 200);
    assert_eq!(title.trim(), "[200 WARNING] QlikUserAtSessionLimit on production");
    for template in ["qlik.mail.text", "qlik.mail.html"] {
        let mail = message(template, 200);
        for user in 1..=200 {
            assert_eq!(mail.matches(&format!("User LAB\\<!u{user}&> has 5")).count(), 1, "{template}");
            assert_eq!(mail.matches(&format!("delete --user 'LAB\\<!u{user}&>'")).count(), 1, "{template}");
        }
        let resolved = mail.split_once("Resolved:").unwrap().1;
        assert!(resolved.contains("User LAB\\ben has 5"), "{template}");
        assert_eq!(mail.matches(&format!("{RUNBOOKS}QlikUserAtSessionLimit.md")).count(), 1, "{template}");
    }
}

#[test]
fn a_chat_message_names_thirty_users_and_calls_nobody() {
    let names = |text: &str| text.matches("User LAB").count();
    let [few, many] = [30, 200].map(|users| message("qlik.chat", users));
    assert!(few.contains("LAB\\&lt;!u30&amp;&gt; has 5") && !few.contains('<') && !few.contains("and more"));
    assert_eq!((names(&few), names(&many)), (31, 31));
    assert!(many.contains("… and more, 200 in all\n"), "{many}");
}
