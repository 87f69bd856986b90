//! How a reload is requested, and what becomes of a bad configuration: it is refused as a whole.

use std::fs;

use reqwest::{Method, StatusCode};

use crate::support::expected::{counts, expected};
use crate::support::exporter::{Exporter, LIFECYCLE};
use crate::support::site::{Site, TRUSTED};
#[cfg(unix)]
use crate::support::slow_key;
use crate::support::wait::becomes;

const PREFIXES: &[&str] = &["", "sales"];
const NOT_KEPT: &str = "cache_ttl = \"0s\"\n";
const SUCCESSFUL: &str = "qlik_session_exporter_config_last_reload_successful";
const TIMESTAMP: &str = "qlik_session_exporter_config_last_reload_success_timestamp_seconds";

async fn start(site: &Site, args: &[&str]) -> Exporter {
    Exporter::with_config(&site.config(NOT_KEPT), args).await
}

/// What the exporter exports of its last reload: whether it was good, and when the last good one was.
async fn last_reload(exporter: &Exporter) -> (f64, f64) {
    let scrape = exporter.scrape_path("/metrics?collect[]=exporter").await;
    (scrape.value(SUCCESSFUL, &[]).unwrap(), scrape.value(TIMESTAMP, &[]).unwrap())
}

async fn limit(exporter: &Exporter) -> Option<f64> {
    exporter.scrape().await.value("qlik_user_session_limit", &[])
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_with_and_without_the_flag() {
    for args in [LIFECYCLE, &[]] {
        let site = Site::empty(1, PREFIXES).await;
        let exporter = start(&site, args).await;
        let (_, before) = last_reload(&exporter).await;

        for number in [3, 4] {
            site.config(&format!("{NOT_KEPT}[users]\nsession_limit = {number}"));
            exporter.program.send("HUP");
            becomes(Some(f64::from(number)), "the limit", async || limit(&exporter).await).await;
        }

        let (successful, after) = last_reload(&exporter).await;
        assert_eq!(successful, 1.0);
        assert!(after > before, "{after} {before}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sighup_during_a_reload_reloads_once_more() {
    let site = Site::empty(1, PREFIXES).await;
    let exporter = start(&site, &["--log.level", "debug"]).await;
    slow_key::use_in(&site, NOT_KEPT, "50000");
    exporter.program.send("HUP");
    slow_key::is_read(&exporter).await;

    site.config(&format!("{NOT_KEPT}[users]\nsession_limit = 3"));
    exporter.program.send("HUP");

    becomes(Some(3.0), "the limit", async || limit(&exporter).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn post_reloads_with_the_flag_only_and_get_never() {
    let site = Site::empty(1, PREFIXES).await;
    let (with, without) = (start(&site, LIFECYCLE).await, start(&site, &[]).await);
    let before = [last_reload(&with).await, last_reload(&without).await];
    site.config(&format!("{NOT_KEPT}[users]\nsession_limit = 3"));

    let refused = without.request_reload().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("--web.enable-lifecycle"), "{}", refused.text());
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let answer = with.request(method.clone(), "/-/reload", &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), "POST", "{method}");
    }
    assert_eq!([last_reload(&with).await, last_reload(&without).await], before);

    let done = with.request_reload().await;
    assert_eq!((done.status, &*done.text()), (StatusCode::OK, "configuration reloaded\n"));
    assert_eq!((limit(&with).await, limit(&without).await), (Some(3.0), Some(5.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_with_all_its_errors_and_changes_nothing() {
    let site = Site::busy(2, PREFIXES, 40, 10).await;
    let mut exporter = start(&site, LIFECYCLE).await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
    let before = last_reload(&exporter).await;
    assert_eq!(before.0, 1.0);

    site.config_with(
        "cache_tll = \"10s\"\nrequest_timeout = \"soon\"\n[users]\nsession_limit = 0",
        &format!("{TRUSTED}repository = \"ftp://x\"\nkey_password_file = \"nowhere\"\n"),
    );
    let refused = exporter.request_reload().await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let text = refused.text();
    let errors = ["cache_tll", "request_timeout", "session_limit", "repository", "key_password_file"];
    for key in errors {
        let reported = text.lines().any(|line| line.contains(key));
        assert!(reported, "{key} is not in the answer:\n{text}");
        exporter
            .program
            .printed(&format!("{key} in the log"), |line| {
                (line.contains("level=warn") && line.contains(key)).then_some(())
            })
            .await;
    }
    assert_eq!(last_reload(&exporter).await, (0.0, before.1));
    assert!(exporter.is_ready().await);
    let scrape = exporter.scrape().await;
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert_eq!(
        scrape.value("qlik_proxy_queries_total", &[("proxy", "Node2"), ("virtual_proxy", "/")]),
        Some(2.0)
    );

    site.config(&format!("{NOT_KEPT}[users]\nsession_limit = 3"));
    exporter.reload().await;
    let (successful, after) = last_reload(&exporter).await;
    assert_eq!(successful, 1.0);
    assert!(after > before.1);
    assert_eq!(limit(&exporter).await, Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_refused() {
    let site = Site::busy(1, PREFIXES, 20, 5).await;
    let exporter = start(&site, LIFECYCLE).await;
    let before = last_reload(&exporter).await;
    fs::remove_file(site.certificates().join("../config.toml")).unwrap();

    let refused = exporter.request_reload().await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("config.toml"), "{}", refused.text());
    assert_eq!(last_reload(&exporter).await, (0.0, before.1));
    assert_eq!(counts(&exporter.scrape().await), expected(&site, &site.pairs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_do_not_fit_each_other_are_refused() {
    let (site, other) = (Site::busy(1, PREFIXES, 20, 5).await, Site::empty(1, &[""]).await);
    let exporter = start(&site, LIFECYCLE).await;
    let scrape = exporter.scrape().await;
    let expiries = scrape.series("qlik_certificate_expiry_timestamp_seconds");
    let foreign = fs::read(other.certificates().join("client.pem")).unwrap();

    for (content, reported) in [(&*foreign, "does not belong"), (b"no certificate", "client.pem")] {
        fs::write(site.certificates().join("client.pem"), content).unwrap();
        let refused = exporter.request_reload().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains(reported), "{}", refused.text());
        assert!(!refused.text().contains("PRIVATE KEY"));
    }

    let after = exporter.scrape().await;
    assert_eq!(counts(&after), expected(&site, &site.pairs()));
    assert_eq!(after.series("qlik_certificate_expiry_timestamp_seconds"), expiries);
    assert_eq!(last_reload(&exporter).await.0, 0.0);
}
