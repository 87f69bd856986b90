//! What is refused, and with which status.

use reqwest::{Method, StatusCode};

use super::client::{KEY, SiteWithClient};

#[tokio::test]
async fn only_the_repository_refuses_a_request_without_a_user() {
    let site = SiteWithClient::start().await;
    for (listener, path, expected) in
        [("qrs", "/qrs/about", StatusCode::FORBIDDEN), ("qps-1", "/qps/session", StatusCode::OK)]
    {
        let url = format!("{}{path}?Xrfkey={KEY}", site.url(listener));
        let answer = site.client.get(url).header("X-Qlik-Xrfkey", KEY).send().await.unwrap();
        assert_eq!(answer.status(), expected);
    }
}

#[tokio::test]
async fn a_missing_or_wrong_xrfkey_is_refused_everywhere() {
    let site = SiteWithClient::start().await;
    for (listener, path) in [("qps-1", "/qps/session"), ("qps-2", "/qps/alive"), ("qrs", "/qrs/about")] {
        for (query, header) in [
            ("", Some(KEY)),
            ("?Xrfkey=abcdefghij987654", None),
            ("?Xrfkey=abcdefghij987655", Some(KEY)),
            ("?Xrfkey=short", Some("short")),
        ] {
            let mut request = site.client.get(format!("{}{path}{query}", site.url(listener)));
            request = request.header("X-Qlik-User", "UserDirectory=INTERNAL; UserId=sa_api");
            if let Some(header) = header {
                request = request.header("X-Qlik-Xrfkey", header);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path} {query}");
            let text = answer.text().await.unwrap();
            assert_eq!(text, "XSRF prevention check failed. Possible XSRF discovered.");
        }
    }
    assert_eq!(site.simulator.list_queries(1, ""), 0);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_done_is_refused() {
    let site = SiteWithClient::start().await;
    for path in ["/qps/nowhere/session", "/qps/Sales/session", "/qps", "/qps/sales", "/qps/session/none", "/"]
    {
        assert_eq!(site.status(Method::GET, "qps-1", path).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(site.status(Method::GET, "qrs", "/qrs/app/full").await, StatusCode::NOT_FOUND);
    assert_eq!(site.status(Method::GET, "qrs", "/qps/session").await, StatusCode::NOT_FOUND);
    assert_eq!(site.status(Method::PUT, "qps-1", "/qps/session").await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.status(Method::DELETE, "qps-1", "/qps/session").await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_body_that_is_no_session_is_refused() {
    let site = SiteWithClient::start().await;
    for body in ["", "[]", "{}", r#"{"UserDirectory":"LAB","UserId":"anna","SessionId":""}"#] {
        let answer = site.request(Method::POST, "qps-1", "/qps/session").body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
    }
}
