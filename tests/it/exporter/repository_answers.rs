//! What a repository may answer: fewer members than usual, more of them, names that are no names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::expected::{all_labels, counts, expected, pairs_of};
use crate::support::exporter::Exporter;
use crate::support::scrape::labels;
use crate::support::site::{Pair, SITE, Site, TRUSTED};
use crate::support::stand_in::{StandIn, ok, response};
use crate::support::wait::becomes;

const ABOUT: &str = "/qrs/about";
const PROXY_SERVICES: &str = "/qrs/proxyservice/full";
const VIRTUAL_PROXIES: &str = "/qrs/virtualproxyconfig/full";

const PAIRS: &[Pair] = &[(1, ""), (1, "sales"), (2, "sales")];

async fn site() -> Site {
    Site::with(2, &["", "sales"], |options| {
        options.links = vec![vec![String::new(), "sales".to_owned()], vec!["sales".to_owned()]];
        options.sessions = 20;
        options.users = 5;
    })
    .await
}

/// A proxy service with what is needed to query it, and nothing else.
fn proxy_service(site: &Site, node: usize, name: &str, prefixes: &[&str]) -> Value {
    let url = site.url(&format!("qps-{node}"));
    let links: Vec<Value> = prefixes.iter().map(|prefix| json!({ "prefix": prefix })).collect();
    json!({
        "serverNodeConfiguration": { "name": name, "hostName": url.host_str().unwrap() },
        "settings": { "restListenPort": url.port().unwrap(), "virtualProxies": links }
    })
}

