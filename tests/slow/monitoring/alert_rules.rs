//! Grafana's alert rules are those of Prometheus, and what is provisioned fits together.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::shipped::{expression, grafana_rules, list, prometheus_rules, string, yaml};
use crate::support::project::path;

/// Where `prometheus/rules.yml` looks at a recorded series over time, the expression is looked at this often:
/// Prometheus' own `evaluation_interval` there.
const STEP: &str = "15s";

/// Tests of an alert that first waits and then keeps firing, which Grafana before 12 cannot.
const KEEPS_AFTER_WAITING: &str = "near.yml";

/// What distinguishes one alert from another: there may be two of a name, of different severities.
fn key(name: &Value, rule: &Value) -> (String, String) {
    (string(name).to_owned(), string(&rule["labels"]["severity"]).to_owned())
}

/// The Grafana rule that stands for this one of Prometheus.
fn counterpart(alert: &Value) -> Value {
    let wanted = key(&alert["alert"], alert);
    let mut rules = grafana_rules().into_iter();
    rules
        .find(|rule| key(&rule["title"], rule) == wanted)
        .unwrap_or_else(|| panic!("Grafana has no {wanted:?}"))
}

#[test]
fn grafana_has_the_alerts_of_prometheus_and_no_others() {
    let prometheus: Vec<_> = prometheus_rules("alert").iter().map(|rule| key(&rule["alert"], rule)).collect();
    let grafana: Vec<_> = grafana_rules().iter().map(|rule| key(&rule["title"], rule)).collect();
    assert_eq!(BTreeSet::from_iter(grafana.clone()), BTreeSet::from_iter(prometheus.clone()));
    assert_eq!(grafana.len(), prometheus.len());
}

#[test]
fn grafana_rules_query_the_same_with_recorded_series_expanded() {
    for alert in prometheus_rules("alert") {
        let mut expected = written_out(string(&alert["expr"]));
        // Grafana before 12 cannot keep firing; looking back instead would end the wait before it has begun.
        if let (Some(keep), None) = (alert["keep_firing_for"].as_str(), alert.get("for")) {
            expected = format!("max_over_time(({expected})[{keep}:{STEP}])");
        }
        let rule = counterpart(&alert);
        assert_eq!(
            plain(expression(&rule)),
            plain(&expected),
            "{} in grafana/provisioning/alerting/rules.yml is on the left",
            alert["alert"]
        );
    }
}

#[test]
fn grafana_rules_have_the_same_durations_and_texts() {
    for alert in prometheus_rules("alert") {
        let (rule, name) = (counterpart(&alert), &alert["alert"]);
        assert_eq!(rule["for"], *alert.get("for").unwrap_or(&"0s".into()), "{name}");
        for annotation in ["summary", "description", "runbook_url"] {
            let expected = string(&alert["annotations"][annotation]).replace("$value", "$values.A.Value");
            assert_eq!(string(&rule["annotations"][annotation]), expected, "{annotation} of {name}");
        }
    }
}

/// Grafana's rule as one of Prometheus, with its value by the name that Prometheus has for it.
fn as_of_prometheus(rule: Value) -> Value {
    let mut annotations = rule["annotations"].clone();
    for annotation in annotations.as_object_mut().unwrap().values_mut() {
        *annotation = string(annotation).replace("$values.A.Value", "$value").into();
    }
    json!({
        "alert": rule["title"],
        "expr": expression(&rule),
        "for": rule["for"],
        "labels": rule["labels"],
        "annotations": annotations,
    })
}

#[test]
fn grafanas_rules_pass_the_tests_of_those_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    // The tests look at recorded series, too.
    let rules: Vec<_> = prometheus_rules("record")
        .into_iter()
        .chain(grafana_rules().into_iter().map(as_of_prometheus))
        .collect();
    // JSON is YAML.
    let file = json!({"groups": [{"name": "qlik", "rules": rules}]});
    fs::write(folder.path().join("rules.yml"), file.to_string()).unwrap();
    let tests = folder.path().join("tests");
    fs::create_dir(&tests).unwrap();
    let mut promtool = Command::new("promtool");
    promtool.current_dir(&tests).args(["test", "rules"]);
    let shipped = fs::read_dir(path("prometheus/tests")).unwrap().map(Result::unwrap);
    for test in shipped.filter(|test| test.file_name() != KEEPS_AFTER_WAITING) {
        fs::copy(test.path(), tests.join(test.file_name())).unwrap();
        promtool.arg(test.file_name());
    }
    let printed = promtool.output().expect("promtool starts; tests/run installs it");
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&[printed.stdout, printed.stderr].concat())
    );
}

#[test]
fn each_rule_fires_for_whatever_its_query_gives() {
    for rule in grafana_rules() {
        let title = &rule["title"];
        assert_eq!(rule["data"][0]["refId"], "A", "{title}");
        assert_eq!(rule["data"][0]["model"]["instant"], true, "{title}");
        assert_eq!(rule["data"][1]["model"]["expression"], "is_number($A)", "{title}");
        assert_eq!(rule["condition"], rule["data"][1]["refId"], "{title}");
        assert_eq!(rule["noDataState"], "OK", "{title}");
        assert_eq!(rule["execErrState"], "Error", "{title}");
        for query in list(&rule["data"]) {
            assert_eq!(query["refId"], query["model"]["refId"], "{title}");
        }
        // Grafana would take it for a variable of its environment.
        assert!(!rule["labels"].to_string().contains('$'), "{title}");
    }
}

