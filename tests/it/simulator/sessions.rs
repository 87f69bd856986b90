//! Sessions: listed, read, added, ended, coming and going.

use qlik_sense_simulator::Session;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::client::{SiteWithClient, ids, session, session_json};

#[tokio::test]
async fn a_proxy_service_is_alive() {
    let site = SiteWithClient::start().await;
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/alive").await, json!(true));
}

#[tokio::test]
async fn a_session_is_added_read_and_deleted() {
    let site = SiteWithClient::with(|options| options.sessions = 0).await;
    let post = site.request(Method::POST, "qps-2", "/qps/sales/session");
    let post = post.header("Content-Type", "application/json").body(session_json("one").to_string());
    assert_eq!(post.send().await.unwrap().status(), StatusCode::CREATED);
    site.simulator.open_session(2, "/sales", session("two"));

    let one = site.json(Method::GET, "qps-2", "/qps/sales/session/one").await;
    assert_eq!(one, session_json("one"));
    let list = site.json(Method::GET, "qps-2", "/qps/sales/session").await;
    assert_eq!(list, json!([session_json("one"), session_json("two")]));
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/sales/session").await, json!([]));
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/session").await, json!([]));

    let gone = site.json(Method::DELETE, "qps-2", "/qps/sales/session/one").await;
    assert_eq!(gone, json!({ "Session": session_json("one"), "LastSessionForUser": false }));
    let gone = site.json(Method::DELETE, "qps-2", "/qps/sales/session/two").await;
    assert_eq!(gone, json!({ "Session": session_json("two"), "LastSessionForUser": true }));
    assert_eq!(site.json(Method::GET, "qps-2", "/qps/sales/session").await, json!([]));
}

#[tokio::test]
async fn a_users_sessions_are_listed_and_ended_together() {
    let site = SiteWithClient::with(|options| options.sessions = 0).await;
    let other = Session { user_id: "testuser_2".into(), ..session("other") };
    for session in [session("one"), other, session("two")] {
        site.simulator.open_session(1, "", session);
    }
    let both = json!([session_json("one"), session_json("two")]);
    for path in ["/qps/user/LAB/testuser_1", "/qps//user/LAB/testuser_1"] {
        assert_eq!(site.json(Method::GET, "qps-1", path).await, both);
    }
    assert_eq!(site.json(Method::DELETE, "qps-1", "/qps/user/LAB/testuser_1").await, both);
    assert_eq!(site.json(Method::DELETE, "qps-1", "/qps/user/LAB/testuser_1").await, json!([]));
    assert_eq!(ids(&site.json(Method::GET, "qps-1", "/qps/session").await), ["other"]);
}

#[tokio::test]
async fn any_id_that_is_percent_encoded_is_found() {
    let site = SiteWithClient::with(|options| options.sessions = 0).await;
    for id in ["a/b", "100%", "a b", "%2F", "сессия", "会話", "?x=1&y#z", "session", "\u{202e}mirror", "a\\b"]
    {
        site.simulator.open_session(1, "sales", Session { user_id: id.into(), ..session(id) });
        let encoded =
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string();
        let path = format!("/qps/sales/session/{encoded}");
        assert_eq!(site.json(Method::GET, "qps-1", &path).await["SessionId"], id);
        let path = format!("/qps/sales/user/LAB/{encoded}");
        assert_eq!(ids(&site.json(Method::GET, "qps-1", &path).await), [id]);
        let path = format!("/qps/sales/session/{encoded}");
        assert_eq!(site.json(Method::DELETE, "qps-1", &path).await["Session"]["UserId"], id);
    }
    assert!(site.simulator.sessions(1, "sales").is_empty());
}

#[tokio::test]
async fn a_prefix_of_an_old_version_may_hold_slashes() {
    let site =
        SiteWithClient::with(|options| options.virtual_proxies = vec!["/".into(), "emea/sales".into()]).await;
    let list = site.json(Method::GET, "qps-1", "/qps/emea/sales/session").await;
    assert_eq!(ids(&list).len(), site.simulator.sessions(1, "/emea/sales").len());
    assert_eq!(site.simulator.list_queries(1, "emea/sales"), 1);
    assert_eq!(site.status(Method::GET, "qps-1", "/qps/emea/session").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_same_seed_is_the_same_site_and_another_is_another() {
    let everything = async |seed| {
        let site = SiteWithClient::with(|options| options.seed = seed).await;
        let mut all = vec![site.json(Method::GET, "qrs", "/qrs/virtualproxyconfig/full").await];
        for (node, path) in [("qps-1", "/qps/session"), ("qps-2", "/qps/finance/session")] {
            all.push(site.json(Method::GET, node, path).await);
        }
        all
    };
    let first = everything(7).await;
    assert_eq!(first, everything(7).await);
    assert!(first.iter().zip(everything(8).await).all(|(one, other)| *one != other));
}

#[tokio::test]
async fn sessions_come_and_go() {
    let site = SiteWithClient::with(|options| options.churn = 50.0).await;
    let first = site.json(Method::GET, "qps-1", "/qps/session").await;
    let (mut came, mut went) = (false, false);
    while !(came && went) {
        let now = site.json(Method::GET, "qps-1", "/qps/session").await;
        let (before, now) = (ids(&first), ids(&now));
        came |= now.iter().any(|id| !before.contains(id));
        went |= before.iter().any(|id| !now.contains(id));
    }
}

#[tokio::test]
async fn a_site_without_users_or_sessions_answers_with_empty_lists() {
    let site = SiteWithClient::with(|options| (options.sessions, options.users) = (0, 0)).await;
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/session").await, json!([]));
}

#[tokio::test]
async fn a_list_of_100_000_sessions_is_only_rewritten_where_it_changed() {
    let site = SiteWithClient::with(|options| {
        options.nodes = 1;
        options.virtual_proxies = vec![String::new()];
        options.sessions = 100_000;
        options.users = 30_000;
    })
    .await;
    let list = site.json(Method::GET, "qps-1", "/qps/session").await;
    assert_eq!(ids(&list).len(), 100_000);
    assert_eq!(site.simulator.sessions_rendered(1, ""), 100_000);

    let first = ids(&list)[0].to_owned();
    assert_eq!(site.json(Method::GET, "qps-1", "/qps/session").await, list);
    assert_eq!(site.simulator.sessions_rendered(1, ""), 100_000);

    assert!(site.simulator.close_session(1, "", &first));
    site.simulator.open_session(1, "", session("new"));
    let changed = site.json(Method::GET, "qps-1", "/qps/session").await;
    assert_eq!(ids(&changed).len(), 100_000);
    assert!(!ids(&changed).contains(&first.as_str()) && ids(&changed).contains(&"new"));
    assert!(site.simulator.sessions_rendered(1, "") < 102_000);
}