/// An exporter of a site whose repository has these answers.
async fn reported(site: &Site, answers: &[(&'static str, &str)]) -> (Exporter, StandIn) {
    let answers: BTreeMap<_, _> = answers.iter().map(|(path, text)| (*path, ok(text))).collect();
    let repository = StandIn::start(&site.certificates(), move |request| {
        Some(answers.get(request.path).cloned().unwrap_or_else(|| response("404 Not Found", "", "")))
    })
    .await;
    (querying(site, &repository).await, repository)
}

/// An exporter that queries this repository every second.
async fn querying(site: &Site, repository: &StandIn) -> Exporter {
    let text = format!(
        "cache_ttl = \"0s\"\n[site.{SITE}]{TRUSTED}repository = \"{}\"\nrepository_refresh = \"1s\"\n",
        repository.url
    );
    Exporter::with_config(&site.write_config(&text), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_may_be_missing() {
    let site = site().await;
    let services = json!([
        proxy_service(&site, 1, "Central", &["", "sales"]),
        proxy_service(&site, 2, "Node2", &["sales"]),
    ]);
    let virtual_proxies = r#"[{}, {"prefix": "sales", "description": null}]"#;
    let answers =
        [(ABOUT, "{}"), (PROXY_SERVICES, &*services.to_string()), (VIRTUAL_PROXIES, virtual_proxies)];
    let (exporter, _repository) = reported(&site, &answers).await;

    let scrape = exporter.scrape().await;

    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(1.0));
    assert_eq!(pairs_of(&scrape, "qlik_proxy_up"), all_labels(PAIRS));
    assert_eq!(counts(&scrape), expected(&site, PAIRS));
    let info = |virtual_proxy| {
        let of = [
            ("site", SITE),
            ("virtual_proxy", virtual_proxy),
            ("description", ""),
            ("session_cookie_header", ""),
        ];
        (labels(of), 1.0)
    };
    assert_eq!(scrape.series("qlik_virtual_proxy_info"), [info("/"), info("/sales")].into());
    let linked = |virtual_proxy| {
        scrape.value("qlik_virtual_proxy_linked_proxies", &[("virtual_proxy", virtual_proxy)])
    };
    assert_eq!((linked("/"), linked("/sales")), (Some(1.0), Some(2.0)));
    for unknown in ["qlik_virtual_proxy_inactivity_timeout_seconds", "qlik_repository_info"] {
        assert_eq!(scrape.series(unknown), [].into(), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_members_may_come_and_the_version_may_be_kept_secret() {
    let site = site().await;
    let mut services = json!([
        proxy_service(&site, 1, "Central", &["", "sales"]),
        proxy_service(&site, 2, "Node2", &["sales"]),
    ]);
    services[0]["new"] = json!([{ "deep": [1, null, {}] }]);
    services[1]["settings"]["virtualProxies"][0]["privileges"] = json!("none");
    let virtual_proxies =
        r#"[{"prefix": ""}, {"prefix": "sales", "sessionInactivityTimeout": 71582, "new": {"x": 1e300}}]"#;
    // Without an answer for /qrs/about.
    let answers = [(PROXY_SERVICES, &*services.to_string()), (VIRTUAL_PROXIES, virtual_proxies)];
    let (exporter, _repository) = reported(&site, &answers).await;

    let scrape = exporter.scrape().await;

    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(1.0));
    assert_eq!(counts(&scrape), expected(&site, PAIRS));
    assert_eq!(scrape.series("qlik_repository_info"), [].into());
    let timeout = [(labels([("site", SITE), ("virtual_proxy", "/sales")]), 4_294_920.0)].into();
    assert_eq!(scrape.series("qlik_virtual_proxy_inactivity_timeout_seconds"), timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_without_a_name_of_their_own_are_named_by_host() {
    for name in ["Same", ""] {
        let site = site().await;
        let services =
            json!(
                [proxy_service(&site, 1, name, &["", "sales"]), proxy_service(&site, 2, name, &["sales"]),]
            );
        let answers = [(ABOUT, "{}"), (PROXY_SERVICES, &*services.to_string()), (VIRTUAL_PROXIES, "[]")];
        let (exporter, _repository) = reported(&site, &answers).await;

        let scrape = exporter.scrape().await;

        let hosts: BTreeSet<String> = ["127.0.0.1", "127.0.0.2"].map(str::to_owned).into();
        for metric in ["qlik_proxy_info", "qlik_proxy_sessions", "qlik_proxy_up"] {
            assert_eq!(scrape.label_values(metric, "proxy"), hosts, "{metric} with {name:?}");
        }
        assert_eq!(scrape.sum("qlik_proxy_up", &[]), 3.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_list_is_reported_with_the_reason() {
    let site = site().await;
    let wrong = r#"[{"settings": {"restListenPort": "4243"}}]"#;
    let answers = [(ABOUT, "{}"), (PROXY_SERVICES, wrong), (VIRTUAL_PROXIES, "[]")];
    let (mut exporter, _repository) = reported(&site, &answers).await;

    becomes(true, "ready", async || exporter.is_ready().await).await;

    assert_eq!(exporter.scrape().await.value("qlik_repository_up", &[]), Some(0.0));
    let place = "[0].settings.restListenPort";
    let line =
        exporter.program.printed("what is wrong", |line| line.contains(place).then(|| line.to_owned())).await;
    assert!(line.contains("level=warn") && line.contains(SITE), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_proxy_services_fails_and_the_topology_stays() {
    let site = site().await;
    let services = json!([
        proxy_service(&site, 1, "Central", &["", "sales"]),
        proxy_service(&site, 2, "Node2", &["sales"])
    ]);
    let has_rights = Arc::new(AtomicBool::new(false));
    let queried = has_rights.clone();
    let repository = StandIn::start(&site.certificates(), move |request| {
        let shows = request.path == PROXY_SERVICES && queried.load(Ordering::Relaxed);
        Some(ok(&if shows { services.to_string() } else { "[]".to_owned() }))
    })
    .await;
    let mut exporter = querying(&site, &repository).await;
    let up = async |exporter: &Exporter| exporter.scrape().await.value("qlik_repository_up", &[]);

    let scrape = exporter.scrape().await;
    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(0.0));
    assert_eq!(scrape.series("qlik_proxy_up"), [].into());
    let reported = |line: &str| line.contains("no proxy service").then(|| line.to_owned());
    let line = exporter.program.printed("why", reported).await;
    assert!(line.contains("level=warn") && line.contains("reason=denied"), "{line}");

    has_rights.store(true, Ordering::Relaxed);
    becomes(Some(1.0), "the repository is up", async || up(&exporter).await).await;
    has_rights.store(false, Ordering::Relaxed);
    becomes(Some(0.0), "the repository is up", async || up(&exporter).await).await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, PAIRS));
}
