//! Discovery: which pairs an exporter queries that knows the repository only, and what it exports of a site.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use x509_parser::pem::parse_x509_pem;

use crate::support::expected::{all_labels, counts, expected, failures, pairs_of};
use crate::support::scrape::{Labels, Scrape, labels};
use crate::support::site::{Pair, SITE, Site, TRUSTED, proxy, proxy_block, virtual_proxy};
use crate::support::wait::becomes;

const PREFIXES: &[&str] = &["", "sales", "finance", "unlinked"];

/// Which node links which virtual proxy of [`uneven`].
const LINKED: &[Pair] = &[(1, ""), (1, "sales"), (2, "sales"), (3, "sales"), (3, "finance")];

/// Not even two nodes link the same, and nobody links one virtual proxy.
async fn uneven() -> Site {
    Site::with(3, PREFIXES, |options| {
        let of_node = |node| LINKED.iter().filter(move |pair| pair.0 == node).map(|pair| pair.1.to_owned());
        options.links = (1..=3).map(|node| of_node(node).collect()).collect();
        options.sessions = 60;
        options.users = 15;
    })
    .await
}

/// Nothing comes from the cache: each scrape queries.
const NOT_KEPT: &str = "cache_ttl = \"0s\"";

/// Whether these pairs were queried, each as often, and no other.
fn assert_queried(pairs: &[Pair], site: &Site, scrape: &Scrape, times: u64) {
    let expected: BTreeMap<Pair, u64> =
        site.pairs().into_iter().map(|pair| (pair, if pairs.contains(&pair) { times } else { 0 })).collect();
    assert_eq!(site.queries(), expected);
    for name in ["qlik_proxy_queries_total", "qlik_proxy_up"] {
        assert_eq!(pairs_of(scrape, name), all_labels(pairs), "{name}");
    }
    assert_eq!(scrape.sum("qlik_proxy_queries_total", &[]), (times * pairs.len() as u64) as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_linked_pairs_are_queried() {
    let site = uneven().await;
    let exporter = site.discovering(NOT_KEPT, "").await;

    for round in 1..=3 {
        let scrape = exporter.scrape().await;

        assert_eq!(counts(&scrape), expected(&site, LINKED));
        assert_queried(LINKED, &site, &scrape, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_narrow_queries_and_metrics() {
    let none: &[Pair] = &[];
    for (filter, pairs, reported) in [
        ("virtual_proxies = ['/']", &LINKED[..1], &["/"][..]),
        ("virtual_proxies = ['/', 'Sales/']", &LINKED[..4], &["/", "/sales"]),
        ("virtual_proxies = ['s*']", &LINKED[1..4], &["/sales"]),
        ("virtual_proxies = ['*n*']", &LINKED[4..], &["/finance", "/unlinked"]),
        ("exclude_virtual_proxies = ['/*n*']", &LINKED[..4], &["/", "/sales"]),
        ("exclude_virtual_proxies = ['*']", none, &[]),
        ("virtual_proxies = ['*a*']\nexclude_virtual_proxies = ['/finance']", &LINKED[1..4], &["/sales"]),
    ] {
        let site = uneven().await;
        let exporter = site.discovering(NOT_KEPT, filter).await;

        let scrape = exporter.scrape().await;

        assert_queried(pairs, &site, &scrape, 1);
        assert_eq!(counts(&scrape), expected(&site, pairs), "{filter}");
        let reported: BTreeSet<String> = reported.iter().map(ToString::to_string).collect();
        for name in ["qlik_virtual_proxy_info", "qlik_virtual_proxy_linked_proxies"] {
            assert_eq!(scrape.label_values(name, "virtual_proxy"), reported, "{name} with {filter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_is_logged_once_and_the_rest_works() {
    let site = uneven().await;
    let filter = "repository_refresh = \"1s\"\nvirtual_proxies = ['/', 'slaes']";
    let exporter = site.discovering(NOT_KEPT, filter).await;

    let first = exporter.scrape().await;
    assert_eq!(counts(&first), expected(&site, &LINKED[..1]));

    assert!(site.simulator.link(2, ""));
    let pairs = [(1, ""), (2, "")];
    becomes(all_labels(&pairs), "pairs", async || pairs_of(&exporter.scrape().await, "qlik_proxy_up")).await;
    let reported = exporter.program.stderr();
    let reported: Vec<_> = reported.iter().filter(|line| line.contains("slaes")).collect();
    let [reported] = &reported[..] else { panic!("reported {} times: {reported:?}", reported.len()) };
    assert!(reported.contains("level=warn") && reported.contains("matches no virtual proxy"), "{reported}");
}

/// The series of `qlik_proxy_info` with proxy, host and port.
fn addresses(scrape: &Scrape) -> BTreeSet<[String; 3]> {
    let series = scrape.series("qlik_proxy_info").into_keys();
    series.map(|mut labels| ["proxy", "host", "port"].map(|label| labels.remove(label).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_gives_a_found_proxy_another_address_by_its_name_or_its_host() {
    // The repository lists names that only the sections make reachable.
    let site = Site::with(2, &["", "sales"], |options| {
        options.host_names = vec!["sense1.invalid".to_owned(), "Sense2.invalid".to_owned()];
        options.links = vec![vec![String::new()], vec!["sales".to_owned()]];
        options.sessions = 20;
        options.users = 5;
    })
    .await;
    let urls = ["qps-1", "qps-2"].map(|name| site.url(name));
    let sections = format!(
        "[site.{SITE}.proxy.central]\nurl = \"{}\"\n[site.{SITE}.proxy.\"sense2.invalid\"]\nurl = \"{}\"",
        urls[0], urls[1]
    );
    let exporter = site.discovering(NOT_KEPT, &sections).await;

    let scrape = exporter.scrape().await;

    let named = [("central", 1, ""), ("sense2.invalid", 2, "sales")];
    for (name, node, prefix) in named {
        let pair = [("proxy", name), ("virtual_proxy", &*virtual_proxy(prefix))];
        let sessions = site.simulator.sessions(node, prefix).len() as f64;
        assert_eq!(scrape.value("qlik_proxy_sessions", &pair), Some(sessions));
        assert_eq!(site.simulator.list_queries(node, prefix), 1);
    }
    assert_eq!(scrape.series("qlik_proxy_up").len(), 2);
    let address = |name: &str, url: &url::Url| {
        [name.to_owned(), url.host_str().unwrap().to_owned(), url.port().unwrap().to_string()]
    };
    let expected = named.iter().zip(&urls).map(|((name, ..), url)| address(name, url)).collect();
    assert_eq!(addresses(&scrape), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_adds_a_proxy_that_the_repository_does_not_know() {
    let site = uneven().await;
    // A proxy that is known under another address: addresses distinguish proxies.
    let url = site.url("qps-1").to_string().replace("127.0.0.1", "localhost").parse().unwrap();
    let exporter = site.discovering(NOT_KEPT, &proxy_block("Extra", &url, &["sales"])).await;

    let scrape = exporter.scrape().await;

    let extra = labels([("site", SITE), ("proxy", "Extra"), ("virtual_proxy", "/sales")]);
    let mut pairs = all_labels(LINKED);
    pairs.insert(extra.clone());
    assert_eq!(pairs_of(&scrape, "qlik_proxy_up"), pairs);
    let sessions = site.simulator.sessions(1, "sales").len() as f64;
    assert_eq!(scrape.series("qlik_proxy_sessions").get(&extra), Some(&sessions));
    assert_eq!(scrape.value("qlik_virtual_proxy_linked_proxies", &[("virtual_proxy", "/sales")]), Some(3.0));
}

/// When a certificate of the site's folder expires.
fn not_after(site: &Site, file: &str) -> f64 {
    let text = fs::read(site.certificates().join(file)).unwrap();
    let (_, pem) = parse_x509_pem(&text).unwrap();
    pem.parse_x509().unwrap().validity().not_after.timestamp() as f64
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_known_of_the_site_is_exported() {
    let site = uneven().await;
    let before = now();
    let exporter = site.discovering(NOT_KEPT, "").await;

    let scrape = exporter.scrape().await;

    let reported = |name: &str, expected: &[(&[(&str, &str)], f64)]| {
        let expected: BTreeMap<Labels, f64> = expected
            .iter()
            .map(|(of, value)| {
                let mut series = labels([("site", SITE)]);
                series.extend(of.iter().map(|(label, value)| (label.to_string(), value.to_string())));
                (series, *value)
            })
            .collect();
        assert_eq!(scrape.series(name), expected, "{name}");
    };
    let urls = ["qps-1", "qps-2", "qps-3"].map(|name| site.url(name));
    let ports = urls.each_ref().map(|url| url.port().unwrap().to_string());
    reported(
        "qlik_proxy_info",
        &[
            (&[("proxy", "Central"), ("host", "127.0.0.1"), ("port", &ports[0])], 1.0),
            (&[("proxy", "Node2"), ("host", "127.0.0.2"), ("port", &ports[1])], 1.0),
            (&[("proxy", "Node3"), ("host", "127.0.0.3"), ("port", &ports[2])], 1.0),
        ],
    );
    reported("qlik_repository_info", &[(&[("version", "32.25.0.0")], 1.0)]);
    let info = |virtual_proxy, description, cookie| {
        [("virtual_proxy", virtual_proxy), ("description", description), ("session_cookie_header", cookie)]
    };
    reported(
        "qlik_virtual_proxy_info",
        &[
            (&info("/", "Central Proxy (Default)", "X-Qlik-Session"), 1.0),
            (&info("/sales", "sales virtual proxy", "X-Qlik-Session-sales"), 1.0),
            (&info("/finance", "finance virtual proxy", "X-Qlik-Session-finance"), 1.0),
            (&info("/unlinked", "unlinked virtual proxy", "X-Qlik-Session-unlinked"), 1.0),
        ],
    );
    let each = |values: [f64; 4]| {
        let paths = ["/", "/sales", "/finance", "/unlinked"].map(|path| [("virtual_proxy", path)]);
        std::iter::zip(paths, values).collect::<Vec<_>>()
    };
    let reported_each = |name, values| {
        let each = each(values);
        reported(name, &each.iter().map(|(of, value)| (&of[..], *value)).collect::<Vec<_>>());
    };
    reported_each("qlik_virtual_proxy_linked_proxies", [1.0, 3.0, 1.0, 0.0]);
    reported_each("qlik_virtual_proxy_inactivity_timeout_seconds", [1800.0; 4]);
    reported("qlik_repository_up", &[(&[], 1.0)]);
    let success = scrape.value("qlik_repository_last_success_timestamp_seconds", &[("site", SITE)]).unwrap();
    // To the millisecond.
    assert!(before - 0.001 <= success && success <= now(), "{before} {success} {}", now());
    let [client, ca, server] = ["client.pem", "root.pem", "server.pem"].map(|file| not_after(&site, file));
    reported(
        "qlik_certificate_expiry_timestamp_seconds",
        &[
            (&[("certificate", "client")], client),
            (&[("certificate", "ca")], ca),
            (&[("certificate", "repository")], server),
            (&[("certificate", "proxy"), ("proxy", &proxy(1))], server),
            (&[("certificate", "proxy"), ("proxy", &proxy(2))], server),
            (&[("certificate", "proxy"), ("proxy", &proxy(3))], server),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_a_refused_certificate_is_exported_too() {
    let (site, other) = (Site::empty(1, &[""]).await, Site::empty(1, &[""]).await);
    let foreign = other.certificates().display().to_string().replace('\\', "/");
    let repository = format!("repository = \"{}\"\n", site.url("qrs"));
    let settings = repository + &TRUSTED.replace("{certs}/root", &format!("{foreign}/root"));
    let exporter = site.exporter_with("", &settings).await;

    let scrape = exporter.scrape().await;

    assert_eq!(failures(&scrape, (1, "")), [("tls".to_owned(), 1.0)].into());
    assert_eq!(scrape.value("qlik_repository_up", &[]), Some(0.0));
    for certificate in ["proxy", "repository"] {
        let of = [("certificate", certificate)];
        let expiry = scrape.value("qlik_certificate_expiry_timestamp_seconds", &of);
        assert_eq!(expiry, Some(not_after(&site, "server.pem")), "{certificate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_proxies_with_two_hundred_virtual_proxies_are_no_strain() {
    let prefixes: Vec<&'static str> =
        (0..200).map(|number| &*format!("vp{number:03}").leak()).collect::<Vec<_>>();
    let prefixes: &'static [&'static str] = prefixes.leak();
    let site = Site::with(20, prefixes, |options| {
        options.sessions = 5000;
        options.users = 1000;
    })
    .await;
    let exporter = site.discovering("request_timeout = \"50s\"\ncache_ttl = \"1h\"", "").await;

    let text = exporter.text("/metrics", &[("X-Prometheus-Scrape-Timeout-Seconds", "60")]).await;

    // Read line by line: the parser of the other tests takes minutes for so much.
    let sum = |name: &str| {
        let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        let values = series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value))
    };
    let sessions: usize =
        site.pairs().iter().map(|(node, prefix)| site.simulator.sessions(*node, prefix).len()).sum();
    assert_eq!(sum("qlik_proxy_up"), (4000, 4000.0));
    assert_eq!(sum("qlik_proxy_sessions"), (4000, sessions as f64));
    assert_eq!(sum("qlik_virtual_proxy_linked_proxies"), (200, 4000.0));
    assert_eq!(sum("qlik_proxy_info"), (20, 20.0));
    assert_eq!(site.queries(), site.queried(1));
}
