//! What a bad configuration gets: one line for each mistake, exit 2, and nothing half started.

use std::net::TcpListener;

use crate::support::exporter::{Exporter, run_with_config};
use crate::support::program::Ended;
use crate::support::site::{Site, TRUSTED};

/// The lines on standard error that hold all of these words.
fn lines_with<'a>(ended: &'a Ended, words: &[&str]) -> Vec<&'a String> {
    ended.stderr.iter().filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

/// That it was refused for these mistakes alone, each told in one line of its own.
fn assert_refused(ended: &Ended, mistakes: &[&[&str]]) {
    ended.assert().code(2).stdout_is_empty();
    assert!(ended.stderr.iter().all(|line| line.starts_with("error: ")), "{ended:#?}");
    for words in mistakes {
        assert_eq!(lines_with(ended, words).len(), 1, "{words:?} in {ended:#?}");
    }
}

/// A site's table that is right up to its certificates, which the text `{certs}` stands for.
async fn refused(settings: &str, site_settings: &str, mistakes: &[&[&str]]) {
    let site = Site::empty(1, &[""]).await;
    let config = std::fs::read_to_string(site.config_with(settings, site_settings)).unwrap();
    assert_refused(&run_with_config(config, &[]).await, mistakes);
    assert_eq!(site.queries(), site.asked(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_told() {
    refused("cache_tll = \"10s\"", TRUSTED, &[&["config.toml", "cache_tll"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_is_told_with_what_was_found_and_expected() {
    refused(
        "max_requests_per_proxy = \"many\"",
        TRUSTED,
        &[&["config.toml", "max_requests_per_proxy", "many"]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_told() {
    let settings = TRUSTED.replace("client_key.pem", "nowhere.pem");
    refused("", &settings, &[&["config.toml", "site.simulated.key", "nowhere.pem"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_fit_its_certificate_is_told() {
    let settings = TRUSTED.replace("client_key.pem", "server_key.pem");
    refused("", &settings, &[&["config.toml", "site.simulated.key", "does not belong"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_without_https_is_told() {
    let settings = format!("{TRUSTED}\n[site.simulated.proxy.plain]\nurl = \"http://sense2:4243\"\n");
    refused("", &settings, &[&["config.toml", "site.simulated.proxy.plain.url", "https"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_to_be_not_yet_available() {
    let events = "[events]\nlisten_address = [\"127.0.0.1:9997\"]";
    refused(events, TRUSTED, &[&["config.toml", "events", "not yet available"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_are_told_at_once() {
    let settings = "cache_tll = \"10s\"\nrequest_timeout = \"soon\"\n[users]\nlabel = \"secret\"";
    let site_settings = TRUSTED.replace("root.pem", "nowhere.pem") + "verify = \"maybe\"";
    refused(
        settings,
        &site_settings,
        &[
            &["cache_tll"],
            &["request_timeout", "soon"],
            &["users.label", "secret"],
            &["site.simulated.ca", "nowhere.pem"],
            &["site.simulated.verify", "maybe"],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_nothing_to_ask_is_told() {
    let site = Site::empty(1, &[""]).await;
    let config = std::fs::read_to_string(site.config("")).unwrap();
    let (without_proxies, _) = config.split_once("[site.simulated.proxy").unwrap();
    assert_refused(&run_with_config(without_proxies, &[]).await, &[&["config.toml", "site.simulated"]]);
}

#[tokio::test]
async fn a_file_that_is_not_there_or_no_toml_is_told() {
    let nowhere = run_with_config("", &["--config.file", "nowhere.toml"]).await;
    assert_refused(&nowhere, &[&["nowhere.toml"]]);
    assert_refused(&run_with_config("cache_ttl = = 1", &[]).await, &[&["config.toml"]]);
}

#[tokio::test]
async fn utf_16_is_told_as_that() {
    let text: Vec<u8> = "\u{feff}cache_ttl = \"10s\"\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_refused(&run_with_config(text, &[]).await, &[&["config.toml", "UTF-16"]]);
}

#[tokio::test]
async fn a_certificate_in_place_of_the_configuration_is_told_as_that() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let ended = run_with_config(pem, &[]).await;
    assert_refused(&ended, &[&["config.toml", "is a certificate or key (PEM)"]]);
}

#[tokio::test]
async fn a_windows_path_in_double_quotes_gets_the_advice() {
    let config = "[site.production]\ncertificate = \"C:\\certs\\client.pem\"\n";
    assert_refused(&run_with_config(config, &[]).await, &[&["config.toml", "single quotes"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_file_is_checked_and_nobody_is_asked() {
    let site = Site::empty(1, &[""]).await;
    let config = std::fs::read_to_string(site.config("")).unwrap();

    run_with_config(format!("\u{feff}{config}"), &["--config.check"]).await.assert().code(0);
    assert_eq!(site.queries(), site.asked(0));
    let bad = run_with_config(format!("cache_tll = 1\n{config}"), &["--config.check"]).await;
    assert_refused(&bad, &[&["config.toml", "cache_tll"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_and_the_exit_code_is_1() {
    let site = Site::empty(1, &[""]).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = std::fs::read_to_string(site.config("")).unwrap();

    let free_then_taken = ["--web.listen-address", "127.0.0.1:0", "--web.listen-address", &address];
    let ended = run_with_config(config, &free_then_taken).await;

    ended.assert().code(1).stdout_is_empty();
    assert_eq!(lines_with(&ended, &[&address]).len(), 1, "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_wins_over_the_file_and_a_flag_over_the_variable() {
    let site = Site::empty(1, &[""]).await;
    let config = site.config("listen_address = [\"127.0.0.1:1\"]\n[users]\nsession_limit = 7");
    let environment = [
        ("QLIK_SESSION_EXPORTER_LISTEN_ADDRESS", "[\"127.0.0.1:2\"]"),
        ("qlik_session_exporter_users__session_limit", "3"),
        ("QLIK_SESSION_EXPORTER_SERVICE_HOST", "10.0.0.1"),
    ];

    // The flag with port 0 comes from the harness.
    let exporter = Exporter::start(&["--config.file", config.to_str().unwrap()], &environment).await;

    assert_eq!(exporter.scrape().await.value("qlik_user_session_limit", &[]), Some(3.0));
}
