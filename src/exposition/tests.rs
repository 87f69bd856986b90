//! Encodes hand-made snapshots and reads the text with an independent parser.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use openmetrics_parser::openmetrics::parse_openmetrics;
use openmetrics_parser::prometheus::parse_prometheus;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use proptest::prelude::*;

use super::*;
use crate::collector::pair::Answer;
use crate::collector::tally::{Counting, Keep};
use crate::collector::{PairSnapshot, SiteSnapshot, Used};
use crate::config::{Exclusion, HashKey, UserLabel, UserSettings};
use crate::site::topology::{ProxyPlan, Topology};
use qlik_sense::{QueryError, UserKey, VirtualProxy};

/// Users: directory, id and number of sessions.
type Users<'a> = &'a [(&'a str, &'a str, u32)];

fn settings() -> UserSettings {
    UserSettings {
        label: UserLabel::Plain,
        session_limit: NonZeroU32::new(5).unwrap(),
        min_sessions: NonZeroU32::MIN,
        max_series: 1000,
        exclude: Vec::new(),
    }
}

fn pair(prefix: &str, users: Option<Users<'_>>) -> PairSnapshot {
    pair_keeping(Keep::Names, prefix, users)
}

fn pair_keeping(keep: Keep, prefix: &str, users: Option<Users<'_>>) -> PairSnapshot {
    let outcome = users.ok_or(QueryError::HttpStatus(500)).map(|users| {
        let mut counting = Counting::default().keeping(keep);
        for (directory, id, sessions) in users {
            (0..*sessions)
                .for_each(|n| counting.add(UserKey { directory, id }, &format!("{directory}{id}{n}")));
        }
        counting.finish().0
    });
    let proxy = ProxyPlan {
        name: "Central".into(),
        host: "sense1".into(),
        port: 4243,
        url: "https://sense1:4243".parse().unwrap(),
        virtual_proxies: Vec::new(),
        left_out: Vec::new(),
        found: None,
    };
    PairSnapshot {
        proxy: Arc::new(proxy),
        virtual_proxy: VirtualProxy::parse(prefix).unwrap(),
        used: Used::Awaited(Arc::new(Answer::new(
            outcome,
            tokio::time::Instant::now(),
            Duration::from_millis(20),
        ))),
        history: Default::default(),
    }
}

fn encode(pairs: Vec<PairSnapshot>, users: &UserSettings, format: Format) -> String {
    let site = SiteSnapshot {
        name: "production".into(),
        topology: Arc::new(Topology::default()),
        pairs,
        expiries: Vec::new(),
        discovery: None,
    };
    let mut registry = Registry::default();
    registry
        .register_collector(Box::new(SiteMetrics { snapshots: vec![site], users: Arc::new(users.clone()) }));
    let mut output = String::new();
    match format {
        Format::Classic => prometheus_text::encode(&mut output, &registry).unwrap(),
        Format::OpenMetrics => text::encode(&mut output, &registry).unwrap(),
    }
    output
}

/// Returns the lines of one metric, without its name.
fn lines(text: &str, metric: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line.strip_prefix(metric)?.to_owned())).collect()
}

/// Returns `user_id` and value of every per-user series, in order.
fn listed(pairs: Vec<PairSnapshot>, users: &UserSettings) -> Vec<String> {
    let text = encode(pairs, users, Format::Classic);
    lines(&text, "qlik_user_sessions{")
        .iter()
        .map(|line| line.rsplit_once("user_id=").unwrap().1.to_owned())
        .collect()
}

