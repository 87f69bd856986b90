//! What goes wrong on the site, and who is told.

use reqwest::Method;

use crate::chain::Chain;
use crate::support::scrape::labels;

const AT_LIMIT: &str = "[1 WARNING] QlikUserAtSessionLimit on simulated";
const NO_LONGER_AT_LIMIT: &str = "[RESOLVED] QlikUserAtSessionLimit on simulated";
const PROXY_DOWN: &str = "[1 CRITICAL] QlikProxyDown on simulated";
const PROXY_UP: &str = "[RESOLVED] QlikProxyDown on simulated";

const ANNA: &str = r"LAB\anna";

#[tokio::test(flavor = "multi_thread")]
async fn a_users_fifth_session_is_told_by_name_and_so_is_its_end() {
    let chain = Chain::start().await;
    chain.site(Method::POST, r"/sessions?node=1&user=LAB%5Canna&count=4").await;
    chain.site(Method::POST, r"/sessions?node=2&user=LAB%5Cbert&count=3").await;
    chain.prometheus.says("sum(qlik_user_sessions)", [(labels([]), 7.0)].into()).await;
    assert_eq!(chain.receiver.chat(), []);

    chain.site(Method::POST, r"/sessions?node=2&prefix=sales&user=LAB%5Canna").await;
    let chat = chain.receiver.chat_after(0, AT_LIMIT).await;
    let mail = chain.receiver.mail(AT_LIMIT).await;
    for message in [&chat, &mail] {
        assert!(message.text.contains(ANNA) && !message.text.contains("bert"), "{message:?}");
    }
    // What to do next is in the mail.
    let command = r"sessions delete --site 'simulated' --user 'LAB\anna'";
    assert!(mail.text.contains(command), "{mail:?}");

    chain.site(Method::DELETE, r"/sessions?node=2&prefix=sales&user=LAB%5Canna").await;
    let chat = chain.receiver.chat_after(1, NO_LONGER_AT_LIMIT).await;
    let mail = chain.receiver.mail(NO_LONGER_AT_LIMIT).await;
    for message in [&chat, &mail] {
        assert!(message.text.contains(ANNA) && message.text.contains("Resolved:"), "{message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_is_told_and_no_users_alert_flaps() {
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
    chain.prometheus.says(long, [(labels([]), 1.0)].into()).await;

    chain.site(Method::DELETE, "/fault/2/*").await;
    chain.receiver.chat_after(earlier, PROXY_UP).await;
    let since = chain.receiver.chat().split_off(earlier);
    let about_users: Vec<_> = since.iter().filter(|message| message.title.contains("QlikUser")).collect();
    assert!(about_users.is_empty(), "{since:#?}");
}
