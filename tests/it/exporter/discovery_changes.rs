//! What changes on a site while the exporter runs takes effect at the next discovery, without a restart.

use std::collections::BTreeSet;

use crate::support::expected::{all_labels, counts, expected, of_pair, pair_labels, pairs_of};
use crate::support::exporter::Exporter;
use crate::support::scrape::Scrape;
use crate::support::site::{Pair, Site};
use crate::support::wait::{becomes, eventually};

const PREFIXES: &[&str] = &["", "sales", "finance"];

/// Queried by each scrape; discovered as often as possible.
const NOT_KEPT: &str = "cache_ttl = \"0s\"";
const REFRESH: &str = "repository_refresh = \"1s\"";

/// Node 1 links all but `finance`, node 2 `sales` only.
const LINKED: &[Pair] = &[(1, ""), (1, "sales"), (2, "sales")];

async fn site() -> Site {
    Site::with(2, PREFIXES, |options| {
        let links = [&["", "sales"][..], &["sales"]];
        options.links = links.map(|links| links.iter().map(ToString::to_string).collect()).into();
        options.sessions = 30;
        options.users = 8;
    })
    .await
}

/// An exporter whose scrapes are counted.
struct Scraped {
    exporter: Exporter,
    scrapes: f64,
}

impl Scraped {
    async fn start(site: &Site) -> Self {
        let exporter = site.discovering(NOT_KEPT, REFRESH).await;
        let mut scraped = Self { exporter, scrapes: 0.0 };
        let first = scraped.scrape().await;
        assert_eq!(counts(&first), expected(site, LINKED));
        scraped
    }

    async fn scrape(&mut self) -> Scrape {
        self.scrapes += 1.0;
        self.exporter.scrape().await
    }