#[test]
fn names_are_what_grafana_takes() {
    let rules = grafana_rules();
    let uids: BTreeSet<_> = rules.iter().map(|rule| string(&rule["uid"])).collect();
    assert_eq!(uids.len(), rules.len());
    assert!(uids.iter().all(|uid| uid.len() <= 40));
    for group in list(&yaml("grafana/provisioning/alerting/rules.yml")["groups"]) {
        let titles: BTreeSet<_> = list(&group["rules"]).iter().map(|rule| string(&rule["title"])).collect();
        assert_eq!(titles.len(), list(&group["rules"]).len(), "twice in {}", group["folder"]);
    }
}

#[test]
fn what_is_provisioned_names_what_is_provisioned() {
    let sources = yaml("grafana/provisioning/datasources/prometheus.yml");
    for rule in grafana_rules() {
        assert_eq!(rule["data"][0]["datasourceUid"], sources["datasources"][0]["uid"]);
        assert_eq!(rule["data"][1]["datasourceUid"], "__expr__");
    }
    let contacts = yaml("grafana/provisioning/alerting/contact-points.yml");
    let contacts: BTreeSet<_> =
        list(&contacts["contactPoints"]).iter().map(|contact| string(&contact["name"]).to_owned()).collect();
    let policies = yaml("grafana/provisioning/alerting/policies.yml");
    let root = &policies["policies"][0];
    let reported: BTreeSet<_> = list(&root["routes"])
        .iter()
        .chain([root])
        .map(|policy| string(&policy["receiver"]).to_owned())
        .collect();
    assert_eq!(reported, contacts);
}

/// Members by the names that Grafana's documentation of provisioning has for them; it ignores others silently.
#[test]
fn what_is_provisioned_is_spelt_as_grafana_does() {
    let each = |file: &str, lists: &[&str], known: &[&str]| {
        let file = yaml(&format!("grafana/provisioning/{file}.yml"));
        assert_eq!(file["apiVersion"], 1);
        let mut found = vec![&file];
        for member in lists {
            found = found.into_iter().flat_map(|one| list(&one[*member])).collect();
        }
        for member in found.into_iter().flat_map(|one| one.as_object().unwrap().keys()) {
            assert!(known.contains(&member.as_str()), "{member} in {lists:?} of {file}");
        }
    };
    let policy = [
        "orgId",
        "receiver",
        "group_by",
        "group_wait",
        "group_interval",
        "repeat_interval",
        "matchers",
        "routes",
    ];
    each("datasources/prometheus", &[], &["apiVersion", "datasources"]);
    each(
        "datasources/prometheus",
        &["datasources"],
        &["orgId", "name", "uid", "type", "access", "url", "jsonData"],
    );
    each(
        "dashboards/qlik",
        &["providers"],
        &["orgId", "name", "folder", "type", "allowUiUpdates", "options"],
    );
    each("alerting/rules", &["groups"], &["orgId", "name", "folder", "interval", "rules"]);
    each(
        "alerting/rules",
        &["groups", "rules"],
        &["uid", "title", "condition", "data", "for", "noDataState", "execErrState", "labels", "annotations"],
    );
    each(
        "alerting/rules",
        &["groups", "rules", "data"],
        &["refId", "relativeTimeRange", "datasourceUid", "model"],
    );
    each("alerting/contact-points", &["contactPoints"], &["orgId", "name", "receivers"]);
    each("alerting/contact-points", &["contactPoints", "receivers"], &["uid", "type", "settings"]);
    each("alerting/policies", &["policies"], &policy);
    each("alerting/policies", &["policies", "routes"], &policy);
}

/// The expression with each recorded series replaced by what it records.
fn written_out(expression: &str) -> String {
    let records = prometheus_rules("record");
    let mut expression = expression.to_owned();
    while let Some((name, recorded)) = records.iter().find_map(|rule| {
        let name = string(&rule["record"]);
        expression.contains(name).then(|| (name, string(&rule["expr"]).trim()))
    }) {
        let (before, after) = expression.split_once(name).unwrap();
        expression = if let Some((range, after)) = after.strip_prefix('[').and_then(|a| a.split_once(']')) {
            format!("{before}({recorded})[{range}:{STEP}]{after}")
        } else if let Some(after) = after.strip_prefix(" offset ") {
            let (offset, after) = after.split_at(after.find(')').unwrap());
            format!("{before}last_over_time(({recorded})[{STEP}:{STEP}] offset {offset}){after}")
        } else if before.ends_with('(') && after.starts_with(')') {
            format!("{before}{recorded}{after}")
        } else {
            format!("{before}({recorded}){after}")
        };
    }
    expression
}

/// Without what PromQL does not care for: line breaks, and spaces within brackets.
fn plain(expression: &str) -> String {
    let words: Vec<_> = expression.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(" )", ")")
}
