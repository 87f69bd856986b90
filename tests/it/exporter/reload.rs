//! A reload: each kind of change takes effect, and what did not change goes on.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qlik_sense_simulator::{Authority, CertificateSet, Leaf};

use crate::support::expected::{all_labels, counts, expected, failures, of_pair, pairs_of};
use crate::support::exporter::{Exporter, LIFECYCLE};
use crate::support::scrape::Scrape;
use crate::support::site::{SITE, Site, TRUSTED, proxy_block};
use crate::support::wait::becomes;

const PREFIXES: &[&str] = &["", "sales"];
const KEPT: &str = "cache_ttl = \"1h\"\n";
const NOT_KEPT: &str = "cache_ttl = \"0s\"\n";
const QUERIES: &str = "qlik_proxy_queries_total";
const STARTED: &str = "qlik_proxy_sessions_started_total";

async fn site() -> Site {
    Site::busy(2, PREFIXES, 60, 15).await
}

async fn start(site: &Site, settings: &str) -> Exporter {
    Exporter::with_config(&site.config(settings), LIFECYCLE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_for_users_take_effect() {
    let site = site().await;
    let exporter = start(&site, NOT_KEPT).await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));

    site.config(&format!("{NOT_KEPT}[users]\nsession_limit = 3"));
    exporter.reload().await;
    let limited = exporter.scrape().await;
    assert_eq!(limited.value("qlik_user_session_limit", &[]), Some(3.0));
    let at_least: BTreeSet<String> = ["1", "2", "3"].map(str::to_owned).into();
    assert_eq!(limited.label_values("qlik_site_users_with_sessions", "at_least"), at_least);
    let at_limit = limited.value("qlik_site_users_with_sessions", &[("at_least", "3")]);
    assert_eq!(limited.value("qlik_site_users_at_session_limit", &[]), at_limit);

    site.config(&format!("{NOT_KEPT}[users]\nlabel = \"off\""));
    exporter.reload().await;
    assert_eq!(exporter.scrape().await.series("qlik_user_sessions"), [].into());

    fs::write(site.certificates().join("../hash.key"), "a secret").unwrap();
    site.config(&format!("{NOT_KEPT}[users]\nlabel = \"hashed\"\nhash_key_file = \"hash.key\""));
    exporter.reload().await;
    let hashed = exporter.scrape().await;
    assert_eq!(hashed.label_values("qlik_user_sessions", "user_directory"), [].into());
    assert!(hashed.label_values("qlik_user_sessions", "user_id").iter().all(|id| id.len() == 16));

    site.config(NOT_KEPT);
    exporter.reload().await;
    let plain = exporter.scrape().await;
    assert_eq!(counts(&plain), expected(&site, &site.pairs()));
    for pair in site.pairs() {
        assert_eq!(of_pair(&plain, QUERIES, pair), Some(5.0));
    }
}