    /// The first scrape that finds these pairs and no others.
    async fn finds(&mut self, pairs: &[Pair]) -> Scrape {
        let (expected, what) = (all_labels(pairs), format!("the pairs are {pairs:?}"));
        eventually(&what, async || {
            let scrape = self.scrape().await;
            (pairs_of(&scrape, "qlik_proxy_up") == expected).then_some(scrape)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_node_is_queried_and_a_removed_one_is_not() {
    let site = site().await;
    let mut exporter = Scraped::start(&site).await;

    assert_eq!(site.simulator.add_node(&["", "finance"]).await.unwrap(), 3);
    site.open(3, "finance", ("LAB", "late"), 4);
    let with_node_3 = [LINKED, &[(3, ""), (3, "finance")]].concat();
    let scrape = exporter.finds(&with_node_3).await;
    assert_eq!(counts(&scrape), expected(&site, &with_node_3));
    assert_eq!(scrape.value("qlik_proxy_info", &[("proxy", "Node3")]), Some(1.0));

    assert!(site.simulator.remove_node(3).await);
    assert!(site.simulator.remove_node(2).await);
    let scrape = exporter.finds(&LINKED[..2]).await;
    assert_eq!(counts(&scrape), expected(&site, &LINKED[..2]));
    for name in ["qlik_proxy_info", "qlik_proxy_query_failures_total", "qlik_proxy_queries_total"] {
        assert_eq!(scrape.label_values(name, "proxy"), BTreeSet::from(["Central".to_owned()]), "{name}");
    }
    assert_eq!(scrape.sum("qlik_proxy_query_failures_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_made_is_followed_and_one_that_is_cut_no_longer() {
    let site = site().await;
    let mut exporter = Scraped::start(&site).await;
    let linked =
        |scrape: &Scrape, of| scrape.value("qlik_virtual_proxy_linked_proxies", &[("virtual_proxy", of)]);

    assert!(site.simulator.link(2, "finance"));
    let pairs = [LINKED, &[(2, "finance")]].concat();
    let scrape = exporter.finds(&pairs).await;
    assert_eq!(counts(&scrape), expected(&site, &pairs));
    assert_eq!(linked(&scrape, "/finance"), Some(1.0));

    assert!(site.simulator.unlink(1, "sales"));
    let pairs = [(1, ""), (2, "sales"), (2, "finance")];
    let scrape = exporter.finds(&pairs).await;
    assert_eq!(counts(&scrape), expected(&site, &pairs));
    assert_eq!(linked(&scrape, "/sales"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_proxy_comes_unlinked_and_goes_with_its_links() {
    let site = site().await;
    let mut exporter = Scraped::start(&site).await;

    assert!(site.simulator.add_virtual_proxy("new").unwrap());
    let new = [("virtual_proxy", "/new")];
    let scrape = eventually("the new virtual proxy is exported", async || {
        let scrape = exporter.scrape().await;
        scrape.value("qlik_virtual_proxy_info", &new).map(|_| scrape)
    })
    .await;
    assert_eq!(scrape.value("qlik_virtual_proxy_linked_proxies", &new), Some(0.0));
    assert_eq!(pairs_of(&scrape, "qlik_proxy_up"), all_labels(LINKED));

    assert!(site.simulator.remove_virtual_proxy("sales"));
    let scrape = exporter.finds(&LINKED[..1]).await;
    let reported: BTreeSet<String> = ["/", "/finance", "/new"].map(str::to_owned).into();
    for name in [
        "qlik_virtual_proxy_info",
        "qlik_virtual_proxy_linked_proxies",
        "qlik_virtual_proxy_inactivity_timeout_seconds",
    ] {
        assert_eq!(scrape.label_values(name, "virtual_proxy"), reported, "{name}");
    }
    // A proxy without a link is still known.
    assert_eq!(scrape.series("qlik_proxy_info").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_lasting_pairs_continue_and_those_of_returning_pairs_reset() {
    let site = site().await;
    let mut exporter = Scraped::start(&site).await;
    site.open(1, "", ("LAB", "anna"), 3);
    site.open(1, "sales", ("LAB", "anna"), 2);
    let scrape = exporter.scrape().await;
    let started = "qlik_proxy_sessions_started_total";
    assert_eq!(of_pair(&scrape, started, (1, "")), Some(3.0));
    assert_eq!(of_pair(&scrape, started, (1, "sales")), Some(2.0));

    assert!(site.simulator.unlink(1, "sales"));
    let without = exporter.finds(&[(1, ""), (2, "sales")]).await;
    for name in [started, "qlik_proxy_queries_total", "qlik_proxy_last_success_timestamp_seconds"] {
        assert_eq!(without.series(name).get(&pair_labels((1, "sales"))), None, "{name}");
    }
    assert!(site.simulator.link(1, "sales"));
    let again = exporter.finds(LINKED).await;

    for pair in [(1, ""), (2, "sales")] {
        assert_eq!(of_pair(&again, "qlik_proxy_queries_total", pair), Some(exporter.scrapes), "{pair:?}");
    }
    assert_eq!(of_pair(&again, started, (1, "")), Some(3.0));
    assert_eq!(of_pair(&again, "qlik_proxy_queries_total", (1, "sales")), Some(1.0));
    assert_eq!(of_pair(&again, started, (1, "sales")), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_answers_of_proxies_that_stay_are_kept() {
    let site = site().await;
    let exporter = site.discovering("cache_ttl = \"1h\"", REFRESH).await;
    assert_eq!(counts(&exporter.scrape().await), expected(&site, LINKED));
    let before = site.simulator.connections(1);
    assert!(before > 0);

    assert!(site.simulator.link(2, ""));
    let pairs = [LINKED, &[(2, "")]].concat();
    let found = async || pairs_of(&exporter.scrape().await, "qlik_proxy_up");
    becomes(all_labels(&pairs), "pairs", found).await;

    assert_eq!(counts(&exporter.scrape().await), expected(&site, &pairs));
    for (node, prefix) in pairs {
        assert_eq!(site.simulator.list_queries(node, prefix), 1, "{node} {prefix:?}");
    }
    assert_eq!(site.simulator.connections(1), before);
}
