//! What goes wrong on the site, and who gets a message.

use reqwest::Method;

use super::pipeline::Chain;
use super::receiver::Message;
use crate::support::scrape::labels;

const AT_LIMIT: &str = "[1 WARNING] QlikUserAtSessionLimit on simulated";
const NO_LONGER_AT_LIMIT: &str = "[RESOLVED] QlikUserAtSessionLimit on simulated";
const NEAR_LIMIT: &str = "[1 WARNING] QlikUserNearSessionLimit on simulated";
const PROXY_DOWN: &str = "[1 CRITICAL] QlikProxyDown on simulated";
const PROXY_UP: &str = "[RESOLVED] QlikProxyDown on simulated";

const ANNA: &str = r"LAB\anna";

/// The messages about users, after so many earlier ones of all kinds. Where the machine stands still for a moment, one
/// about a proxy service may be among the others.
fn about_users(chain: &Chain, earlier: usize) -> Vec<Message> {
    let since = chain.receiver.chat().into_iter().skip(earlier);
    since.filter(|message| message.title.contains("QlikUser")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_fifth_session_and_its_end_send_messages_with_the_name() {
    let chain = Chain::start().await;
    chain.site(Method::POST, r"/sessions?node=1&user=LAB%5Canna&count=4").await;
    chain.site(Method::POST, r"/sessions?node=2&user=LAB%5Cbert&count=3").await;
    chain.prometheus.assert_becomes("sum(qlik_user_sessions)", [(labels([]), 7.0)].into()).await;
    assert_eq!(about_users(&chain, 0), []);

    chain.site(Method::POST, r"/sessions?node=2&prefix=sales&user=LAB%5Canna").await;
    let chat = chain.receiver.chat_after(0, AT_LIMIT).await;
    let mail = chain.receiver.mail(AT_LIMIT).await;
    for message in [&chat, &mail] {
        assert!(message.text.contains(ANNA) && !message.text.contains("bert"), "{message:?}");
    }
    // What to do next is in the mail.
    let command = r"sessions delete --site='simulated' --user='LAB\anna'";
    assert!(mail.text.contains(command), "{mail:?}");

    chain.site(Method::DELETE, r"/sessions?node=2&prefix=sales&user=LAB%5Canna").await;
    let chat = chain.receiver.chat_after(1, NO_LONGER_AT_LIMIT).await;
    let mail = chain.receiver.mail(NO_LONGER_AT_LIMIT).await;
    for message in [&chat, &mail] {
        assert!(message.text.contains(ANNA) && message.text.contains("Resolved:"), "{message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_sends_a_message_and_no_user_alert_flaps() {
    let chain = Chain::start().await;
    chain.site(Method::POST, r"/sessions?node=1&user=LAB%5Canna&count=5").await;
    chain.site(Method::POST, r"/sessions?node=2&user=LAB%5Cbert&count=3").await;
    chain.receiver.chat_after(0, AT_LIMIT).await;
    let earlier = chain.receiver.chat().len();

    chain.site(Method::PUT, "/fault/2/*?kind=refuse").await;
    let down = chain.receiver.chat_after(earlier, PROXY_DOWN).await;
    assert!(down.text.contains("Node2"), "{down:?}");
    // Longer than an alert about a user keeps firing and its group waits with a message: fifteen seconds.
    let long =
        r#"max(count_over_time(ALERTS{alertname="QlikProxyDown", alertstate="firing"}[1m])) > bool 60"#;
    chain.prometheus.assert_becomes(long, [(labels([]), 1.0)].into()).await;

    chain.site(Method::DELETE, "/fault/2/*").await;
    chain.receiver.chat_after(earlier, PROXY_UP).await;
    assert_eq!(about_users(&chain, earlier), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_fails_for_a_moment_ends_no_alert_about_its_users() {
    let chain = Chain::start().await;
    // The last session of each is on the one that fails.
    for sessions in ["node=1&user=LAB%5Canna&count=4", "node=2&user=LAB%5Canna"] {
        chain.site(Method::POST, &format!("/sessions?{sessions}")).await;
    }
    for sessions in ["node=1&user=LAB%5Cbert&count=3", "node=2&user=LAB%5Cbert"] {
        chain.site(Method::POST, &format!("/sessions?{sessions}")).await;
    }
    chain.receiver.chat_after(0, AT_LIMIT).await;
    chain.receiver.chat_after(0, NEAR_LIMIT).await;
    let earlier = chain.receiver.chat().len();

    // A fraction of the five seconds that they keep firing.
    let seen = "sum by (user_id) (site_user:qlik_user_sessions:sum)";
    let users =
        |anna, bert| [(labels([("user_id", "anna")]), anna), (labels([("user_id", "bert")]), bert)].into();
    chain.site(Method::PUT, "/fault/2/*?kind=refuse").await;
    chain.prometheus.assert_becomes(seen, users(4.0, 3.0)).await;
    chain.site(Method::DELETE, "/fault/2/*").await;
    chain.prometheus.assert_becomes(seen, users(5.0, 4.0)).await;

    // As long as Alertmanager takes to report a change: five seconds, and some.
    let for_long = r#"min(min_over_time(site_user:qlik_user_sessions:sum{user_id="anna"}[8s])) == bool 5"#;
    chain.prometheus.assert_becomes(for_long, [(labels([]), 1.0)].into()).await;
    // An alert that ends and comes again is another one, which begins later.
    let again =
        r#"sum by (alertname) (changes(ALERTS_FOR_STATE{alertname=~"QlikUser(At|Near)SessionLimit"}[1m]))"#;
    let never =
        [AT_LIMIT, NEAR_LIMIT].map(|title| (labels([("alertname", title.split(' ').nth(2).unwrap())]), 0.0));
    assert_eq!(chain.prometheus.query(again).await, never.into());
    assert_eq!(about_users(&chain, earlier), []);
}
