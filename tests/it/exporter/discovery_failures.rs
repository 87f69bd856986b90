//! A repository that fails affects nothing else: its last topology stays, and it is queried again.

use std::time::{Duration, Instant};

use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use crate::support::broken_proxy::BrokenProxy;
use crate::support::expected::{all_labels, counts, expected, pairs_of};
use crate::support::exporter::Exporter;
use crate::support::scrape::{Scrape, labels};
use crate::support::site::{SITE, Site, TRUSTED, proxy_block};
use crate::support::wait::{becomes, eventually};

const PREFIXES: &[&str] = &["", "sales"];

/// A hanging repository fails after a second, whatever machine this is; proxies answer at once.
const NOT_KEPT: &str = "cache_ttl = \"0s\"\nrequest_timeout = \"1s\"";
/// It hangs for longer than any scrape waits.
const PATIENT: &str = "cache_ttl = \"0s\"\nrequest_timeout = \"100s\"";
const OFTEN: &str = "repository_refresh = \"1s\"";

const REFUSE: Fault = Fault::Refuse;
const ERROR: Fault = Fault::Status(StatusCode::INTERNAL_SERVER_ERROR);
const FAULTS: [Fault; 5] = [REFUSE, ERROR, Fault::Hang, Fault::Html, Fault::WrongCertificate];

async fn site() -> Site {
    Site::busy(2, PREFIXES, 40, 10).await
}

fn up(scrape: &Scrape) -> Option<f64> {
    scrape.value("qlik_repository_up", &[("site", SITE)])
}

fn last_success(scrape: &Scrape) -> Option<f64> {
    scrape.value("qlik_repository_last_success_timestamp_seconds", &[("site", SITE)])
}

