use std::fmt::Debug;
use std::time::Duration;

use figment::value::Value;
use qlik_sense::VirtualProxy;

use super::kind::Read;
use super::*;
use crate::config::keys::{proxy, site, top, users, web};
use crate::config::patterns::Exclusion;
use crate::config::toml_value;

fn toml(text: &str) -> Value {
    toml_value::parse(text).unwrap()
}

fn errors<T: Debug>(read: Read<T>) -> Vec<String> {
    read.unwrap_err().into_iter().map(|error| format!("{}: {}", error.part, error.message(true))).collect()
}

#[test]
fn a_url_without_a_port_gets_that_of_the_service() {
    for (written, read) in [
        ("https://sense1", "https://sense1:4243/"),
        ("https://sense1/", "https://sense1:4243/"),
        ("https://sense1:", "https://sense1:4243/"),
        ("https://sense1:4244", "https://sense1:4244/"),
        ("https://sense1:443", "https://sense1/"),
        ("HTTPS://10.0.0.1", "https://10.0.0.1:4243/"),
        ("https://[::1]", "https://[::1]:4243/"),
        ("https://[fe80::1]:443/", "https://[fe80::1]/"),
    ] {
        assert_eq!(proxy::URL.kind.read(&written.into()).unwrap().as_str(), read, "{written}");
    }
}

#[test]
fn address_that_is_not_plain_https_is_rejected() {
    for (written, reason) in [
        ("http://sense1:4243", "https:"),
        ("sense1.company.com:4243", "https:"),
        ("sense1", "https:"),
        ("https://", "an address"),
        ("https://sense1:99999", "an address"),
        ("https://sense1:0", "a port"),
        ("https://sense1/qps", "nothing after"),
        ("https://sense1?x", "nothing after"),
        ("https://sense1#x", "nothing after"),
        (r"https://sense1\x", "nothing after"),
        ("https://anna@sense1", "no user name"),
    ] {
        let message = errors(proxy::URL.kind.read(&written.into())).concat();
        assert!(message.contains(&format!("expected {reason}")), "{written}: {message}");
        assert!(message.contains("https://sense1.company.com:4243"), "{message}");
    }
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    for written in ["https://anna:s3cret@sense1", "http://anna:s3cret@sense1:4243/x"] {
        let message = errors(proxy::URL.kind.read(&written.into())).concat();
        assert!(!message.contains("s3cret") && message.contains("@sense1"), "{message}");
    }
}

#[test]
fn secrets_in_place_of_their_files_are_not_shown() {
    let pem = Value::from("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n");
    let message = errors(site::KEY.kind.read(&pem)).concat();
    assert_eq!(message, ": found the text of a PEM file, expected the path of the file that holds it");
    let message = errors(site::KEY_PASSWORD_FILE.kind.read(&toml("4711"))).concat();
    assert_eq!(message, ": found a number, expected the path of a file in quotes");
}

