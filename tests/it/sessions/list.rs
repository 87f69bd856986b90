//! What is listed, of whom, and in which order.

use std::collections::BTreeMap;

use serde_json::json;

use super::commands::{listed, rows, sessions, texts};
use crate::support::simulator::session;
use crate::support::site::{SITE, Site, proxy, virtual_proxy};

#[tokio::test(flavor = "multi_thread")]
async fn every_session_of_every_pair_is_listed_once() {
    let site = Site::busy(2, &["", "sales"], 300, 60).await;
    for config in [site.discovery_config("", ""), site.config("")] {
        let rows = listed(&config, &[]).await;

        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &rows {
            assert_eq!(row["site"], SITE);
            let pair = [&row["proxy"], &row["virtual_proxy"]].map(|text| text.as_str().unwrap().to_owned());
            found.entry(pair).or_default().push(row["session_id"].as_str().unwrap().to_owned());
        }
        let mut open = BTreeMap::new();
        for (node, prefix) in site.pairs() {
            let ids = site.simulator.sessions(node, prefix).into_iter().map(|it| it.session_id);
            open.insert([proxy(node), virtual_proxy(prefix)], ids.collect::<Vec<_>>());
        }
        for ids in found.values_mut().chain(open.values_mut()) {
            ids.sort();
        }
        assert_eq!(found, open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_row_has_all_that_is_known_in_a_fixed_order() {
    let site = Site::empty(2, &["sales"]).await;
    let mut anna = session(("LAB", "anna"), "1");
    anna.user_name = Some("Anna Å".to_owned());
    anna.attributes = [("group", "Finance"), ("group", "EMEA"), ("email", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    site.simulator.open_session(1, "sales", anna);
    let config = site.discovery_config("", "");

    let ended = sessions(&config, &["list", "--output", "json"]).await;
    let row = &rows(&ended)[0];
    assert_eq!(row["proxy"], "Central");
    assert_eq!(row["proxy_host"], "127.0.0.1");
    assert_eq!(row["virtual_proxy"], "/sales");
    assert!(!row["virtual_proxy_description"].as_str().unwrap().is_empty());
    assert_eq!(row["session_cookie_header"], "X-Qlik-Session-sales");
    assert_eq!(row["load_balancing_nodes"], json!([{ "name": "Node2", "host": "127.0.0.2" }]));
    assert_eq!((&row["user_directory"], &row["user_id"]), (&json!("LAB"), &json!("anna")));
    assert_eq!(row["user_name"], "Anna Å");
    assert_eq!(row["attributes"], json!([{ "group": "Finance" }, { "group": "EMEA" }, { "email": "" }]));
    assert_eq!(row["session_id"], "1");

    let keys = [
        "site",
        "proxy",
        "proxy_host",
        "virtual_proxy",
        "virtual_proxy_description",
        "session_cookie_header",
        "load_balancing_nodes",
        "user_directory",
        "user_id",
        "user_name",
        "attributes",
        "session_id",
    ];
    let places = keys.map(|key| ended.stdout[1].find(&format!("\"{key}\":")).unwrap());
    assert!(places.is_sorted(), "{}", ended.stdout[1]);
    assert_eq!(row.as_object().unwrap().len(), keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sessions_there_is_an_empty_list() {
    let site = Site::empty(1, &[""]).await;
    assert_eq!(listed(&site.config(""), &[]).await, Vec::<serde_json::Value>::new());
    let table = sessions(&site.config(""), &["list"]).await;
    table.assert().code(0).stderr_is_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pairs_that_pass_the_filters_are_queried() {
    let site = Site::busy(2, &["", "sales"], 100, 20).await;
    let config = site.discovery_config("", "");

    let rows = listed(&config, &["--proxy", "Central", "--virtual-proxy", "Sales/"]).await;
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row["proxy"] == "Central" && row["virtual_proxy"] == "/sales"));
    let queried = |pair| u64::from(pair == (1, "sales"));
    assert_eq!(site.queries(), site.pairs().into_iter().map(|pair| (pair, queried(pair))).collect());

    // By its host name, twice, and together with another.
    let count = async |args: &[&str]| listed(&config, args).await.len();
    let all = count(&[]).await;
    let central = count(&["--proxy", "Central"]).await;
    let node2 = count(&["--proxy", "Node2"]).await;
    assert_eq!(central + node2, all);
    assert_eq!(count(&["--proxy", "127.0.0.1"]).await, central);
    assert_eq!(count(&["--proxy", "CENTRAL", "--proxy", "Central", "--site", SITE]).await, central);
    assert_eq!(count(&["--proxy", "Node2", "--proxy", "Central"]).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_found_by_exactly_this_name_everywhere() {
    let site = Site::empty(2, &["", "sales"]).await;
    for (number, (node, prefix)) in site.pairs().into_iter().enumerate() {
        for (directory, id) in [("LAB", "anna"), ("LAB", "Anna"), ("lab", "anna"), ("LAB", r"a\b"), ("", "")]
        {
            site.open(node, prefix, (directory, id), number + 1);
        }
    }
    let config = site.config("");
    for (user, directory, id) in [(r"LAB\anna", "LAB", "anna"), (r"LAB\a\b", "LAB", r"a\b"), (r"\", "", "")] {
        let rows = listed(&config, &["--user", user]).await;
        assert_eq!(rows.len(), 1 + 2 + 3 + 4, "{user}");
        assert!(rows.iter().all(|row| row["user_directory"] == directory && row["user_id"] == id), "{user}");
    }
    assert_eq!(listed(&config, &["--user", r"LAB\anna", "--user", r"lab\anna"]).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn six_sort_orders_ignore_case() {
    let site = Site::empty(2, &["", "sales"]).await;
    let users = [("b", "Z", "2"), ("B", "y", "3"), ("a", "z", "1"), ("A", "Y", "1")];
    for (node, prefix) in site.pairs() {
        for (number, (directory, id, name)) in users.into_iter().enumerate() {
            let mut session = session((directory, id), &format!("{node}{prefix}{number}"));
            session.user_name = Some(format!("name {name}"));
            site.simulator.open_session(node, prefix, session);
        }
    }
    let config = site.discovery_config("", "");
    let columns = ["virtual_proxy", "proxy_host", "proxy", "user_directory", "user_id", "user_name"];
    let orders = ["prefix", "proxyhost", "proxyname", "userdir", "userid", "username"];
    for (order, column) in orders.into_iter().zip(columns) {
        let rows = listed(&config, &["--sort-by", order]).await;
        let key = |row: &serde_json::Value| {
            let first = std::iter::once(column).chain(columns.into_iter().filter(|other| *other != column));
            first.map(|column| row[column].as_str().unwrap().to_lowercase()).collect::<Vec<_>>()
        };
        assert!(rows.is_sorted_by_key(key), "{order}: {rows:#?}");
        assert_eq!(rows.len(), 16);
    }
    let usual = listed(&config, &[]).await;
    assert_eq!(usual, listed(&config, &["--sort-by", "prefix"]).await);
    assert_eq!(texts(&usual, "virtual_proxy")[..8], ["/"; 8]);
}
