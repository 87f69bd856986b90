//! Each dashboard is whole in itself, and they fit together.

use std::collections::BTreeSet;

use qlik_session_exporter::exposition::catalogue;
use serde_json::{Value, json};

use super::shipped::{DASHBOARDS, Dashboard, Query, dashboards, list, string};

/// Metrics that are there only when the exporter receives events.
const OF_EVENTS: [&str; 3] =
    ["qlik_session_events_total", "qlik_login_denials_total", "qlik_events_rejected_total"];

/// The variable that stands for the data source.
fn the_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

#[test]
fn their_uids_stay_the_same() {
    for dashboard in dashboards() {
        assert_eq!(dashboard.json["uid"], format!("qlik-{}", dashboard.name));
    }
}

#[test]
fn every_panel_has_a_description_and_a_unit() {
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            let title = string(&panel["title"]);
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(!title.is_empty() && description.ends_with('.'), "{} {title}", dashboard.name);
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{} {title}", dashboard.name);
        }
        for variable in dashboard.variables() {
            assert!(string(&variable["description"]).ends_with('.'), "{} {variable}", dashboard.name);
        }
    }
}

#[test]
fn every_query_goes_to_the_chosen_data_source() {
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            let place = format!("{} {}", dashboard.name, panel["title"]);
            assert_eq!(panel["datasource"], the_source(), "{place}");
            let targets = list(&panel["targets"]);
            assert!(targets.iter().all(|target| target["datasource"] == the_source()), "{place}");
            let names: BTreeSet<_> = targets.iter().map(|target| string(&target["refId"])).collect();
            assert_eq!(names.len(), targets.len(), "{place}");
        }
        let (first, others) = dashboard.variables().split_first().unwrap();
        assert_eq!((&first["name"], &first["type"]), (&json!("datasource"), &json!("datasource")));
        for variable in others.iter().filter(|variable| variable["type"] == "query") {
            assert_eq!(variable["datasource"], the_source(), "{} {variable}", dashboard.name);
            let choice = (&variable["multi"], &variable["includeAll"], &variable["allValue"]);
            assert_eq!(choice, (&json!(true), &json!(true), &json!(".*")), "{} {variable}", dashboard.name);
        }
    }
}

#[test]
fn each_offers_a_choice_of_sites_proxies_and_virtual_proxies() {
    for dashboard in dashboards() {
        for variable in ["datasource", "site", "proxy", "virtual_proxy"] {
            assert!(has(&dashboard, variable), "{} {variable}", dashboard.name);
            let used = format!("${variable}");
            let uses = |query: Query<'_>| query.expression.contains(&used);
            assert!(
                variable == "datasource" || dashboard.queries().any(uses),
                "{} {variable}",
                dashboard.name
            );
        }
    }
}

#[test]
fn figures_of_the_process_are_those_of_exporters_alone() {
    for dashboard in dashboards() {
        for query in dashboard.queries().filter(|query| query.expression.contains("process_")) {
            let (of, only) = ("process_", "and on (instance, job) qlik_session_exporter_build_info");
            let counts = [of, only].map(|part| query.expression.matches(part).count());
            assert_eq!(counts[0], counts[1], "{} {}", dashboard.name, query.expression);
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for dashboard in dashboards() {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard.json["panels"]) {
            let place = format!("{} {}", dashboard.name, panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{place}");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|member| panel["gridPos"][member].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 24, "{place}");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{place} lies over another panel");
            }
        }
    }
}

#[test]
fn every_metric_they_name_is_one_of_the_exporters() {
    let known: BTreeSet<_> = catalogue::ALL.iter().map(|metric| metric.name).chain(OF_EVENTS).collect();
    for dashboard in dashboards() {
        let variables =
            dashboard.variables().iter().filter_map(|variable| variable["query"]["query"].as_str());
        for expression in dashboard.queries().map(|query| query.expression).chain(variables) {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
            let mut metrics =
                words.filter(|word| word.starts_with("qlik_") || word.starts_with("process_")).peekable();
            // Or what Prometheus itself records of each scrape.
            let of_scrapes = ["(up{", "(scrape_duration_seconds{"];
            assert!(metrics.peek().is_some() || of_scrapes.iter().any(|one| expression.contains(one)));
            for metric in metrics {
                assert!(known.contains(metric), "{}: {metric} in {expression}", dashboard.name);
            }
        }
    }
}

