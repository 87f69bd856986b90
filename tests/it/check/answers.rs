//! Something answers, but not with what was requested.

use qlik_session_exporter::commands::check::CheckOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::checked::{Checked, Files};
use crate::support::stand_in::{StandIn, ok, response, tls};

async fn check_answering(answer: String) -> Checked {
    let files = Files::new();
    let server = StandIn::start(files.path(), move |_| Some(answer.clone())).await;
    files.check_proxy(&server.url).await
}

async fn check_repository_answering(answer: String) -> Checked {
    let files = Files::new();
    let server = StandIn::start(files.path(), move |request| match request.path.starts_with("/qrs/") {
        true => Some(answer.clone()),
        false => Some(ok("[]")),
    })
    .await;
    let url = &server.url;
    files.check("", &format!("repository = \"{url}\"\n{}", super::checked::proxy("Central", url))).await
}

#[tokio::test]
async fn a_user_without_rights() {
    let forbidden = response("403 Forbidden", "", "");
    let user = "HTTP status 403 to the user INTERNAL\\sa_api";
    check_answering(forbidden.clone()).await.assert_failed(
        "denied",
        &[user],
        &[
            "user_directory, user_id",
            "RootAdmin",
            "The client certificate is \"CN=QlikClient\", issued by \"CN=site-CA\", and valid until ",
        ],
    );
    check_repository_answering(forbidden).await.assert_failed(
        "denied",
        &[user],
        &["RootAdmin may read everything"],
    );
}

#[tokio::test]
async fn a_server_that_requests_no_certificate_and_answers_403() {
    let files = Files::new();
    let tls = tls(files.path(), false, &[&rustls::version::TLS12]);
    let server = StandIn::with_tls(tls, |_| Some(response("403 Forbidden", "", ""))).await;
    files.check_proxy(&server.url).await.assert_failed(
        "denied",
        &["HTTP status 403; the handshake did not request the client certificate"],
        &["TLS 1.2 renegotiation", "clientcertnegotiation=enable"],
    );
}

#[tokio::test]
async fn a_server_that_requests_no_certificate_and_closes_the_connection() {
    let files = Files::new();
    let server = StandIn::with_tls(tls(files.path(), false, &[&rustls::version::TLS12]), |_| None).await;
    files.check_proxy(&server.url).await.assert_failed(
        "connect",
        &["closed the connection", "the handshake did not request the client certificate"],
        &["TLS 1.2 renegotiation"],
    );
}

#[tokio::test]
async fn a_server_that_closes_the_connection_once_it_has_our_certificate() {
    let files = Files::new();
    let server = StandIn::start(files.path(), |_| None).await;
    files.check_proxy(&server.url).await.assert_failed(
        "connect",
        &["requested the client certificate and then closed the connection"],
        &["The client certificate is \"CN=QlikClient\", issued by \"CN=site-CA\""],
    );
}

#[tokio::test]
async fn keys_against_cross_site_requests_that_got_lost() {
    let text = "XSRF prevention check failed. Possible XSRF discovered.";
    let lost = response("400 Bad Request", "", text);
    check_answering(lost.clone()).await.assert_failed(
        "http_status",
        &["XSRF check failed"],
        &["reverse proxy"],
    );
    check_repository_answering(lost).await.assert_failed(
        "http_status",
        &["XSRF check failed"],
        &["reverse proxy"],
    );
    let other = response("400 Bad Request", "", "What?");
    check_answering(other).await.assert_failed("http_status", &["HTTP status 400 instead of 200"], &[]);
}

#[tokio::test]
async fn a_login_page_as_on_the_port_of_the_browsers() {
    let port = "never the one for browsers (443)";
    let page = response("200 OK", "Content-Type: text/html\r\n", "<!DOCTYPE html><title>Login</title>");
    check_answering(page.clone()).await.assert_failed(
        "decode",
        &["not a session list", "HTML"],
        &[port, "4243"],
    );
    check_repository_answering(page).await.assert_failed("decode", &["HTML"], &[port, "4242"]);
    let redirect = response("302 Found", "Location: https://sense1/internal_forms_authentication/\r\n", "");
    check_answering(redirect).await.assert_failed("http_status", &["302", "redirect", "login page"], &[port]);
}

#[tokio::test]
async fn a_virtual_proxy_that_the_proxy_does_not_know() {
    check_answering(response("404 Not Found", "", "")).await.assert_failed(
        "http_status",
        &["HTTP status 404 instead of 200"],
        &["links the virtual proxy"],
    );
}

#[tokio::test]
async fn a_service_with_a_problem_of_its_own() {
    check_answering(response("503 Service Unavailable", "", "")).await.assert_failed(
        "http_status",
        &["HTTP status 503"],
        &["is still starting"],
    );
}

#[tokio::test]
async fn an_answer_that_is_cut_off_or_something_else() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[".to_owned();
    for (checked, what) in [
        (check_answering(cut.clone()).await, "not a session list"),
        (check_repository_answering(cut).await, "no list of "),
    ] {
        checked.assert_failed("decode", &[what, "cut off"], &["ended early"]);
        assert!(!checked.failure().advice.contains("443"), "{:?}", checked.failure());
    }
    check_answering(ok("{}")).await.assert_failed(
        "decode",
        &["expected a JSON array, found a JSON object"],
        &[],
    );
    let wrong = r#"[{"prefix": 5}]"#;
    check_repository_answering(ok(wrong)).await.assert_failed(
        "decode",
        &["no list of ", "[0].prefix"],
        &["4242"],
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large() {
    let files = Files::new();
    let server = StandIn::start(files.path(), |_| Some(ok(&" ".repeat(2000)))).await;
    let site = super::checked::proxy("Central", &server.url);
    files.check("max_response_size = \"1KiB\"", &site).await.assert_failed(
        "too_large",
        &["larger than 1024 bytes"],
        &["Raise max_response_size"],
    );
    let site = format!("repository = \"{}\"\n{site}", server.url);
    let checked = files.check("max_response_size = \"1KiB\"", &site).await;
    assert!(checked.lines("repository")[0].contains("larger than 1024 bytes"), "{}", checked.text);
}

/// A server that sends this and then ends the connection without TLS' farewell.
async fn check_ending_abruptly(answer: &'static str) -> Checked {
    let files = Files::new();
    let tls = tls(files.path(), true, rustls::ALL_VERSIONS);
    let server = StandIn::each(move |_, stream| {
        let tls = tls.clone();
        async move {
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
            let _ = stream.get_mut().0.shutdown().await;
        }
    })
    .await;
    files.check_proxy(&server.url).await
}

#[tokio::test]
async fn a_whole_list_is_good_however_the_connection_ends() {
    let good = check_ending_abruptly("HTTP/1.1 200 OK\r\n\r\n[]").await;
    assert_eq!(good.outcome, CheckOutcome::Good, "{}", good.text);
    for cut in [
        "HTTP/1.1 200 OK\r\n\r\n[",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
    ] {
        check_ending_abruptly(cut).await.assert_failed("decode", &["cut off"], &[]);
    }
}
