//! Every expression of every dashboard and rule, sent to Prometheus.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::history::{self, PAST};
use super::shipped::{Dashboard, Query, dashboards, expression, grafana_rules, prometheus_rules, string};
use super::variables::{Choice, Choices, replaced};
use crate::prometheus::Prometheus;
use crate::support::exporter::Exporter;
use crate::support::scrape::{Labels, labels};
use crate::support::site::{SITE, Site};
use crate::support::wait::becomes;

/// Panels that have nothing to show while all answers, and without events.
const NOTHING_TO_SHOW: [(&str, &str); 7] = [
    ("overview", "Refused logins"),
    ("overview", "Proxy services that do not answer"),
    ("site", "Refused logins"),
    ("site", "Sessions and connections, as logged"),
    ("exporter", "Rejected datagrams"),
    ("exporter", "Failures by reason"),
    ("exporter", "Failures"),
];

/// Those of them that show something once a proxy service is stopped.
const SHOWN_IN_TROUBLE: [(&str, &str); 3] = [
    ("overview", "Proxy services that do not answer"),
    ("exporter", "Failures by reason"),
    ("exporter", "Failures"),
];

/// Panels about users that have series of their own.
const OF_NAMED_USERS: [(&str, &str); 7] = [
    ("overview", "Who has reached the limit"),
    ("site", "Who is connected"),
    ("users", "Users found"),
    ("users", "Their sessions"),
    ("users", "Near and at the limit"),
    ("users", "Longest at the limit"),
    ("users", "Sessions by user"),
];

/// A site with a user at the limit, one near it, and others; fewer than any panel has room for.
async fn site() -> Site {
    let site = Site::busy(2, &["", "sales"], 24, 12).await;
    site.open(1, "sales", ("LAB", "anna.o'neil+1"), 3);
    site.open(2, "", ("LAB", "anna.o'neil+1"), 2);
    site.open(1, "sales", ("LAB", "berta"), 4);
    site
}

/// One value for each variable: somebody at the limit, where they have sessions.
fn one_value(variable: &str, exporter: &Exporter) -> String {
    match variable {
        "site" => SITE.to_owned(),
        "proxy" => "Central".to_owned(),
        "virtual_proxy" => "/sales".to_owned(),
        "user_directory" => "LAB".to_owned(),
        "user" => "O'Neil+".to_owned(),
        "instance" => exporter.authority().to_owned(),
        "utc_offset" => "-3".to_owned(),
        other => panic!("a new variable, {other}: which value has something to show?"),
    }
}

/// Everything chosen, as it is when a dashboard is opened.
fn as_opened(dashboard: &Dashboard) -> Choices {
    let variables = dashboard.variables().iter().filter(|variable| variable["type"] != "datasource");
    let opened = variables.map(|variable| {
        let choice = match string(&variable["type"]) {
            "query" => Choice::all_of(variable),
            _ => Choice::Text(string(&variable["current"]["value"]).to_owned()),
        };
        (string(&variable["name"]).to_owned(), choice)
    });
    opened.collect()
}

/// The values that a variable offers: those of a label, `label_values(series, label)`.
async fn offered(variable: &Value, choices: &Choices, prometheus: &Prometheus) -> Vec<String> {
    let query = string(&variable["query"]["query"]);
    let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
    let (series, label) = inside.rsplit_once(", ").unwrap();
    let series = replaced(series, choices, PAST);
    let found = prometheus.api_query("query", &[("query", &format!("group by ({label}) ({series})"))]).await;
    found.iter().map(|one| string(&one["metric"][label]).to_owned()).collect()
}

/// Each variable as one value with the others as opened, all of them as one, and each with all that it offers.
async fn choices(dashboard: &Dashboard, exporter: &Exporter, prometheus: &Prometheus) -> Vec<Choices> {
    let opened = as_opened(dashboard);
    let (mut all_as_one, mut all_as_several) = (opened.clone(), opened.clone());
    let mut every = vec![opened.clone()];
    for variable in dashboard.variables().iter().filter(|variable| variable["type"] != "datasource") {
        let name = string(&variable["name"]);
        let value = one_value(name, exporter);
        let one = if variable["type"] == "query" {
            let values = offered(variable, &opened, prometheus).await;
            assert!(values.contains(&value), "{name} offers {values:?}");
            all_as_several.insert(name.to_owned(), Choice::Some(values));
            Choice::Some(vec![value])
        } else {
            Choice::Text(value)
        };
        all_as_one.insert(name.to_owned(), one.clone());
        let mut alone = opened.clone();
        alone.insert(name.to_owned(), one);
        every.push(alone);
    }
    every.extend([all_as_one, all_as_several]);
    every
}

