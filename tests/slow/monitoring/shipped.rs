//! The files as they are shipped, read.

use serde_json::Value;

use crate::support::project::text;

pub const DASHBOARDS: [&str; 4] = ["overview", "site", "users", "exporter"];

/// A dashboard: its file's name and what stands in it.
pub struct Dashboard {
    pub name: &'static str,
    pub json: Value,
}

/// One query of a panel.
pub struct Query<'a> {
    pub panel: &'a str,
    pub expression: &'a str,
    /// As of now, or over the chosen time.
    pub instant: bool,
}

pub fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub fn dashboards() -> Vec<Dashboard> {
    let read = |name| Dashboard {
        name,
        json: serde_json::from_str(&text(&format!("grafana/dashboards/{name}.json"))).unwrap(),
    };
    DASHBOARDS.into_iter().map(read).collect()
}

/// The alerts of `prometheus/rules.yml`, or its recording rules.
pub fn prometheus_rules(kind: &str) -> Vec<Value> {
    let file = yaml("prometheus/rules.yml");
    let rules = list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]));
    rules.filter(|rule| rule[kind].is_string()).cloned().collect()
}

/// Grafana's alert rules, of all groups.
pub fn grafana_rules() -> Vec<Value> {
    let file = yaml("grafana/provisioning/alerting/rules.yml");
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"])).cloned().collect()
}

/// The query of a Grafana alert rule.
pub fn expression(rule: &Value) -> &str {
    string(&rule["data"][0]["model"]["expr"])
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

pub fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

impl Dashboard {
    /// All panels but the rows' titles.
    pub fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["panels"]).iter().filter(|panel| panel["type"] != "row")
    }

    pub fn queries(&self) -> impl Iterator<Item = Query<'_>> {
        self.panels().flat_map(|panel| {
            list(&panel["targets"]).iter().map(|target| Query {
                panel: string(&panel["title"]),
                expression: string(&target["expr"]),
                instant: target["instant"] == true,
            })
        })
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }
}