#[test]
fn users_with_most_sessions_are_listed_first_with_all_their_series() {
    let pairs = || {
        vec![
            pair("/", Some(&[("LAB", "one", 1), ("LAB", "three", 3), ("LAB", "b", 1), ("LAB", "a", 2)])),
            pair("/sales", Some(&[("LAB", "three", 1), ("LAB", "b", 1)])),
        ]
    };
    let with = |max_series| listed(pairs(), &UserSettings { max_series, ..settings() });
    assert_eq!(with(6).len(), 6);
    assert_eq!(with(3), ["\"three\"} 3", "\"a\"} 2", "\"three\"} 1"]);
    assert_eq!(with(4), with(3), "b does not fit whole, and ends the list: one is not listed in its place");
    assert_eq!(with(1), [""; 0], "three has two series");
    let text = encode(pairs(), &UserSettings { max_series: 3, ..settings() }, Format::Classic);
    assert_eq!(lines(&text, "qlik_site_users_unlisted{"), ["site=\"production\"} 2"]);
}

#[test]
fn sessions_are_summed_over_the_site_before_min_sessions_decides() {
    let pairs =
        vec![pair("/", Some(&[("LAB", "a", 1), ("LAB", "b", 1)])), pair("/sales", Some(&[("LAB", "a", 1)]))];
    let min_sessions = NonZeroU32::new(2).unwrap();
    assert_eq!(listed(pairs, &UserSettings { min_sessions, ..settings() }), ["\"a\"} 1", "\"a\"} 1"]);
}