#[test]
fn links_between_them_keep_time_and_choices() {
    let all = dashboards();
    for dashboard in &all {
        let link = &dashboard.json["links"][0];
        assert_eq!((&link["includeVars"], &link["keepTime"]), (&json!(true), &json!(true)));
        assert_eq!(dashboard.json["tags"], link["tags"], "{}", dashboard.name);
    }
    let links: Vec<_> = all
        .iter()
        .flat_map(|from| links_in(&from.json["panels"]).into_iter().map(move |link| (from, link)))
        .collect();
    for target in DASHBOARDS.iter().filter(|name| **name != "overview") {
        let leads_there = |(_, link): &(_, String)| link.starts_with(&format!("/d/qlik-{target}?"));
        assert!(links.iter().any(leads_there), "none to {target}");
    }
    for (from, link) in links {
        let (uid, query) = link.strip_prefix("/d/").and_then(|link| link.split_once('?')).unwrap();
        let target = all.iter().find(|dashboard| dashboard.json["uid"] == uid);
        let target = target.unwrap_or_else(|| panic!("{link} leads nowhere"));
        let mut parts = query.split('&');
        assert_eq!(parts.next(), Some("${__url_time_range}"), "{link}");
        let (mut given, mut kept) = (BTreeSet::new(), BTreeSet::new());
        for part in parts {
            let reported = part.strip_prefix("var-").and_then(|part| part.split_once('='));
            if let Some((variable, value)) = reported {
                assert!(value.ends_with(":percentencode}") && has(target, variable), "{link}");
                given.insert(variable);
            } else {
                let variable = part.strip_prefix("${").and_then(|part| part.strip_suffix(":queryparam}"));
                let variable = variable.unwrap_or_else(|| panic!("{part} in {link}"));
                assert!(has(from, variable) && has(target, variable), "{variable} in {link}");
                kept.insert(variable);
            }
        }
        assert!(kept.contains("datasource"), "{link}");
        // Whoever chooses a proxy service keeps the virtual proxy, and the other way round.
        let choices = ["proxy", "virtual_proxy"];
        if choices.iter().any(|choice| given.contains(choice)) {
            assert!(choices.iter().all(|choice| given.contains(choice) || kept.contains(choice)), "{link}");
        }
        // The same dashboard again, as it was set up.
        assert_eq!(
            from.json["uid"] == uid && has(from, "utc_offset"),
            kept.contains("utc_offset"),
            "{} {link}",
            from.name
        );
        // A user is one of a directory.
        assert_eq!(given.contains("user"), given.contains("user_directory"), "{link}");
    }
}

fn has(dashboard: &Dashboard, variable: &str) -> bool {
    dashboard.variables().iter().any(|known| known["name"] == variable)
}

/// The address of each link to another dashboard.
fn links_in(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("url").and_then(Value::as_str).filter(|url| url.starts_with("/d/"));
            own.map(ToOwned::to_owned).into_iter().chain(members.values().flat_map(links_in)).collect()
        }
        Value::Array(items) => items.iter().flat_map(links_in).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn tables_lead_from_a_user_a_site_and_an_exporter_to_their_dashboards() {
    for dashboard in dashboards() {
        for panel in dashboard.panels().filter(|panel| panel["type"] == "table") {
            for (column, uid) in
                [("user_id", "/d/qlik-users?"), ("site", "/d/qlik-site?"), ("instance", "/d/qlik-exporter?")]
            {
                let mut overrides = list(&panel["fieldConfig"]["overrides"]).iter();
                if let Some(column) = overrides.find(|one| one["matcher"]["options"] == column) {
                    let links = links_in(column);
                    assert!(
                        links.iter().any(|link| link.starts_with(uid)),
                        "{} {}",
                        dashboard.name,
                        panel["title"]
                    );
                }
            }
        }
    }
}