/// With `off` an answer is kept without names, and with them otherwise: the kept one cannot serve.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_plain_labels_queries_again_and_all_else_continues() {
    let site = site().await;
    let exporter = start(&site, &format!("{KEPT}[users]\nlabel = \"off\"")).await;
    let off = exporter.scrape().await;
    let connections = site.simulator.connections(1);
    let figures = ["qlik_proxy_users", "qlik_site_users", "qlik_site_users_with_sessions"];

    site.config(KEPT);
    exporter.reload().await;
    let plain = exporter.scrape().await;
    assert_eq!(counts(&plain), expected(&site, &site.pairs()));
    for figure in figures {
        assert_eq!(off.series(figure), plain.series(figure), "{figure}");
    }
    for pair in site.pairs() {
        assert_eq!((of_pair(&plain, QUERIES, pair), of_pair(&plain, STARTED, pair)), (Some(2.0), Some(0.0)));
    }

    site.config(&format!("{KEPT}[users]\nlabel = \"off\""));
    exporter.reload().await;
    assert_eq!(exporter.scrape().await.series("qlik_user_sessions"), [].into());
    assert_eq!((site.queries(), site.simulator.connections(1)), (site.queried(3), connections));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_cache_ttl_takes_effect() {
    let site = site().await;
    let exporter = start(&site, KEPT).await;
    exporter.scrape().await;
    exporter.scrape().await;
    assert_eq!(site.queries(), site.queried(1));

    site.config(NOT_KEPT);
    exporter.reload().await;
    exporter.scrape().await;
    exporter.scrape().await;
    assert_eq!(site.queries(), site.queried(3));

    site.config(KEPT);
    exporter.reload().await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
    assert_eq!(site.queries(), site.queried(3), "the last answer is young enough again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_added_removed_and_renamed() {
    let (site, other) = (site().await, site().await);
    let exporter = site.discovering(NOT_KEPT, "").await;
    let sites = async || {
        let scrape = exporter.scrape().await;
        let of = |name| scrape.label_values(name, "site");
        let up = scrape.sum("qlik_proxy_up", &[]);
        assert_eq!(of("qlik_site_users"), of("qlik_repository_up"));
        (of("qlik_site_users").into_iter().collect::<Vec<_>>(), up)
    };
    let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(sites().await, (named(&[SITE]), 4.0));

    site.discovery_config(NOT_KEPT, &other.discovered("other"));
    exporter.reload().await;
    assert_eq!(sites().await, (named(&["other", SITE]), 8.0));
    assert_eq!(exporter.get("/probe?target=other").await.status.as_u16(), 200);
    assert_eq!(other.queries(), other.queried(2));

    site.write_config(&format!("{NOT_KEPT}{}", site.discovered("renamed")));
    exporter.reload().await;
    assert_eq!(sites().await, (named(&["renamed"]), 4.0));
    assert_eq!(exporter.get("/probe?target=other").await.status.as_u16(), 400);
    assert_eq!(exporter.scrape().await.sum(QUERIES, &[("site", "renamed")]), 8.0);
    assert_eq!(other.queries(), other.queried(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_proxy_leaves_the_state_of_the_others() {
    for kept in [true, false] {
        let settings = if kept { KEPT } else { NOT_KEPT };
        let site = site().await;
        let exporter = start(&site, settings).await;
        exporter.scrape().await;
        let before = site.simulator.connections(1);

        let third = site.simulator.add_node(&["sales"]).await.unwrap();
        let block = proxy_block("Node3", &site.url(&format!("qps-{third}")), &["sales"]);
        site.config_with(settings, &format!("{TRUSTED}{block}"));
        exporter.reload().await;

        let scrape = exporter.scrape().await;
        let pairs = [site.pairs(), vec![(3, "sales")]].concat();
        assert_eq!(counts(&scrape), expected(&site, &pairs));
        for pair in pairs {
            let queries = if kept || pair.0 == 3 { 1.0 } else { 2.0 };
            assert_eq!(of_pair(&scrape, QUERIES, pair), Some(queries), "{pair:?} {settings}");
        }
        assert_eq!(site.simulator.connections(1), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_of_virtual_proxies_take_effect() {
    let site = site().await;
    let exporter = site.discovering(NOT_KEPT, "").await;
    assert_eq!(pairs_of(&exporter.scrape().await, "qlik_proxy_up"), all_labels(&site.pairs()));

    site.discovery_config(NOT_KEPT, "virtual_proxies = ['s*']");
    exporter.reload().await;
    let narrowed = exporter.scrape().await;
    let sales = [(1, "sales"), (2, "sales")];
    assert_eq!(counts(&narrowed), expected(&site, &sales));
    assert_eq!(pairs_of(&narrowed, QUERIES), all_labels(&sales));
    assert_eq!(of_pair(&narrowed, QUERIES, (1, "sales")), Some(2.0));
    assert_eq!(
        narrowed.label_values("qlik_virtual_proxy_info", "virtual_proxy"),
        ["/sales".to_owned()].into()
    );

    site.discovery_config(NOT_KEPT, "exclude_virtual_proxies = ['/none']");
    becomes(true, "ready", async || exporter.is_ready().await).await;
    exporter.reload().await;
    let wide = exporter.scrape().await;
    assert_eq!(counts(&wide), expected(&site, &site.pairs()));
    assert_eq!(of_pair(&wide, QUERIES, (1, "sales")), Some(3.0));
    assert_eq!(of_pair(&wide, QUERIES, (1, "")), Some(1.0), "it was gone, and begins anew");
}

fn expiry(scrape: &Scrape) -> Option<f64> {
    scrape.value("qlik_certificate_expiry_timestamp_seconds", &[("certificate", "client")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_client_certificate_is_used_from_then_on() {
    let authority = Authority::new("site-CA").unwrap();
    let server = Leaf::server(vec!["127.0.0.1".to_owned()]);
    let set = CertificateSet::issued_by(&authority, &server).unwrap();
    let site = Site::certified(&set, 1, PREFIXES).await;
    let exporter = site.discovering(NOT_KEPT, "").await;
    exporter.scrape().await;
    site.open(1, "", ("LAB", "anna"), 2);
    let before = exporter.scrape().await;
    assert_eq!(of_pair(&before, STARTED, (1, "")), Some(2.0));

    let not_after = SystemTime::now() + Duration::from_secs(77 * 86_400);
    let renewed = authority.issue(&Leaf { not_after, ..Leaf::client("QlikClient") }).unwrap();
    fs::write(site.certificates().join("client.pem"), renewed.certificate).unwrap();
    fs::write(site.certificates().join("client_key.pem"), renewed.key).unwrap();
    assert_eq!(expiry(&exporter.scrape().await), expiry(&before), "read again only by a reload");
    exporter.reload().await;

    let after = exporter.scrape().await;
    assert_ne!(expiry(&after), expiry(&before));
    let seconds = not_after.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(expiry(&after), Some(seconds as f64));
    assert_eq!(counts(&after), expected(&site, &site.pairs()));
    assert_eq!(of_pair(&after, QUERIES, (1, "")), Some(4.0));
    assert_eq!(of_pair(&after, STARTED, (1, "")), Some(2.0));
    assert_eq!(failures(&after, (1, "")), [].into());
}

/// The settings with these addresses to listen on, and a limit.
fn listening(addresses: &[&str], limit: u32) -> String {
    format!("listen_address = {addresses:?}\n{NOT_KEPT}[users]\nsession_limit = {limit}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_listen_address_is_logged_and_has_no_effect() {
    let site = site().await;
    let config = site.config(&listening(&["127.0.0.1:0"], 5));
    let mut exporter = Exporter::listening_as_configured(&config, LIFECYCLE).await;

    site.config(&listening(&["127.0.0.1:0", "127.0.0.1:1"], 2));
    exporter.reload().await;

    let scrape = exporter.scrape().await;
    assert_eq!(scrape.value("qlik_user_session_limit", &[]), Some(2.0), "all the rest takes effect");
    let warning = exporter
        .program
        .printed("the warning", |line| line.contains("restart required").then(|| line.to_owned()))
        .await;
    assert!(warning.contains("level=warn") && warning.contains("listen_address"), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_of_web_and_log_are_logged_and_have_no_effect() {
    let site = site().await;
    let exporter = start(&site, NOT_KEPT).await;

    site.config(&format!("{NOT_KEPT}[web]\ntelemetry_path = \"/other\"\n[log]\nlevel = \"error\""));
    exporter.reload().await;

    exporter.scrape().await;
    for key in ["web.telemetry_path", "log.level"] {
        let warning = format!("message=\"restart required\" key={key}");
        let reported = async || exporter.program.stderr().iter().any(|line| line.contains(&warning));
        becomes(true, "the warning is logged", reported).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_address_that_a_flag_overrides_is_not_logged() {
    let site = site().await;
    let exporter = start(&site, &listening(&["127.0.0.1:0"], 5)).await;

    site.config(&listening(&["127.0.0.1:1"], 2));
    exporter.reload().await;

    assert_eq!(exporter.scrape().await.value("qlik_user_session_limit", &[]), Some(2.0));
    let reported = exporter.program.stderr();
    assert!(reported.iter().all(|line| !line.contains("level=warn")), "{reported:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_the_same_changes_nothing() {
    for discovers in [false, true] {
        let site = site().await;
        let exporter = if discovers { site.discovering(KEPT, "").await } else { start(&site, KEPT).await };
        let first = exporter.scrape().await;
        let connections = [1, 2].map(|node| site.simulator.connections(node));

        for _ in 0..3 {
            exporter.reload().await;
            assert!(exporter.is_ready().await);
            let scrape = exporter.scrape().await;
            for name in [
                QUERIES,
                STARTED,
                "qlik_proxy_last_success_timestamp_seconds",
                "qlik_proxy_query_duration_seconds",
                "qlik_repository_last_success_timestamp_seconds",
                "qlik_certificate_expiry_timestamp_seconds",
            ] {
                assert_eq!(scrape.series(name), first.series(name), "{name}");
            }
            assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
        }

        assert_eq!(site.queries(), site.queried(1));
        assert_eq!([1, 2].map(|node| site.simulator.connections(node)), connections);
        let own = exporter.scrape_path("/metrics?collect[]=exporter").await;
        assert_eq!(own.value("qlik_session_exporter_cache_requests_total", &[]), Some(16.0));
        assert_eq!(own.value("qlik_session_exporter_cache_hits_total", &[]), Some(12.0));
    }
}