#[test]
fn a_windows_path_that_toml_has_eaten_gets_advice() {
    let message = errors(site::KEY.kind.read(&toml(r#""C:\temp\new.pem""#))).concat();
    assert!(message.contains("single quotes"), "{message}");
    let message = errors(site::USER_ID.kind.read(&toml(r#""a\tb""#))).concat();
    assert_eq!(message, r#": found "a\tb", expected a string in quotes without control characters"#);
}

#[test]
fn wrong_types_and_ranges_name_what_was_found_and_expected() {
    for (written, message) in [
        ("5", "found 5 (an integer), expected a string in quotes"),
        ("true", "found true (a boolean), expected a string in quotes"),
        ("2026-11-24", "found a date or time, expected a string in quotes"),
        ("\" \"", "found \" \", expected a string in quotes, not an empty one"),
    ] {
        assert_eq!(errors(site::USER_ID.kind.read(&toml(written))), [format!(": {message}")]);
    }
    let limit = "expected a whole number from 1 to 1000";
    for (written, found) in [
        ("0", "0 (an integer)"),
        ("1001", "1001 (an integer)"),
        ("-1", "-1 (an integer)"),
        ("99999999999999999999999999999999999999999", "1e41 (a number)"),
        ("5.0", "5 (a number)"),
        ("\"abc\"", "\"abc\""),
        ("[5]", "a list"),
        ("{ a = 5 }", "a section"),
    ] {
        let message = errors(users::SESSION_LIMIT.kind.read(&toml(written))).concat();
        let message = message.replace("100000000000000000000000000000000000000000", "1e41");
        assert_eq!(message, format!(": found {found}, {limit}"));
    }
    assert_eq!(
        errors(users::LABEL.kind.read(&"Plain".into())),
        [r#": found "Plain", expected one of "plain", "hashed", "off""#]
    );
}

#[test]
fn durations_and_sizes_are_bounded() {
    let ttl = &top::CACHE_TTL.kind;
    assert_eq!(ttl.read(&"0s".into()), Ok(Duration::ZERO));
    assert_eq!(ttl.read(&"1h".into()), Ok(Duration::from_secs(3600)));
    assert_eq!(ttl.read(&"1m 30s".into()), Ok(Duration::from_secs(90)));
    let expected = r#"expected a duration from 0s to 1h, such as "10s" or "500ms""#;
    for written in ["\"61m\"", "\"10\"", "\"\"", "10", "\"-1s\"", "\"99999999999999999999s\""] {
        let message = errors(ttl.read(&toml(written))).concat();
        assert!(message.ends_with(expected), "{message}");
    }
    let max = &top::MAX_RESPONSE_SIZE.kind;
    assert_eq!(max.read(&"64MiB".into()), Ok(64 << 20));
    assert_eq!(max.read(&"1 kib".into()), Ok(1024));
    assert_eq!(max.read(&"4GiB".into()), Ok(4 << 30));
    for written in ["\"4097MiB\"", "\"1023B\"", "64", "\"many\"", "\"99999999999999999999PB\""] {
        let message = errors(max.read(&toml(written))).concat();
        assert!(message.ends_with("expected a size from 1 KiB to 4 GiB, such as \"64MiB\""), "{message}");
    }
}

#[test]
fn addresses_are_read_as_people_write_them() {
    let read = |text| top::LISTEN_ADDRESS.kind.read(&toml(text));
    let shown = |text| read(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        shown(r#"[":9877", "localhost:0", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]"#),
        ["0.0.0.0:9877", "127.0.0.1:0", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]
    );
    assert_eq!(errors(read("[]")), [": found an empty list, expected at least one address"]);
    assert_eq!(
        errors(read(r#"[":1", "0.0.0.0:1"]"#)),
        [": found 0.0.0.0:1 twice, expected each address once"]
    );
    assert!(errors(read("\":1\"")).concat().contains("a list of addresses"));
}

#[test]
fn address_that_cannot_be_listened_on_names_what_can() {
    let usual = r#"IP:PORT, localhost:PORT or :PORT, such as "0.0.0.0:9877" or "[::1]:9877""#;
    let port = "a port from 0 to 65535";
    let no_name = r#"an IP address of this host instead of a name, such as "0.0.0.0:9877" for all of them"#;
    for (written, expected) in [
        ("\"9877\"", usual),
        ("\"0.0.0.0\"", usual),
        ("\"0.0.0.0:\"", usual),
        ("\"127.0.0:1\"", usual),
        ("\":-1\"", usual),
        ("5", usual),
        ("\":70000\"", port),
        ("\"127.0.0.1:65536\"", port),
        ("\"[::1]:99999999999999999999\"", port),
        ("\"sense1.company.com:9877\"", no_name),
        ("\"::1:9877\"", r#"an IPv6 address in brackets, such as "[::1]:9877""#),
    ] {
        let message = errors(top::LISTEN_ADDRESS.kind.read(&toml(&format!("[\":1\", {written}]"))));
        let found = if written == "5" { "5 (an integer)" } else { written };
        assert_eq!(message, [format!("[1]: found {found}, expected {expected}")]);
    }
}

#[test]
fn prefixes_are_each_taken_once() {
    let read = |text| proxy::VIRTUAL_PROXIES.kind.read(&toml(text));
    let found = read(r#"["/Sales", "", "sales/", "/"]"#).unwrap();
    assert_eq!(found.iter().map(VirtualProxy::path).collect::<Vec<_>>(), ["/sales", "/"]);
    assert_eq!(
        errors(read(r#"["a b", 1]"#)),
        [
            r#"[0]: found "a b": the character ' ' is not allowed in a prefix (a-z 0-9 - . _ ~)"#,
            "[1]: found 1 (an integer), expected a prefix in quotes"
        ]
    );
    assert_eq!(errors(read("[]")), [": found an empty list, expected at least one prefix"]);
}

#[test]
fn every_part_of_an_exclusion_is_checked() {
    let read = |text| users::EXCLUDE.kind.read(&toml(text));
    assert_eq!(read("[]"), Ok(vec![]));
    assert_eq!(
        read(r#"[{ directory = "LAB", user_id = "a*" }]"#),
        Ok(vec![Exclusion::new("LAB", Some("a*"))])
    );
    assert_eq!(
        errors(read(r#"[{ directory = 1, user_id = 2 }, { user = "x" }, "LAB"]"#)),
        [
            "[0].directory: found 1 (an integer), expected a string in quotes",
            "[0].user_id: found 2 (an integer), expected a string in quotes",
            "[1].user: unknown, expected directory or user_id",
            r#"[1]: has no directory, expected { directory = "…" }"#,
            r#"[2]: found "LAB", expected { directory = "…", user_id = "…" }"#,
        ]
    );
}

#[test]
fn telemetry_path_does_not_hide_another() {
    let read = |path: &str| web::TELEMETRY_PATH.kind.read(&path.into());
    assert!(read("/metrics").is_ok() && read("/a/b").is_ok());
    for path in ["metrics", "", "/", "/probe", "/-/healthy", "/a b", "/{x}", "/../x"] {
        assert!(read(path).is_err(), "{path}");
    }
}
