//! Which users get series, and under which name.

use crate::support::expected::{pair_labels, user_labels};
use crate::support::exporter::Exporter;
use crate::support::scrape::{Scrape, labels};
use crate::support::site::{SITE, Site};

const PREFIXES: &[&str] = &["", "sales"];

/// Anna has 5 sessions on 3 pairs, Berta 3 on 2, Carl and Dora 2 on 1, a service account 6, a visitor 1.
async fn site() -> Site {
    let site = Site::empty(2, PREFIXES).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(1, "sales", ("LAB", "anna"), 2);
    site.open(2, "", ("LAB", "anna"), 1);
    site.open(1, "", ("LAB", "berta"), 2);
    site.open(2, "sales", ("LAB", "berta"), 1);
    site.open(1, "", ("LAB", "dora"), 2);
    site.open(2, "", ("LAB", "carl"), 2);
    site.open(1, "", ("LAB", "svc_backup"), 6);
    site.open(1, "", ("NONE", "anonymous9d5d7900-3e52"), 1);
    site
}

async fn scrape(site: &Site, settings: &str) -> Scrape {
    site.exporter(&format!("[users]\n{settings}")).await.scrape().await
}

/// The per-user series, as user and value, in order.
fn user_series(scrape: &Scrape) -> Vec<(String, f64)> {
    let series = scrape.series("qlik_user_sessions").into_iter();
    let mut found: Vec<_> =
        series.map(|(mut labels, value)| (labels.remove("user_id").unwrap(), value)).collect();
    found.sort_by(|a, b| a.partial_cmp(b).unwrap());
    found
}

fn series(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(user, value)| ((*user).to_owned(), *value)).collect()
}

fn with_sessions(scrape: &Scrape) -> Vec<f64> {
    let of = |least: u32| scrape.value("qlik_site_users_with_sessions", &[("at_least", &least.to_string())]);
    (1..).map_while(of).collect()
}

const ANNA: [(&str, f64); 3] = [("anna", 1.0), ("anna", 2.0), ("anna", 2.0)];
const BERTA: [(&str, f64); 2] = [("berta", 1.0), ("berta", 2.0)];