/// What Prometheus answers to a panel's question.
async fn queried(query: &Query<'_>, choices: &Choices, prometheus: &Prometheus) -> Vec<Value> {
    let expression = replaced(query.expression, choices, PAST);
    if query.instant {
        return prometheus.api_query("query", &[("query", &expression)]).await;
    }
    // With its fraction: a scrape of this very second counts.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (start, end) = ((now - PAST as f64).to_string(), now.to_string());
    let span = [("query", expression.as_str()), ("start", &start), ("end", &end), ("step", "60")];
    prometheus.api_query("query_range", &span).await
}

/// Sends every query of the dashboards, as opened: which panels show nothing.
async fn empty_panels(prometheus: &Prometheus) -> Vec<(&'static str, String)> {
    let mut empty = Vec::new();
    for dashboard in dashboards() {
        for query in dashboard.queries() {
            if queried(&query, &as_opened(&dashboard), prometheus).await.is_empty() {
                empty.push((dashboard.name, query.panel.to_owned()));
            }
        }
    }
    empty
}

fn among(panels: &[(&str, &str)], dashboard: &str, panel: &str) -> bool {
    panels.contains(&(dashboard, panel))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_query_is_valid_and_shows_data_for_every_choice() {
    let site = site().await;
    let exporter = site.discovering("", "").await;
    let prometheus = history::prometheus(&[&exporter]).await;
    for dashboard in dashboards() {
        for choices in choices(&dashboard, &exporter, &prometheus).await {
            for query in dashboard.queries() {
                let shown = !queried(&query, &choices, &prometheus).await.is_empty();
                let expected = !among(&NOTHING_TO_SHOW, dashboard.name, query.panel);
                assert!(
                    shown || !expected,
                    "{} {}: {} shows nothing with {choices:?}",
                    dashboard.name,
                    query.panel,
                    query.expression
                );
            }
        }
    }

    // What a proxy service that is down gives to show.
    site.simulator.stop_node(2).await;
    let down = "count(qlik_proxy_up == 0 and on () increase(qlik_proxy_query_failures_total[1m]) > 0)";
    becomes(true, down, async || !prometheus.query(down).await.is_empty()).await;
    let empty = empty_panels(&prometheus).await;
    for (dashboard, panel) in SHOWN_IN_TROUBLE {
        assert!(!empty.contains(&(dashboard, panel.to_owned())), "{dashboard} {panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_can_be_searched_for() {
    let site = site().await;
    let exporter = site.exporter("").await;
    let prometheus = history::prometheus(&[&exporter]).await;
    let users = dashboards().into_iter().find(|dashboard| dashboard.name == "users").unwrap();
    let mut choices = as_opened(&users);
    for (text, found) in [
        ("neil+1", true),
        ("A.O'N", true),
        ("o.neil", false),
        ("", true),
        (r#"*(["\{|^$/)?"#, false),
        ("ü ЙЦ\u{202e}%'\\", false),
        ("$1", false),
    ] {
        choices.insert("user".to_owned(), Choice::Text(text.to_owned()));
        for query in users.queries() {
            let answer = queried(&query, &choices, &prometheus).await;
            if query.panel == "Users found" {
                assert_eq!(!answer.is_empty(), found, "{text}: {}", query.expression);
            }
        }
    }
}

/// What the panel that comes first under this title shows, as opened.
async fn figure(dashboard: &str, panel: &str, prometheus: &Prometheus) -> f64 {
    let dashboard = dashboards().into_iter().find(|one| one.name == dashboard).unwrap();
    let query = dashboard.queries().find(|query| query.panel == panel).unwrap();
    let answer = prometheus.query(&replaced(query.expression, &as_opened(&dashboard), PAST)).await;
    *answer.get(&labels([])).unwrap_or_else(|| panic!("{panel} shows nothing"))
}

/// What is shown of each series in an answer: its value now, or the last one.
fn shown(answer: &[Value]) -> BTreeMap<String, f64> {
    let value = |series: &Value| {
        let point =
            series.get("value").unwrap_or_else(|| series["values"].as_array().unwrap().last().unwrap());
        string(&point[1]).parse().unwrap()
    };
    answer.iter().map(|series| (series["metric"].to_string(), value(series))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_doubles_when_two_exporters_see_a_site() {
    let site = site().await;
    let (one, other) = (site.discovering("", "").await, site.discovering("", "").await);
    let alone = history::prometheus(&[&one]).await;
    let both = history::prometheus(&[&one, &other]).await;
    // The exporters' own queries are two.
    for dashboard in dashboards().iter().filter(|dashboard| dashboard.name != "exporter") {
        let choices = as_opened(dashboard);
        for query in dashboard.queries() {
            // How long a query takes is another number each time.
            if query.expression.contains("qlik_proxy_query_duration_seconds") {
                continue;
            }
            let of_one = shown(&queried(&query, &choices, &alone).await);
            let of_both = shown(&queried(&query, &choices, &both).await);
            let place = format!("{} {}: {}", dashboard.name, query.panel, query.expression);
            assert!(of_one.keys().eq(of_both.keys()), "{place}\n{of_one:?}\n{of_both:?}");
            for (series, value) in of_one {
                // Time goes on between the two questions.
                let difference = (value - of_both[&series]).abs();
                assert!(difference <= 0.3 * value.abs(), "{place}\n{series} {value} {}", of_both[&series]);
            }
        }
    }
    let sessions =
        async |prometheus: &Prometheus| prometheus.query("sum(qlik_proxy_sessions)").await[&labels([])];
    assert_eq!(sessions(&both).await, 2.0 * sessions(&alone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_site_shows_zeros() {
    let site = Site::empty(1, &[""]).await;
    let exporter = site.discovering("", "").await;
    let prometheus = history::prometheus(&[&exporter]).await;
    for panel in ["Sessions", "Users", "Users at the limit", "Users one below the limit", "Not answering"] {
        assert_eq!(figure("overview", panel, &prometheus).await, 0.0, "{panel}");
    }
    for (dashboard, panel) in empty_panels(&prometheus).await {
        let of_users = among(&OF_NAMED_USERS, dashboard, &panel)
            || (dashboard, &*panel) == ("users", "Sessions by virtual proxy");
        assert!(of_users || among(&NOTHING_TO_SHOW, dashboard, &panel), "{dashboard} {panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_without_names_are_shown_as_far_as_they_have_series() {
    let site = site().await;
    std::fs::write(site.certificates().join("hash.key"), "a key for this test").unwrap();
    let key = site.certificates().join("hash.key").display().to_string();
    for (settings, named) in [
        (format!("users = {{ label = \"hashed\", hash_key_file = '{key}' }}"), true),
        ("users = { label = \"off\" }".to_owned(), false),
    ] {
        let exporter = site.discovering(&settings, "").await;
        let prometheus = history::prometheus(&[&exporter]).await;
        let empty = empty_panels(&prometheus).await;
        if named {
            assert_links_find_users_without_a_directory(&prometheus).await;
        }
        for (dashboard, panel) in OF_NAMED_USERS {
            assert_eq!(
                empty.contains(&(dashboard, panel.to_owned())),
                !named,
                "{settings}: {dashboard} {panel}"
            );
        }
    }
}

/// There is no such column where no user has a directory: the link has an empty one, or its own text.
async fn assert_links_find_users_without_a_directory(prometheus: &Prometheus) {
    let users = dashboards().into_iter().find(|dashboard| dashboard.name == "users").unwrap();
    let query = users.queries().find(|query| query.panel == "Users found").unwrap();
    for directory in ["", "${__data.fields.user_directory:percentencode}"] {
        let mut choices = as_opened(&users);
        choices.insert("user_directory".to_owned(), Choice::Some(vec![directory.to_owned()]));
        assert!(!queried(&query, &choices, prometheus).await.is_empty(), "{directory}: {}", query.expression);
    }
}

/// What an alert's expression gives: labels, whatever the values.
async fn alerting(expression: &str, prometheus: &Prometheus) -> Vec<Labels> {
    prometheus.query(expression).await.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_valid_and_grafanas_rules_find_what_prometheus_finds() {
    let site = site().await;
    let exporter = site.discovering("cache_ttl = \"0s\"", "").await;
    let prometheus = history::prometheus(&[&exporter]).await;
    for rule in prometheus_rules("record") {
        let recorded = string(&rule["record"]);
        becomes(true, recorded, async || !prometheus.query(recorded).await.is_empty()).await;
    }
    let found = async || {
        let mut of_prometheus = BTreeMap::<_, Vec<_>>::new();
        for rule in prometheus_rules("alert") {
            let found = alerting(string(&rule["expr"]), &prometheus).await;
            of_prometheus.entry(string(&rule["alert"]).to_owned()).or_default().extend(found);
        }
        let mut of_grafana = BTreeMap::<_, Vec<_>>::new();
        for rule in grafana_rules() {
            let found = alerting(expression(&rule), &prometheus).await;
            of_grafana.entry(string(&rule["title"]).to_owned()).or_default().extend(found);
        }
        assert_eq!(of_grafana, of_prometheus);
        of_prometheus.retain(|_, found| !found.is_empty());
        of_prometheus.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        found().await,
        ["QlikUserAtSessionLimit", "QlikUserNearSessionLimit", "QlikUsersAtSessionLimit"]
    );
}
