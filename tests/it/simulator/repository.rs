//! What the repository returns of the site.

use reqwest::Method;

use super::client::SiteWithClient;

#[tokio::test]
async fn the_repository_returns_its_version_and_whole_objects() {
    let site = SiteWithClient::start().await;
    let about = site.json(Method::GET, "qrs", "/qrs/about").await;
    assert_eq!(about["buildVersion"], "32.25.0.0");

    let proxies = site.json(Method::GET, "qrs", "/qrs/proxyservice/full").await;
    assert_eq!(proxies.as_array().unwrap().len(), 2);
    for (number, proxy) in (1..).zip(proxies.as_array().unwrap()) {
        let url = site.url(&format!("qps-{number}"));
        let host = proxy["serverNodeConfiguration"]["hostName"].as_str().unwrap();
        assert_eq!(url, format!("https://{host}:{}", proxy["settings"]["restListenPort"]));
        assert_eq!(proxy["settings"]["listenPort"], 443);
        for member in
            ["createdDate", "modifiedDate", "modifiedByUserName", "tags", "privileges", "schemaPath"]
        {
            assert!(proxy.get(member).is_some(), "{member}");
        }
    }
    assert_eq!(proxies[0]["serverNodeConfiguration"]["name"], "Central");

    let sales = &site.json(Method::GET, "qrs", "/qrs/virtualproxyconfig/full").await[1];
    assert_eq!(sales["prefix"], "sales");
    assert_eq!(sales["sessionCookieHeaderName"], "X-Qlik-Session-sales");
    assert_eq!(sales["sessionInactivityTimeout"], 30);
    assert_eq!(sales["defaultVirtualProxy"], false);
    // Where users are sent on to, which is not where they came in.
    assert_eq!(sales["loadBalancingServerNodes"][0]["name"], "Node2");
    assert_eq!(sales["loadBalancingServerNodes"].as_array().unwrap().len(), 1);
}