#[tokio::test(flavor = "multi_thread")]
async fn excluded_users_count_as_sessions_and_users_but_have_no_series() {
    let site = site().await;
    let exclude = r#"exclude = [{ directory = "lab", user_id = "SVC_*" }, { directory = "OTHER" }]"#;

    let scrape = scrape(&site, exclude).await;

    assert_eq!(scrape.value("qlik_site_users", &[]), Some(5.0));
    let first = [("proxy", "Central"), ("virtual_proxy", "/")];
    assert_eq!(scrape.value("qlik_proxy_sessions", &first), Some(13.0));
    assert_eq!(scrape.value("qlik_proxy_users", &first), Some(4.0));
    assert_eq!(scrape.value("qlik_proxy_anonymous_sessions", &first), Some(1.0));
    assert_eq!(with_sessions(&scrape), [4.0, 4.0, 2.0, 1.0, 1.0]);
    assert_eq!(scrape.value("qlik_site_users_at_session_limit", &[]), Some(1.0));
    assert_eq!(
        user_series(&scrape),
        [&ANNA[..], &BERTA, &[("carl", 2.0), ("dora", 2.0)]].map(series).concat()
    );
    assert_eq!(scrape.value("qlik_site_users_unlisted", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_can_be_excluded_as_a_whole() {
    let site = site().await;
    let scrape = scrape(&site, r#"exclude = [{ directory = "LAB" }]"#).await;

    assert_eq!(user_series(&scrape), []);
    assert_eq!(scrape.value("qlik_site_users", &[]), Some(5.0));
    assert_eq!(with_sessions(&scrape), [0.0; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_below_the_minimum_on_the_whole_site_have_no_series() {
    let site = site().await;
    let scrape = scrape(&site, "min_sessions = 3").await;

    assert_eq!(user_series(&scrape), [&ANNA[..], &BERTA, &[("svc_backup", 6.0)]].map(series).concat());
    assert_eq!(with_sessions(&scrape), [5.0, 5.0, 3.0, 2.0, 2.0]);
    assert_eq!(scrape.value("qlik_site_users_unlisted", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_with_most_sessions_get_series_until_one_does_not_fit() {
    let site = site().await;
    // The service account (1 series) and Anna (3) fit, Berta (2) does not, and Carl (1) comes after her.
    let five = scrape(&site, "max_series = 5").await;
    assert_eq!(user_series(&five), [&ANNA[..], &[("svc_backup", 6.0)]].map(series).concat());
    assert_eq!(five.value("qlik_site_users_unlisted", &[]), Some(3.0));

    // Carl and Dora have as many sessions: the name decides.
    let seven = scrape(&site, "max_series = 7").await;
    let expected = [&ANNA[..], &BERTA, &[("carl", 2.0), ("svc_backup", 6.0)]].map(series).concat();
    assert_eq!(user_series(&seven), expected);
    assert_eq!(seven.value("qlik_site_users_unlisted", &[]), Some(1.0));

    let none = scrape(&site, "max_series = 0").await;
    assert_eq!(user_series(&none), []);
    assert_eq!(none.value("qlik_site_users_unlisted", &[]), Some(5.0));
    assert_eq!(none.value("qlik_site_users", &[]), Some(5.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_limit_is_a_setting() {
    let site = site().await;
    let scrape = scrape(&site, "session_limit = 3").await;

    assert_eq!(scrape.value("qlik_user_session_limit", &[]), Some(3.0));
    assert_eq!(scrape.value("qlik_site_users_at_session_limit", &[]), Some(3.0));
    assert_eq!(with_sessions(&scrape), [5.0, 5.0, 3.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_off_nobody_has_a_series_and_all_are_counted() {
    let site = site().await;
    let scrape = scrape(&site, "label = \"off\"\nmax_series = 1").await;

    assert_eq!(scrape.series("qlik_user_sessions"), [].into());
    assert_eq!(scrape.value("qlik_site_users", &[]), Some(5.0));
    assert_eq!(scrape.value("qlik_site_users_at_session_limit", &[]), Some(2.0));
    assert_eq!(scrape.value("qlik_site_users_unlisted", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hashed_user_id_depends_on_the_secret_key() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 3);
    site.open(1, "", ("LAB", "berta"), 1);
    site.open(1, "", ("", ""), 1);
    let key = tempfile::tempdir().unwrap();
    let file = key.path().join("hash.key");
    std::fs::write(&file, "not a secret\n").unwrap();
    let config = site.config("[users]\nlabel = \"hashed\"");
    let environment = [("QLIK_SESSION_EXPORTER_USERS__HASH_KEY_FILE", file.to_str().unwrap())];
    let exporter = Exporter::start(&["--config.file", config.to_str().unwrap()], &environment).await;

    let text = exporter.text("/metrics", &[]).await;

    // Python: hmac.new(b"not a secret", b"LAB\0anna", "sha256").hexdigest()[:16], and so on.
    let hashes = [("94d697cf85ccf51a", 3.0), ("9d9dbfbd3bd6292c", 1.0), ("19fa80cd9bec3d8c", 1.0)];
    let expected = hashes.map(|(hash, value)| {
        let mut found = pair_labels((1, ""));
        found.extend(labels([("user_id", hash)]));
        (found, value)
    });
    assert_eq!(Scrape::classic(&text).series("qlik_user_sessions"), expected.into());
    assert!(!text.contains("anna") && !text.contains("LAB"), "{text}");
    for path in ["/", &format!("/probe?target={SITE}&debug=true")] {
        let text = exporter.text(path, &[]).await;
        assert!(!text.contains("anna") && !text.contains("LAB"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_case_is_kept_as_given() {
    let site = Site::empty(1, &[""]).await;
    let users = [("LAB", "anna"), ("LAB", "Anna"), ("lab", "anna")];
    for user in users {
        site.open(1, "", user, 1);
    }

    let scrape = scrape(&site, "").await;

    let expected = users.map(|(directory, id)| (user_labels((1, ""), directory, id), 1.0));
    assert_eq!(scrape.series("qlik_user_sessions"), expected.into());
    assert_eq!(scrape.value("qlik_site_users", &[]), Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_without_a_login_are_sessions_and_no_users() {
    let site = Site::empty(1, &[""]).await;
    for visit in 0..7 {
        site.open(1, "", ("NONE", &format!("anonymous{visit}c9d5d79-3e52")), 1);
    }
    // Not anonymous: another directory, another id.
    site.open(1, "", ("LAB", "anonymous1"), 1);
    site.open(1, "", ("NONE", "anna"), 1);

    let scrape = scrape(&site, "").await;

    assert_eq!(scrape.value("qlik_proxy_sessions", &[]), Some(9.0));
    assert_eq!(scrape.value("qlik_proxy_anonymous_sessions", &[]), Some(7.0));
    assert_eq!(scrape.value("qlik_proxy_users", &[]), Some(2.0));
    assert_eq!(user_series(&scrape), series(&[("anna", 1.0), ("anonymous1", 1.0)]));
}