#[test]
fn excluded_users_count_only_in_sessions_and_users() {
    let exclude = vec![Exclusion::new("lab", Some("svc_*"))];
    let users: Users<'_> = &[("LAB", "svc_backup", 6), ("LAB", "anna", 2)];
    let text = encode(vec![pair("/", Some(users))], &UserSettings { exclude, ..settings() }, Format::Classic);
    let value = |metric| {
        lines(&text, metric).iter().map(|l| l.rsplit_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(value("qlik_proxy_sessions{"), ["8"]);
    assert_eq!(value("qlik_proxy_users{"), ["2"]);
    assert_eq!(value("qlik_site_users{"), ["2"]);
    assert_eq!(value("qlik_user_sessions{"), ["2"]);
    assert_eq!(value("qlik_site_users_with_sessions{"), ["1", "1", "0", "0", "0"]);
    assert_eq!(value("qlik_site_users_at_session_limit{"), ["0"]);
}

#[test]
fn hashed_user_is_the_start_of_an_hmac_over_directory_zero_byte_and_id() {
    let label = UserLabel::Hashed(HashKey::new(b"key".as_slice()));
    let text = encode(
        vec![pair("/", Some(&[("LAB", "anna", 2)]))],
        &UserSettings { label, ..settings() },
        Format::Classic,
    );
    // printf 'LAB\0anna' | openssl dgst -sha256 -hmac key
    let expected = r#"site="production",proxy="Central",virtual_proxy="/",user_id="HASH"} 2"#;
    assert_eq!(lines(&text, "qlik_user_sessions{"), [expected.replace("HASH", HASH_OF_LAB_ANNA)]);
    assert!(!text.contains("anna") && !text.contains("LAB"));
}

const HASH_OF_LAB_ANNA: &str = "d2d8a1829c79f10c";

#[test]
fn users_with_zero_bytes_in_their_names_have_different_hashes() {
    let users: Users<'_> = &[("a", "b\0c", 1), ("a\0b", "c", 2), ("a\u{fffd}b", "c", 3)];
    let label = UserLabel::Hashed(HashKey::new(b"key".as_slice()));
    let mut ids = listed(vec![pair("/", Some(users))], &UserSettings { label, ..settings() });
    ids.iter_mut().for_each(|line| line.truncate("\"0123456789abcdef\"".len()));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn site_figures_do_not_need_user_labels() {
    let text = encode(
        vec![pair("/", Some(&[("LAB", "anna", 5)]))],
        &UserSettings { label: UserLabel::Off, max_series: 0, ..settings() },
        Format::Classic,
    );
    assert!(!text.contains("qlik_user_sessions{"));
    assert_eq!(lines(&text, "qlik_site_users_at_session_limit{"), ["site=\"production\"} 1"]);
    assert_eq!(lines(&text, "qlik_site_users_unlisted{"), ["site=\"production\"} 0"]);
}

proptest! {
    #[test]
    fn figures_are_the_same_when_no_names_are_kept(
        root in prop::collection::vec(("LAB|NONE|svc", "[ab]|anonymous1", 1u32..4), 0..12),
        sales in prop::collection::vec(("LAB|svc", "[bc]", 1u32..4), 0..12),
    ) {
        let exclude = vec![Exclusion::new("SVC", Some("b"))];
        let settings = UserSettings { label: UserLabel::Off, exclude, ..settings() };
        let text = |keep: Keep| {
            let pair = |prefix, users: &[(String, String, u32)]| {
                let users: Vec<_> = users.iter().map(|(d, u, n)| (d.as_str(), u.as_str(), *n)).collect();
                pair_keeping(keep.clone(), prefix, Some(&users))
            };
            encode(vec![pair("/", &root), pair("/sales", &sales), pair_keeping(keep.clone(), "/x", None)], &settings, Format::Classic)
        };
        prop_assert_eq!(text(Keep::of(&settings)), text(Keep::Names));
    }
}

#[test]
fn site_figures_cover_the_pairs_that_answered() {
    let down = encode(vec![pair("/", None)], &settings(), Format::Classic);
    assert!(!down.contains("qlik_site_users") && !down.contains("qlik_proxy_sessions{"));
    assert_eq!(lines(&down, "qlik_user_session_limit{"), ["site=\"production\"} 5"]);
    let half =
        encode(vec![pair("/", None), pair("/sales", Some(&[("LAB", "a", 1)]))], &settings(), Format::Classic);
    assert_eq!(lines(&half, "qlik_site_users{"), ["site=\"production\"} 1"]);
    assert_eq!(lines(&half, "qlik_proxy_up{").iter().map(|l| &l[l.len() - 1..]).collect::<String>(), "01");
}

/// A stand-in for the carriage return, which the parser treats as a line end, unlike both formats.
const CARRIAGE_RETURN: &str = "\u{e00d}";

/// Returns the users and values of the per-user series, as the independent parser reads them.
fn read_users(text: &str, format: Format) -> BTreeMap<(String, String), f64> {
    let text = text.replace('\r', CARRIAGE_RETURN);
    let mut users = BTreeMap::new();
    let mut add = |labels: Option<openmetrics_parser::LabelSet<'_>>, value: f64| {
        let labels = labels.unwrap();
        let label = |name| labels.get_label_value(name).unwrap_or_default().replace(CARRIAGE_RETURN, "\r");
        assert_eq!(users.insert((label("user_directory"), label("user_id")), value), None);
    };
    match format {
        Format::Classic => {
            for sample in parse_prometheus(&text).unwrap().families["qlik_user_sessions"].iter_samples() {
                let openmetrics_parser::PrometheusValue::Gauge(value) = &sample.value else { panic!() };
                add(sample.get_labelset().ok(), value.as_f64());
            }
        }
        Format::OpenMetrics => {
            for sample in parse_openmetrics(&text).unwrap().families["qlik_user_sessions"].iter_samples() {
                let openmetrics_parser::OpenMetricsValue::Gauge(value) = &sample.value else { panic!() };
                add(sample.get_labelset().ok(), value.as_f64());
            }
        }
    }
    users
}

proptest! {
    #[test]
    fn any_user_survives_encode_and_parse_in_both_formats(
        users in prop::collection::btree_map((any::<String>(), any::<String>()), 1u32..4, 1..20)
    ) {
        // The test uses this character itself.
        prop_assume!(!users.keys().any(|(d, u)| d.contains(CARRIAGE_RETURN) || u.contains(CARRIAGE_RETURN)));
        let rows: Vec<_> = users.iter().map(|((d, u), n)| (d.as_str(), u.as_str(), *n)).collect();
        let expected: BTreeMap<_, _> = users.iter().map(|(user, n)| (user.clone(), f64::from(*n))).collect();
        for format in [Format::Classic, Format::OpenMetrics] {
            let text = encode(vec![pair("/", Some(&rows))], &settings(), format);
            prop_assert_eq!(read_users(&text, format), expected.clone());
        }
    }
}