/// The first scrape in which the repository is up, or is down.
async fn when_up_is(value: f64, exporter: &Exporter) -> Scrape {
    eventually(&format!("qlik_repository_up is {value}"), async || {
        let scrape = exporter.scrape().await;
        (up(&scrape) == Some(value)).then_some(scrape)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_topology_stays_while_the_repository_fails() {
    for fault in FAULTS {
        let site = site().await;
        let exporter = site.discovering(NOT_KEPT, OFTEN).await;
        let facts = |scrape: &Scrape| {
            ["qlik_proxy_info", "qlik_repository_info", "qlik_virtual_proxy_info"]
                .map(|name| scrape.series(name))
        };
        let good = exporter.scrape().await;
        assert_eq!(up(&good), Some(1.0));

        site.simulator.set_repository_fault(Some(fault)).await.unwrap();
        let down = when_up_is(0.0, &exporter).await;
        let success = last_success(&down);
        assert!(success >= last_success(&good));
        assert_eq!(counts(&down), expected(&site, &site.pairs()), "{fault}");
        assert_eq!(facts(&down), facts(&good), "{fault}");
        assert_eq!(last_success(&exporter.scrape().await), success, "{fault}");
        assert!(exporter.is_ready().await, "{fault}");

        site.simulator.set_repository_fault(None).await.unwrap();
        let again = when_up_is(1.0, &exporter).await;
        assert!(last_success(&again) > success, "{fault}");
        assert_eq!(counts(&again), expected(&site, &site.pairs()), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_never_answered_is_down_until_it_answers() {
    for fault in FAULTS {
        let site = site().await;
        site.simulator.set_repository_fault(Some(fault)).await.unwrap();
        // The usual refresh of five minutes: the retries find it.
        let exporter = site.discovering(NOT_KEPT, "").await;
        becomes(true, "ready", async || exporter.is_ready().await).await;

        let start = Instant::now();
        let scrape = exporter.scrape_within("5").await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!((up(&scrape), last_success(&scrape)), (Some(0.0), None), "{fault}");
        let known = ["qlik_proxy_", "qlik_virtual_proxy_", "qlik_repository_info"];
        let names = scrape.names();
        let reported = names.iter().find(|name| known.iter().any(|prefix| name.starts_with(prefix)));
        assert_eq!(reported, None, "{fault}");

        site.simulator.set_repository_fault(None).await.unwrap();
        let found = when_up_is(1.0, &exporter).await;
        assert_eq!(counts(&found), expected(&site, &site.pairs()), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_repository_is_queried_again_after_1_2_and_4_seconds() {
    let site = Site::empty(1, &[""]).await;
    let repository = BrokenProxy::closing().await;
    let text = format!("[site.{SITE}]{TRUSTED}repository = \"{}\"\n", repository.url);
    let _exporter = Exporter::with_config(&site.write_config(&text), &[]).await;

    // One discovery opens several connections at once.
    let half_a_second = Duration::from_millis(500);
    let begins = eventually("four discoveries", async || {
        let times = repository.connection_times();
        let first = times.first().copied().into_iter();
        let next = times.windows(2).filter(|pair| pair[1] - pair[0] > half_a_second).map(|pair| pair[1]);
        let begins: Vec<_> = first.chain(next).collect();
        (begins.len() == 4).then_some(begins)
    })
    .await;

    for (pause, begins) in [1.0, 2.0, 4.0].into_iter().zip(begins.windows(2)) {
        let found = (begins[1] - begins[0]).as_secs_f64();
        // A tenth of jitter, and what a busy machine takes.
        assert!(found >= pause * 0.88 && found < pause + 0.9, "{found} s instead of {pause} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_that_the_first_discovery_has_been_tried() {
    for (fault, up_then) in [(Fault::Latency(Duration::from_secs(2)), 1.0), (Fault::Hang, 0.0)] {
        let site = site().await;
        site.simulator.set_repository_fault(Some(fault)).await.unwrap();
        let exporter = site.discovering("request_timeout = \"3s\"", "").await;

        let first = exporter.get("/-/ready").await;
        assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        assert!(first.text().contains("first discovery"), "{}", first.text());
        assert_eq!(exporter.get("/-/healthy").await.status, StatusCode::OK);

        becomes(true, "ready", async || exporter.is_ready().await).await;
        assert_eq!(up(&exporter.scrape().await), Some(up_then), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_waits_for_the_first_discovery() {
    let site = site().await;
    let latency = Fault::Latency(Duration::from_secs(3));
    site.simulator.set_repository_fault(Some(latency)).await.unwrap();
    let exporter = site.discovering(PATIENT, "").await;
    assert!(!exporter.is_ready().await);

    let scrape = exporter.scrape_within("60").await;

    assert_eq!(up(&scrape), Some(1.0));
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
    assert_eq!(site.queries(), site.queried(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_does_not_wait_for_it_beyond_its_deadline() {
    let site = site().await;
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    let exporter = site.discovering(PATIENT, "").await;

    let start = Instant::now();
    let scrape = exporter.scrape_within("2").await;

    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(up(&scrape), Some(0.0));
    assert_eq!(counts(&scrape), expected(&site, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_repository_does_not_affect_configured_proxies() {
    let site = site().await;
    site.simulator.set_repository_fault(Some(Fault::Hang)).await.unwrap();
    let exporter = site.discovering(PATIENT, &proxy_block("Central", &site.url("qps-1"), PREFIXES)).await;

    let scrape = exporter.scrape_within("3").await;

    assert_eq!(up(&scrape), Some(0.0));
    let configured = [(1, ""), (1, "sales")];
    assert_eq!(pairs_of(&scrape, "qlik_proxy_up"), all_labels(&configured));
    assert_eq!(counts(&scrape), expected(&site, &configured));
    assert_eq!(scrape.sum("qlik_proxy_queries_total", &[]), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_without_a_working_repository_does_not_affect_another() {
    for (fault, settings) in [(REFUSE, NOT_KEPT), (ERROR, NOT_KEPT), (Fault::Hang, PATIENT)] {
        let (site, other) = (site().await, site().await);
        other.simulator.set_repository_fault(Some(fault)).await.unwrap();
        let exporter = site.discovering(settings, &other.discovered("other")).await;

        let scrape = exporter.scrape_within("3").await;

        assert_eq!(counts(&scrape), expected(&site, &site.pairs()), "{fault}");
        let of_both = [(labels([("site", "other")]), 0.0), (labels([("site", SITE)]), 1.0)].into();
        assert_eq!(scrape.series("qlik_repository_up"), of_both, "{fault}");
        let probe = exporter.scrape_path("/probe?target=simulated").await;
        assert_eq!(counts(&probe), expected(&site, &site.pairs()), "{fault}");
        assert_eq!(probe.label_values("qlik_repository_up", "site"), [SITE.to_owned()].into());
    }
}
