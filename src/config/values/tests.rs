use super::*;
use crate::config::environment;
use crate::config::keys::find;

/// The kind of a key.
fn kind(path: &str) -> &'static Kind {
    &find(&path.split('.').collect::<Vec<_>>()).unwrap().kind
}

fn toml(text: &str) -> Value {
    crate::config::file::value(text).unwrap()
}

fn texts<T: std::fmt::Debug>(read: Read<T>) -> Vec<String> {
    read.unwrap_err()
        .into_iter()
        .map(|problem| format!("{}: {}", problem.shown, problem.told(true)))
        .collect()
}

const URL: &str = "site.x.proxy.y.url";

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
        assert_eq!(url(kind(URL), &written.into()).unwrap().as_str(), read, "{written}");
    }
}

#[test]
fn what_is_no_plain_https_address_is_refused() {
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
        let told = texts(url(kind(URL), &written.into())).concat();
        assert!(told.contains(&format!("expected {reason}")), "{written}: {told}");
        assert!(told.contains("https://sense1.company.com:4243"), "{told}");
    }
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    for written in ["https://anna:s3cret@sense1", "http://anna:s3cret@sense1:4243/x"] {
        let told = texts(url(kind(URL), &written.into())).concat();
        assert!(!told.contains("s3cret") && told.contains("@sense1"), "{told}");
    }
}

#[test]
fn secrets_in_place_of_their_files_are_not_shown() {
    let pem = Value::from("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n");
    let told = texts(text(kind("site.x.key"), &pem)).concat();
    assert_eq!(told, ": found the text of a PEM file, expected the path of the file that holds it");
    let told = texts(text(kind("site.x.key_password_file"), &toml("4711"))).concat();
    assert_eq!(told, ": found a number, expected the path of a file in quotes");
}

