//! The paths, and what they answer to the right and the wrong question.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::support::expected::{counts, expected};
use crate::support::exporter::Exporter;
use crate::support::scrape::Scrape;
use crate::support::site::{SITE, Site, TRUSTED};
use crate::support::wait::becomes;

const CLASSIC: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

async fn exporter() -> (Site, Exporter) {
    let site = Site::busy(1, &["", "sales"], 20, 5).await;
    let exporter = site.exporter("").await;
    (site, exporter)
}

/// Whether there are figures of sites, and of the exporter itself, in a scrape.
fn parts(scrape: &Scrape) -> (bool, bool) {
    let names = scrape.names();
    let any = |start: &str| names.iter().any(|name| name.starts_with(start));
    (
        any("qlik_proxy_") || any("qlik_site_") || any("qlik_user_"),
        any("qlik_session_exporter_") || any("process_"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn collect_chooses_what_is_in_a_scrape() {
    let (site, exporter) = exporter().await;

    let own = exporter.scrape_path("/metrics?collect[]=exporter").await;
    assert_eq!(parts(&own), (false, true));
    assert_eq!(site.queries(), site.queried(0));

    let sites = exporter.scrape_path("/metrics?collect[]=sessions").await;
    assert_eq!(parts(&sites), (true, false));
    assert_eq!(counts(&sites), expected(&site, &site.pairs()));
    for path in [
        "/metrics",
        "/metrics?collect[]=exporter&collect[]=sessions",
        "/metrics?collect%5B%5D=sessions&collect[]=exporter",
    ] {
        assert_eq!(parts(&exporter.scrape_path(path).await), (true, true), "{path}");
    }
    for path in
        ["/metrics?collect[]=everything", "/metrics?collect[]=", "/metrics?collect[]=sessions&collect[]=x"]
    {
        assert_eq!(exporter.get(path).await.status, 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_one_site_and_an_unknown_one_lists_the_known_names() {
    let (site, exporter) = exporter().await;

    let probe = exporter.scrape_path(&format!("/probe?target={SITE}")).await;
    assert_eq!(parts(&probe), (true, false));
    assert_eq!(counts(&probe), expected(&site, &site.pairs()));

    for path in ["/probe", "/probe?target=", "/probe?target=nowhere", "/probe?target=Simulated"] {
        let answer = exporter.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(SITE), "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_queries_only_its_own_site() {
    let (one, two) = (Site::busy(1, &[""], 10, 5).await, Site::empty(1, &[""]).await);
    // The second site of the same file: its name, its certificates, its proxy service.
    let second = std::fs::read_to_string(two.config("")).unwrap().replace("site.simulated", "site.other");
    let exporter = one.exporter_with("", &format!("{TRUSTED}\n{second}")).await;

    let probe = exporter.scrape_path("/probe?target=other").await;
    assert_eq!(probe.label_values("qlik_proxy_up", "site"), ["other".to_owned()].into());
    assert_eq!((one.queries(), two.queries()), (one.queried(0), two.queried(1)));

    let both = exporter.scrape().await;
    assert_eq!(both.value("qlik_site_users", &[("site", "other")]), Some(0.0));
    assert_eq!(both.sum("qlik_proxy_up", &[]), 2.0);
    assert_eq!((one.queries(), two.queries()), (one.queried(1), two.queried(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probes_debug_shows_its_steps_and_its_metrics_as_text() {
    let (site, exporter) = exporter().await;

    let answer = exporter.get(&format!("/probe?target={SITE}&debug=true")).await;

    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
    let text = answer.text();
    let url = site.url("qps-1");
    assert!(text.contains(&url.port().unwrap().to_string()), "which address was queried: {text}");
    let series = "qlik_proxy_sessions{site=\"simulated\",proxy=\"Central\",virtual_proxy=\"/sales\"}";
    let sessions = site.simulator.sessions(1, "sales");
    assert!(text.contains(&format!("{series} {}", sessions.len())), "{text}");
    let ids = sessions.iter().map(|session| &session.session_id);
    assert_eq!(ids.filter(|id| text.contains(*id)).count(), 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn service_discovery_has_a_target_per_site_that_works_without_relabelling() {
    let (_site, exporter) = exporter().await;

    let answer = exporter.get("/sd").await;

    assert!(answer.header("content-type").starts_with("application/json"), "{answer:?}");
    let group = |target: &str| {
        json!([{
            "targets": [target],
            "labels": {
                "__metrics_path__": "/probe",
                "__param_target": SITE,
                "__scheme__": "http",
                "target": SITE,
            },
        }])
    };
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), group(exporter.authority()));
    // The address is that of the request.
    let named = exporter.request(Method::GET, "/sd", &[("Host", "exporter.company.com:9877")]).await;
    assert_eq!(serde_json::from_slice::<Value>(&named.body).unwrap(), group("exporter.company.com:9877"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_negotiated_and_classic_by_default() {
    let (_site, exporter) = exporter().await;
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, expected) in [
        ("*/*", CLASSIC),
        ("text/html,application/xhtml+xml,*/*;q=0.8", CLASSIC),
        ("text/plain", CLASSIC),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", CLASSIC),
        ("application/openmetrics-text;q=0,*/*", CLASSIC),
        ("not a media type", CLASSIC),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", OPENMETRICS),
        (prometheus, OPENMETRICS),
    ] {
        let answer = exporter.request(Method::GET, "/metrics", &[("Accept", accept)]).await;
        assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
        assert!(answer.header("content-type").starts_with(expected), "{accept}: {answer:?}");
        if expected == OPENMETRICS {
            Scrape::openmetrics(&answer.text());
        } else {
            Scrape::classic(&answer.text());
        }
    }
    assert!(exporter.get("/metrics").await.header("content-type").starts_with(CLASSIC));
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_used_when_it_is_accepted() {
    let (site, exporter) = exporter().await;

    let packed = exporter.request(Method::GET, "/metrics", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("vary"), "Accept, Accept-Encoding");
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(counts(&Scrape::classic(&text)), expected(&site, &site.pairs()));

    for encodings in [&[("Accept-Encoding", "gzip;q=0")][..], &[("Accept-Encoding", "identity")], &[]] {
        let plain = exporter.request(Method::GET, "/metrics", encodings).await;
        assert_eq!(plain.header("content-encoding"), "");
        Scrape::classic(&plain.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_healthy_and_ready() {
    let (_site, exporter) = exporter().await;
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(exporter.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_loads_nothing_from_elsewhere() {
    let (_site, exporter) = exporter().await;

    let answer = exporter.get("/").await;

    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe"), "{policy}");
    let text = answer.text();
    assert!(text.contains("/metrics"), "{text}");
    for elsewhere in ["<script", "<iframe", "<img", "src=", "url(", "@import", "href=\"http", "href=\"//"] {
        assert!(!text.contains(elsewhere), "{elsewhere}: {text}");
    }
    let style = exporter.get("/-/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(!style.text().contains("url(") && !style.text().contains("@import"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_marks_figures_that_are_lower_bounds() {
    let site = Site::busy(2, &["", "sales"], 20, 5).await;
    let exporter = site.exporter("cache_ttl = \"0s\"\n").await;
    exporter.scrape().await;
    assert!(!exporter.get("/").await.text().contains("at least"));

    site.simulator.stop_node(2).await;
    exporter.scrape().await;

    let text = exporter.get("/").await.text();
    assert_eq!(text.matches("2 of 4 are down: at least").count(), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_not_found_and_other_methods_not_allowed() {
    let (_site, exporter) = exporter().await;
    for path in ["/nowhere", "/metrics/", "/-/", "/qps/session"] {
        let answer = exporter.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("/metrics, /probe, /sd"), "{path}: {}", answer.text());
    }
    for path in ["/", "/metrics", "/probe?target=simulated", "/sd", "/-/healthy", "/-/ready"] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert_eq!(exporter.request(method.clone(), path, &[]).await.status, 405, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_telemetry_path_can_be_another() {
    let site = Site::empty(1, &[""]).await;
    let exporter = Exporter::with_config(&site.config(""), &["--web.telemetry-path", "/sessions"]).await;

    assert_eq!(exporter.scrape_path("/sessions").await.value("qlik_proxy_up", &[]), Some(1.0));
    assert_eq!(exporter.get("/metrics").await.status, 404);
    assert!(exporter.get("/").await.text().contains("/sessions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn flag_of_the_web_server_wins_over_the_file() {
    let site = Site::empty(1, &[""]).await;
    let config = site.config("[web]\ntelemetry_path = \"/file\"\nenable_lifecycle = true");

    let exporter = Exporter::with_config(&config, &[]).await;
    assert_eq!(exporter.scrape_path("/file").await.value("qlik_proxy_up", &[]), Some(1.0));
    exporter.reload().await;

    let exporter = Exporter::with_config(&config, &["--web.telemetry-path", "/flag"]).await;
    assert_eq!(exporter.scrape_path("/flag").await.value("qlik_proxy_up", &[]), Some(1.0));
    assert_eq!(exporter.get("/file").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_each_address_that_is_named() {
    let site = Site::empty(1, &[""]).await;
    let second = ["--web.listen-address", "127.0.0.2:0"];
    let exporter = Exporter::with_config(&site.config(""), &second).await;

    let hosts = async || {
        let lines = exporter.program.stdout();
        let urls = lines.iter().filter_map(|line| line.strip_prefix("listening web "));
        urls.map(|url| url.parse::<Url>().unwrap().host_str().unwrap().to_owned()).collect()
    };

    let both = BTreeSet::from(["127.0.0.1".to_owned(), "127.0.0.2".to_owned()]);
    becomes(both, "hosts listened on", hosts).await;
}
