//! The figures: a scrape has what the proxies list at that moment.

use crate::support::expected::{counts, expected, of_pair, pair_labels, user_labels};
use crate::support::exporter::Exporter;
use crate::support::hostile::hostile_ids;
use crate::support::scrape::{Scrape, labels};
use crate::support::site::{SITE, Site};

const PREFIXES: &[&str] = &["", "sales", "finance"];

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_equals_what_the_proxies_list() {
    let site = Site::busy(2, PREFIXES, 400, 60).await;
    site.open(1, "sales", ("LAB", "limited"), 3);
    site.open(2, "finance", ("LAB", "limited"), 2);
    let exporter = site.exporter("").await;

    let scrape = exporter.scrape().await;

    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    let site_label = labels([("site", SITE)]);
    assert_eq!(scrape.series("qlik_user_session_limit"), [(site_label.clone(), 5.0)].into());
    assert_eq!(scrape.series("qlik_site_users_unlisted"), [(site_label, 0.0)].into());
    let up = site.pairs().into_iter().map(|pair| (pair_labels(pair), 1.0)).collect();
    assert_eq!(scrape.series("qlik_proxy_up"), up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_where_nobody_is_connected_counts_zero() {
    let site = Site::empty(1, &["", "sales"]).await;
    let exporter = site.exporter("").await;

    let scrape = exporter.scrape().await;

    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert_eq!(of_pair(&scrape, "qlik_proxy_sessions", (1, "sales")), Some(0.0));
    assert_eq!(scrape.value("qlik_site_users", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_formats_and_both_paths_have_the_same_figures() {
    let site = Site::busy(2, PREFIXES, 100, 30).await;
    let exporter = site.exporter("cache_ttl = \"1h\"").await;
    let accept = [("Accept", "application/openmetrics-text; version=1.0.0")];

    let classic = exporter.scrape().await;
    let openmetrics = Scrape::openmetrics(&exporter.text("/metrics", &accept).await);
    let probe = exporter.scrape_path(&format!("/probe?target={SITE}")).await;

    let expected = expected(&site, &site.pairs());
    assert_eq!(counts(&classic), expected);
    assert_eq!(counts(&openmetrics), expected);
    assert_eq!(counts(&probe), expected);
    assert_eq!(classic.names(), openmetrics.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_user_id_survives_both_formats() {
    let site = Site::empty(1, &[""]).await;
    let ids = hostile_ids();
    for id in &ids {
        site.open(1, "", ("LAB", id), 1);
        site.open(1, "", (id, "same"), 1);
    }
    let exporter = site.exporter("").await;
    let accept = [("Accept", "application/openmetrics-text; version=1.0.0")];

    let classic = exporter.scrape().await;
    let openmetrics = Scrape::openmetrics(&exporter.text("/metrics", &accept).await);

    let of_ids = |id: &String| [user_labels((1, ""), "LAB", id), user_labels((1, ""), id, "same")];
    let expected = ids.iter().flat_map(of_ids).map(|labels| (labels, 1.0)).collect();
    assert_eq!(classic.series("qlik_user_sessions"), expected);
    assert_eq!(openmetrics.series("qlik_user_sessions"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_exist_with_zero_from_the_start() {
    let site = Site::empty(2, &["", "sales"]).await;
    let exporter = site.exporter("").await;

    let scrape = exporter.scrape().await;

    let reasons = ["connect", "tls", "timeout", "http_status", "denied", "decode", "too_large"];
    let each_reason = |pair| {
        reasons.map(|reason| {
            let mut found = pair_labels(pair);
            found.insert("reason".to_owned(), reason.to_owned());
            (found, 0.0)
        })
    };
    let failures = site.pairs().into_iter().flat_map(each_reason).collect();
    assert_eq!(scrape.series("qlik_proxy_query_failures_total"), failures);
    for (name, value) in [
        ("qlik_proxy_queries_total", 1.0),
        ("qlik_proxy_sessions_started_total", 0.0),
        ("qlik_proxy_sessions_ended_total", 0.0),
    ] {
        let expected = site.pairs().into_iter().map(|pair| (pair_labels(pair), value)).collect();
        assert_eq!(scrape.series(name), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_come_and_go_are_counted_from_the_first_answer_on() {
    let site = Site::empty(1, &["", "sales"]).await;
    site.open(1, "", ("LAB", "anna"), 3);
    let exporter = site.exporter("cache_ttl = \"0s\"").await;
    let moves = async || {
        let scrape = exporter.scrape().await;
        let of = |prefix| {
            ["qlik_proxy_sessions_started_total", "qlik_proxy_sessions_ended_total"]
                .map(|name| of_pair(&scrape, name, (1, prefix)).unwrap())
        };
        [of(""), of("sales")]
    };

    assert_eq!(moves().await, [[0.0, 0.0], [0.0, 0.0]]);

    let gone = site.simulator.sessions(1, "")[0].session_id.clone();
    site.open(1, "", ("LAB", "berta"), 2);
    site.open(1, "sales", ("LAB", "berta"), 1);
    assert!(site.simulator.close_session(1, "", &gone));
    assert_eq!(moves().await, [[2.0, 1.0], [1.0, 0.0]]);
    assert_eq!(moves().await, [[2.0, 1.0], [1.0, 0.0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exporters_own_figures_are_there() {
    let site = Site::empty(1, &[""]).await;
    let exporter = site.exporter("").await;

    let scrape = exporter.scrape().await;

    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.value("qlik_session_exporter_build_info", &version), Some(1.0));
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"] {
        assert!(scrape.value(name, &[]).is_some_and(|value| value >= 0.0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_the_simulator_writes_works() {
    let site = Site::busy(2, PREFIXES, 50, 10).await;
    let exporter = Exporter::with_config(site.simulator.config_file(), &[]).await;

    let scrape = exporter.scrape().await;

    let sessions = site.pairs().into_iter().map(|(node, prefix)| site.simulator.sessions(node, prefix).len());
    assert_eq!(scrape.sum("qlik_proxy_sessions", &[("site", SITE)]), sessions.sum::<usize>() as f64);
    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_allowed_are_in_flight_to_one_proxy() {
    let site = Site::empty(2, &["", "a", "b", "c", "d", "e", "f"]).await;
    site.simulator.set_latency(std::time::Duration::from_millis(200));
    let exporter = site.exporter("max_requests_per_proxy = 2\nrequest_timeout = \"30s\"").await;

    let scrape = exporter.scrape_within("60").await;

    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 14.0);
    assert_eq!([1, 2].map(|node| site.simulator.most_in_flight(node)), [2, 2]);
    assert_eq!(site.queries(), site.queried(1));
}