#[test]
fn a_windows_path_that_toml_has_eaten_gets_advice() {
    let told = texts(text(kind("site.x.key"), &toml(r#""C:\temp\new.pem""#))).concat();
    assert!(told.contains("single quotes"), "{told}");
    let told = texts(text(kind("site.x.user_id"), &toml(r#""a\tb""#))).concat();
    assert_eq!(told, r#": found "a\tb", expected a string in quotes without control characters"#);
}

#[test]
fn wrong_types_and_ranges_say_what_was_found_and_expected() {
    for (path, written, told) in [
        ("site.x.user_id", "5", "found 5 (an integer), expected a string in quotes"),
        ("site.x.user_id", "true", "found true (a boolean), expected a string in quotes"),
        ("site.x.user_id", "2026-11-24", "found a date or time, expected a string in quotes"),
        ("site.x.user_id", "\" \"", "found \" \", expected a string in quotes, not an empty one"),
    ] {
        assert_eq!(texts(text(kind(path), &toml(written))), [format!(": {told}")]);
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
        let told = texts(whole(kind("users.session_limit"), &toml(written))).concat();
        let told = told.replace("100000000000000000000000000000000000000000", "1e41");
        assert_eq!(told, format!(": found {found}, {limit}"));
    }
    assert_eq!(
        texts(choice(kind("users.label"), &"Plain".into())),
        [r#": found "Plain", expected one of "plain", "hashed", "off""#]
    );
}

#[test]
fn durations_and_sizes_are_bounded() {
    let ttl = kind("cache_ttl");
    assert_eq!(duration(ttl, &"0s".into()), Ok(Duration::ZERO));
    assert_eq!(duration(ttl, &"1h".into()), Ok(Duration::from_secs(3600)));
    assert_eq!(duration(ttl, &"1m 30s".into()), Ok(Duration::from_secs(90)));
    let expected = r#"expected a duration from 0s to 1h, such as "10s" or "500ms""#;
    for written in ["\"61m\"", "\"10\"", "\"\"", "10", "\"-1s\"", "\"99999999999999999999s\""] {
        let told = texts(duration(ttl, &toml(written))).concat();
        assert!(told.ends_with(expected), "{told}");
    }
    let max = kind("max_response_size");
    assert_eq!(size(max, &"64MiB".into()), Ok(64 << 20));
    assert_eq!(size(max, &"1 kib".into()), Ok(1024));
    assert_eq!(size(max, &"4GiB".into()), Ok(4 << 30));
    for written in ["\"4097MiB\"", "\"1023B\"", "64", "\"many\"", "\"99999999999999999999PB\""] {
        let told = texts(size(max, &toml(written))).concat();
        assert!(told.ends_with("expected a size from 1 KiB to 4 GiB, such as \"64MiB\""), "{told}");
    }
}

#[test]
fn addresses_are_read_as_people_write_them() {
    let read = |text| addresses(kind("listen_address"), &toml(text));
    let shown = |text| read(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        shown(r#"[":9877", "localhost:0", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]"#),
        ["0.0.0.0:9877", "127.0.0.1:0", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]
    );
    assert_eq!(texts(read("[]")), [": found an empty list, expected at least one address"]);
    assert_eq!(
        texts(read(r#"[":1", "0.0.0.0:1"]"#)),
        [": found 0.0.0.0:1 twice, expected each address once"]
    );
    assert!(texts(read("\":1\"")).concat().contains("a list of addresses"));
}

#[test]
fn an_address_that_cannot_be_listened_on_says_what_can() {
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
        let told = texts(addresses(kind("listen_address"), &toml(&format!("[\":1\", {written}]"))));
        let found = if written == "5" { "5 (an integer)" } else { written };
        assert_eq!(told, [format!("[1]: found {found}, expected {expected}")]);
    }
}

#[test]
fn prefixes_are_each_taken_once() {
    let read = |text| virtual_proxies(kind("site.x.proxy.y.virtual_proxies"), &toml(text));
    let found = read(r#"["/Sales", "", "sales/", "/"]"#).unwrap();
    assert_eq!(found.iter().map(VirtualProxy::path).collect::<Vec<_>>(), ["/sales", "/"]);
    assert_eq!(
        texts(read(r#"["a b", 1]"#)),
        [
            r#"[0]: found "a b": the character ' ' is not allowed in a prefix (a-z 0-9 - . _ ~)"#,
            "[1]: found 1 (an integer), expected a prefix in quotes"
        ]
    );
    assert_eq!(texts(read("[]")), [": found an empty list, expected at least one prefix"]);
}

#[test]
fn every_part_of_an_exclusion_is_checked() {
    let read = |text| exclusions(kind("users.exclude"), &toml(text));
    assert_eq!(read("[]"), Ok(vec![]));
    assert_eq!(
        read(r#"[{ directory = "LAB", user_id = "a*" }]"#),
        Ok(vec![Exclusion::new("LAB", Some("a*"))])
    );
    assert_eq!(
        texts(read(r#"[{ directory = 1, user_id = 2 }, { user = "x" }, "LAB"]"#)),
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
fn every_default_is_good() {
    for key in super::super::keys::KEYS {
        let Some(default) = key.default else { continue };
        let value = environment::value(&key.kind, default);
        let read = match &key.kind {
            Kind::Text | Kind::File | Kind::SecretFile => text(&key.kind, &value).map(drop),
            Kind::Url { .. } => url(&key.kind, &value).map(drop),
            Kind::Choice(_) => choice(&key.kind, &value).map(drop),
            Kind::Duration(_) => duration(&key.kind, &value).map(drop),
            Kind::Size(_) => size(&key.kind, &value).map(drop),
            Kind::Whole(_) => whole(&key.kind, &value).map(drop),
            Kind::Addresses => addresses(&key.kind, &value).map(drop),
            Kind::VirtualProxies => virtual_proxies(&key.kind, &value).map(drop),
            Kind::VirtualProxyPatterns => virtual_proxy_patterns(&key.kind, &value).map(drop),
            Kind::Exclusions => exclusions(&key.kind, &value).map(drop),
            Kind::Texts => Ok(()),
        };
        assert_eq!(read, Ok(()), "{}", key.path);
    }
}
