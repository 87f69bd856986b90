use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use qlik_sense::{UserKey, VirtualProxy};

/// A folder with `config.toml`, and certificates in `certs` that fit.
struct Folder(TempDir);

const SITE: &str = r#"
[site.production]
certificate = "certs/client.pem"
key = "certs/client_key.pem"
ca = "certs/root.pem"
[site.production.proxy.Central]
url = "https://sense1.company.com"
"#;

const WITH_REPOSITORY: &str = r#"
[site.production]
certificate = "certs/client.pem"
key = "certs/client_key.pem"
ca = "certs/root.pem"
repository = "https://sense1.company.com"
"#;

impl Folder {
    fn new(config: impl AsRef<[u8]>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        folder.copy("certificate-rsa.pem", "certs/client.pem");
        folder.copy("pkcs1-rsa.pem", "certs/client_key.pem");
        folder.copy("certificate-rsa.pem", "certs/root.pem");
        folder.write("config.toml", config);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn copy(&self, key: &str, name: &str) {
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/qlik-sense/tests/keys").join(key);
        std::fs::copy(key, self.path().join(name)).unwrap();
    }

    fn sources(&self, variables: &[(&str, &str)]) -> Sources {
        let variable =
            |(name, value): &(&str, &str)| (format!("QLIK_SESSION_EXPORTER_{name}"), (*value).into());
        Sources {
            environment: variables.iter().map(variable).collect(),
            working_directory: self.path().to_owned(),
            ..Sources::default()
        }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Config {
        load(&self.sources(variables)).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The errors as lines, with the folder's path left out.
    fn errors(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let errors = load(&self.sources(variables)).unwrap_err().to_string();
        let folder = format!("{}{}", self.path().display(), std::path::MAIN_SEPARATOR);
        errors.replace(&folder, "").lines().map(str::to_owned).collect()
    }
}

fn errors_of(config: &str) -> Vec<String> {
    Folder::new(config).errors(&[])
}

fn listening_on(addresses: &[&str]) -> Vec<FlagValue> {
    vec![FlagValue::new(&keys::top::LISTEN_ADDRESS.info, addresses.to_vec())]
}

#[test]
fn everything_has_a_default_except_certificates_and_where_to_find_the_site() {
    let config = Folder::new(SITE).load(&[]);
    assert_eq!(config.listen_addresses, ["0.0.0.0:9877".parse().unwrap()]);
    assert_eq!(config.scrape.cache_ttl, Duration::from_secs(10));
    assert_eq!(config.scrape.request_timeout, Duration::from_secs(5));
    assert_eq!(config.scrape.timeout_offset, Duration::from_millis(500));
    assert_eq!(config.scrape.max_requests_per_proxy.get(), 4);
    assert_eq!(config.scrape.max_response_size, 64 << 20);
    assert_eq!(config.users.label, UserLabel::Plain);
    assert_eq!((config.users.session_limit.get(), config.users.min_sessions.get()), (5, 1));
    assert_eq!((config.users.max_series, config.users.exclude.len()), (50_000, 0));
    let [site] = &config.sites[..] else { panic!() };
    assert_eq!((&*site.name, &*site.user.directory, &*site.user.id), ("production", "INTERNAL", "sa_api"));
    assert_eq!((&site.repository, &site.virtual_proxies), (&None, &VirtualProxyFilter::default()));
    let [proxy] = &site.proxies[..] else { panic!() };
    assert_eq!((&*proxy.name, &proxy.virtual_proxies), ("Central", &None));
    assert_eq!(proxy.url.as_ref().unwrap().as_str(), "https://sense1.company.com:4243/");
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn every_error_is_reported_at_once_with_its_line() {
    let folder = Folder::new(
        r#"cache_ttl = "2h"
colour = "red"
[users]
session_limit = "five"
exclude = [{ directory = "LAB" },
  { user = "x" }]
[site.production]
user_id = 5
certificate = "certs/none.pem"
key = "certs"
ca = "certs/root.pem"
[site.production.proxy.Central]
url = "http://sense1"
[site.production.proxy.Edge]
[site.test]
[[site.list]]
x = 1
"#,
    );
    let errors = folder.errors(&[("MAX_REQUESTS_PER_PROXY", "0")]);
    assert_eq!(
        errors,
        [
            r#"config.toml:1: cache_ttl: found "2h", expected a duration from 0s to 1h, such as "10s" or "500ms""#,
            "config.toml:2: colour: unknown key, expected one of listen_address, cache_ttl, request_timeout, \
             scrape_timeout_offset, max_requests_per_proxy, max_response_size, users, web, log, site",
            r#"config.toml:4: users.session_limit: found "five", expected a whole number from 1 to 1000"#,
            "config.toml:6: users.exclude[1].user: unknown, expected directory or user_id",
            r#"config.toml:6: users.exclude[1]: has no directory, expected { directory = "…" }"#,
            "config.toml:8: site.production.user_id: found 5 (an integer), expected a string in quotes",
            "config.toml:9: site.production.certificate: there is no file certs/none.pem",
            "config.toml:10: site.production.key: certs is a folder, expected a file",
            "config.toml:13: site.production.proxy.Central.url: found \"http://sense1\", expected https: \
             an address such as \"https://sense1.company.com:4243\"",
            "config.toml:14: site.production.proxy.Edge.url: missing, expected \
             an address such as \"https://sense1.company.com:4243\"",
            "config.toml:15: site.test.certificate: missing, expected the path of a file in quotes",
            "config.toml:15: site.test.key: missing, expected the path of a file in quotes",
            "config.toml:15: site.test.ca: missing, expected the path of a file in quotes",
            "config.toml:15: site.test: nothing to query, expected repository = \"https://HOST:4242\" or \
             a section [site.test.proxy.NAME] with url",
            "config.toml:16: site.list: found a list, expected a section [site.NAME]",
            "environment variable QLIK_SESSION_EXPORTER_MAX_REQUESTS_PER_PROXY: max_requests_per_proxy: \
             found 0 (an integer), expected a whole number from 1 to 256",
        ]
    );
}

#[test]
fn unknown_key_names_what_may_have_been_meant() {
    let errors = |extra: &str| errors_of(&format!("{SITE}{extra}")).join("\n");
    assert!(errors("[user]\nlabel = \"off\"").contains("user: unknown key, expected \"users\""));
    assert!(errors("[users]\nsesion_limit = 5").contains("expected \"session_limit\""));
    assert!(errors("[users]\ncache_ttl = \"1s\"").contains("expected it at the top of the file"));
    assert!(errors("[site.x]\nsession_limit = 5").contains("expected it in the section [users]"));
    assert!(
        errors("[site.x]\nurl = \"https://x\"").contains("expected it in the section [site.NAME.proxy.NAME]")
    );
    assert!(errors("[site.x]\nkey_password = \"s3cret\"").contains("expected \"key_password_file\""));
    assert!(!errors("[site.x]\nkey_password = \"s3cret\"").contains("s3cret"));
}

#[test]
fn misspelled_section_of_a_site_is_one_error() {
    for name in ["sites", "Site", "sit"] {
        let errors = errors_of(&format!("[{name}.production]\nuser_id = \"x\""));
        assert_eq!(errors, [format!("config.toml:1: {name}: unknown key, expected \"site\"")]);
    }
    assert_eq!(errors_of("").len(), 1);
}

#[test]
fn site_without_a_name_is_reported_as_that() {
    let errors = errors_of("[site]\nuser_id = \"x\"");
    assert_eq!(errors, ["config.toml:2: site.user_id: found \"x\", expected a section [site.NAME]"]);
    assert!(errors_of("[site.\"\"]").join("\n").contains("site.\"\": expected a name"));
}

#[test]
fn key_of_a_later_version_is_rejected_as_that() {
    let errors = errors_of(&format!("{SITE}\n[events]\nlisten_address = [\":9997\"]\n"));
    assert_eq!(
        errors,
        ["config.toml:9: events: not yet available in this version, expected it to be left out"]
    );
    let errors = Folder::new(SITE).errors(&[("SITE__PRODUCTION__EVENT_HOSTS", "[\"sense1\"]")]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("site.production.event_hosts: not yet available"), "{errors:?}");
}

#[test]
fn with_a_repository_a_proxy_needs_no_address() {
    let more =
        "repository_refresh = \"1m\"\n[site.production.proxy.Central]\nvirtual_proxies = [\"sales\"]\n";
    let config = Folder::new(WITH_REPOSITORY.to_owned() + more).load(&[]);
    let [site] = &config.sites[..] else { panic!() };
    let repository = site.repository.as_ref().unwrap();
    assert_eq!(repository.url.as_str(), "https://sense1.company.com:4242/");
    assert_eq!(repository.refresh, Duration::from_secs(60));
    assert_eq!(site.proxies[0].url, None);
    let refresh = Folder::new(WITH_REPOSITORY).load(&[]).sites[0].repository.as_ref().unwrap().refresh;
    assert_eq!(refresh, Duration::from_secs(300));
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file() {
    let folder = Folder::new(format!("listen_address = [\":1\"]\ncache_ttl = \"1s\"\n{SITE}"));
    let variables =
        [("LISTEN_ADDRESS", "[\":2\"]"), ("cache_TTL", "2s"), ("SITE__PRODUCTION__USER_ID", "123")];
    let port = |config: &Config| config.listen_addresses[0].port();
    assert_eq!(port(&folder.load(&[])), 1);
    let config = folder.load(&variables);
    assert_eq!((port(&config), config.scrape.cache_ttl), (2, Duration::from_secs(2)));
    assert_eq!(config.sites[0].user.id, "123");
    let flags = listening_on(&["127.0.0.1:3", "[::1]:3"]);
    let config = load(&Sources { flags, ..folder.sources(&variables) }).unwrap();
    assert_eq!((port(&config), config.listen_addresses.len()), (3, 2));
}

#[test]
fn flags_of_web_and_log_win_over_their_variables_and_these_over_the_file() {
    let folder = Folder::new(format!(
        "[web]\ntelemetry_path = \"/file\"\nenable_lifecycle = true\n[log]\nlevel = \"error\"\nformat = \"json\"\n\
         file = \"logs/exporter.log\"\n{SITE}"
    ));
    let config = folder.load(&[]);
    assert_eq!((&*config.web.telemetry_path, config.web.enable_lifecycle), ("/file", true));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Error, LogFormat::Json));
    let file = config.log.file.unwrap();
    assert_eq!(file.path, folder.path().join("logs/exporter.log"));
    assert_eq!(file.named_by, "config.toml:7: log.file");
    let mut sources = folder.sources(&[
        ("WEB__TELEMETRY_PATH", "/variable"),
        ("WEB__ENABLE_LIFECYCLE", "false"),
        ("LOG__LEVEL", "debug"),
    ]);
    let config = load(&sources).unwrap();
    assert_eq!((&*config.web.telemetry_path, config.web.enable_lifecycle), ("/variable", false));
    assert_eq!(config.log.level, LogLevel::Debug);
    sources.flags = vec![
        FlagValue::new(&keys::web::TELEMETRY_PATH.info, "/flag"),
        FlagValue::new(&keys::log::LEVEL.info, "trace"),
        FlagValue::new(&keys::log::FILE.info, "flag.log"),
    ];
    let config = load(&sources).unwrap();
    assert_eq!((&*config.web.telemetry_path, config.log.level), ("/flag", LogLevel::Trace));
    let file = config.log.file.unwrap();
    assert_eq!((file.path, &*file.named_by), (folder.path().join("flag.log"), "--log.file"));
}

#[test]
fn relative_log_file_starts_from_the_file_that_names_it() {
    let folder = Folder::new("");
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let config = format!("[log]\nfile = \"x.log\"\n{}", SITE.replace("certs/", "../certs/"));
    folder.write("etc/exporter.toml", config);
    let path = |variables: &[(&str, &str)]| {
        let sources = Sources { file: Some("etc/exporter.toml".into()), ..folder.sources(variables) };
        load(&sources).unwrap().log.file.unwrap().path
    };
    assert_eq!(path(&[]), folder.path().join("etc/x.log"));
    assert_eq!(path(&[("LOG__FILE", "x.log")]), folder.path().join("x.log"));
}

#[test]
fn error_in_a_flag_names_the_flag() {
    let folder = Folder::new(SITE);
    let sources = Sources { flags: listening_on(&["9877"]), ..folder.sources(&[]) };
    let errors = load(&sources).unwrap_err().to_string();
    assert!(errors.starts_with("--web.listen-address: found \"9877\""), "{errors}");
}

#[test]
fn variables_alone_can_set_everything() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path().join("config.toml")).unwrap();
    let errors = folder.errors(&[]).join("\n");
    let no_site =
        "site: no site, expected a section [site.NAME] (no config.toml found; --config.file names one";
    assert!(errors.starts_with(no_site), "{errors}");
    assert_eq!(errors.contains("; the command demo needs none)"), cfg!(feature = "simulator"), "{errors}");
    let config = folder.load(&[
        ("SITE__TEST__CERTIFICATE", "certs/client.pem"),
        ("SITE__TEST__KEY", "certs/client_key.pem"),
        ("SITE__TEST__CA", "certs/root.pem"),
        ("SITE__TEST__PROXY__CENTRAL__URL", "https://sense1"),
        ("SITE__TEST__PROXY__CENTRAL__VIRTUAL_PROXIES", "['/', '/sales']"),
        ("USERS__EXCLUDE", "[{directory=\"LAB\"}]"),
    ]);
    assert_eq!(config.sites[0].proxies[0].name, "central");
    assert_eq!(config.sites[0].proxies[0].virtual_proxies.as_ref().unwrap().len(), 2);
    assert!(config.users.exclude[0].matches(UserKey { directory: "lab", id: "anna" }));
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let config = Folder::new(SITE).load(&[("SERVICE_HOST", "10.0.0.1"), ("PORT_9877_TCP", "tcp://10.0.0.1")]);
    assert_eq!(
        config.warnings,
        [
            "environment variable QLIK_SESSION_EXPORTER_SERVICE_HOST is no setting: it is not used",
            "environment variable QLIK_SESSION_EXPORTER_PORT_9877_TCP is no setting: it is not used",
        ]
    );
}

#[test]
fn a_warning_is_one_line_whatever_a_variable_is_called() {
    let config = Folder::new(SITE).load(&[("\u{6}\n", "x")]);
    let expected = r"environment variable QLIK_SESSION_EXPORTER_\u{6}\n is no setting: it is not used";
    assert_eq!(config.warnings, [expected]);
}

#[test]
fn variable_that_fits_two_sites_is_an_error() {
    let folder = Folder::new(format!("{SITE}{}", SITE.replace("production", "PRODUCTION")));
    assert_eq!(folder.load(&[]).sites.len(), 2);
    let errors = folder.errors(&[("SITE__PRODUCTION__USER_ID", "x")]);
    assert_eq!(
        errors,
        ["environment variable QLIK_SESSION_EXPORTER_SITE__PRODUCTION__USER_ID: fits both \
          site.PRODUCTION.user_id and site.production.user_id, expected a name that fits one: set it in the file"]
    );
}

#[test]
fn key_set_by_two_variables_is_an_error() {
    let errors = Folder::new(SITE).errors(&[("CACHE_TTL", "1s"), ("cache_ttl", "2s")]);
    assert_eq!(
        errors,
        ["environment variable QLIK_SESSION_EXPORTER_cache_ttl: cache_ttl: \
          is set by QLIK_SESSION_EXPORTER_CACHE_TTL too, expected one of them"]
    );
}

#[test]
fn paths_start_from_the_file_or_for_variables_from_the_working_directory() {
    let folder = Folder::new("");
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    folder.write("etc/exporter.toml", SITE.replace("certs/", "../certs/"));
    let mut sources = folder.sources(&[("SITE__PRODUCTION__CA", "certs/root.pem")]);
    sources.file = Some("etc/exporter.toml".into());
    assert!(load(&sources).is_ok());
    folder.copy("certificate-rsa.pem", "etc/root.pem");
    sources.environment[0].1 = "root.pem".into();
    let errors = load(&sources).unwrap_err().to_string();
    let missing = folder.path().join("root.pem");
    assert!(errors.ends_with(&format!("there is no file {}", missing.display())), "{errors}");
}

#[test]
fn without_a_name_the_file_is_looked_for_here_and_then_beside_the_program() {
    let folder = Folder::new(SITE);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut sources = folder.sources(&[]);
    sources.working_directory = elsewhere.path().to_owned();
    assert!(load(&sources).is_err());
    sources.executable = Some(folder.path().join("qlik-session-exporter"));
    assert!(load(&sources).is_ok());
    std::fs::write(elsewhere.path().join("config.toml"), "wrong").unwrap();
    assert!(load(&sources).is_err(), "the one here goes first");
}

#[test]
fn named_file_that_cannot_be_read_is_an_error() {
    let folder = Folder::new(SITE);
    let errors = |name: &str| {
        let sources = Sources { file: Some(name.into()), ..folder.sources(&[]) };
        load(&sources).unwrap_err().to_string()
    };
    assert!(errors("none.toml").starts_with("none.toml: there is no file "));
    assert!(errors("certs").ends_with("is a folder, expected a file"));
}

#[test]
fn encodings_are_accepted_or_named() {
    Folder::new(format!("\u{feff}{}", SITE.replace('\n', "\r\n"))).load(&[]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for bytes in [utf16(&format!("\u{feff}{SITE}")), utf16(SITE)] {
        let errors = Folder::new(bytes).errors(&[]);
        assert!(errors[0].starts_with("config.toml: is UTF-16 (PowerShell's `>`"), "{errors:?}");
    }
    let errors = Folder::new(b"# fine\nx = \"M\xfcller\"\n").errors(&[]);
    assert_eq!(
        errors,
        ["config.toml: is not UTF-8 from line 2 on, expected UTF-8: save it with that encoding"]
    );
}

#[test]
fn a_syntax_error_names_line_and_column() {
    let errors = errors_of("cache_ttl = \"1s\"\nusers = {\nx ==\n");
    assert!(errors[0].starts_with("config.toml:"), "{errors:?}");
    let errors = errors_of("cache_ttl = 10s\n");
    assert!(errors[0].starts_with("config.toml:1: column 1"), "{errors:?}");
    let errors = errors_of("cache_ttl = \"1s\"\ncache_ttl = \"1s\"\n");
    assert!(errors[0].starts_with("config.toml:2: column 1: duplicate key"), "{errors:?}");
}

#[test]
fn syntax_errors_come_in_the_order_of_lines_without_their_consequences() {
    let errors = errors_of("cache_ttl = 10s\n[site.production\nuser_id = INTERNAL\n[site.test\n");
    assert_eq!(
        errors,
        [
            "config.toml:1: column 13: string values must be quoted, expected literal string",
            "config.toml:2: column 17: unclosed table, expected `]`",
            "config.toml:4: column 11: unclosed table, expected `]`",
        ]
    );
    let errors = errors_of("cache_ttl = 10s\nlisten_address = [\":1\"\ncache = x\n[site.x]\nuser_id = y\n");
    assert_eq!(
        errors,
        [
            "config.toml:1: column 13: string values must be quoted, expected literal string",
            "config.toml:3: column 1: missing comma between array elements, expected `,`",
        ]
    );
    let errors = errors_of("listen_address = [1 2]\ncache_ttl = 10s\n");
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn a_windows_path_in_double_quotes_gets_advice() {
    for path in
        [r"C:\certs\client.pem", r"C:\temp\client.pem", r"C:\users\x", r"\\server\certs\x", r"D:\bin\x"]
    {
        let errors = errors_of(&SITE.replace("certs/client.pem", path));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with("config.toml:3: ") && errors[0].contains("single quotes"),
            "{errors:?}"
        );
    }
    let errors = errors_of(&SITE.replace("\"certs/client.pem\"", r"'C:\temp\client.pem'"));
    assert!(errors.len() == 1 && errors[0].contains("there is no file"), "{errors:?}");
}

#[test]
fn two_proxies_that_would_count_the_same_sessions_are_an_error() {
    let other = |virtual_proxies: &str| {
        format!(
            "{SITE}[site.production.proxy.Edge]\nurl = \"https://SENSE1.company.com:4243\"\n{virtual_proxies}"
        )
    };
    let errors = errors_of(&other("virtual_proxies = [\"/\", \"/sales\"]"));
    assert_eq!(
        errors,
        ["config.toml:9: site.production.proxy.Edge.url: https://sense1.company.com:4243 is queried for / \
          as proxy \"Central\" too: its sessions would count twice"]
    );
    Folder::new(other("virtual_proxies = [\"/sales\"]")).load(&[]);
}

#[test]
fn filter_that_leaves_nothing_is_an_error_and_an_unused_one_a_warning() {
    let with = |filter: &str| SITE.replace("ca =", &format!("{filter}\nca ="));
    let errors = errors_of(&with("virtual_proxies = [\"/sales\"]"));
    assert!(
        errors.len() == 1 && errors[0].starts_with("config.toml:2: site.production: nothing to query"),
        "{errors:?}"
    );
    let errors = errors_of(&with("exclude_virtual_proxies = [\"*\"]"));
    assert!(
        errors.len() == 1 && errors[0].starts_with("config.toml:2: site.production: nothing to query"),
        "{errors:?}"
    );
    let config = Folder::new(with("virtual_proxies = [\"/\", \"sales*\"]")).load(&[]);
    assert_eq!(
        config.warnings,
        [
            "site.production.virtual_proxies: \"/sales*\" fits no virtual proxy that [site.production.proxy.NAME] names"
        ]
    );
    let filter = &config.sites[0].virtual_proxies;
    assert!(filter.admits(&VirtualProxy::parse("sales-eu").unwrap()));
}

#[test]
fn filter_that_names_no_virtual_proxy_at_all_is_an_error() {
    let errors = errors_of(&format!("{WITH_REPOSITORY}virtual_proxies = []"));
    assert_eq!(
        errors,
        [
            "config.toml:7: site.production.virtual_proxies: found an empty list, expected at least one prefix, \
          or no list for all"
        ]
    );
    Folder::new(format!("{WITH_REPOSITORY}exclude_virtual_proxies = []")).load(&[]);
}

#[test]
fn the_same_configuration_compares_equal() {
    let folder = Folder::new(SITE);
    assert_eq!(folder.load(&[]), folder.load(&[]));
    assert_ne!(folder.load(&[]), folder.load(&[("SITE__PRODUCTION__VERIFY", "ca")]));
}

#[test]
fn missing_key_is_blamed_on_a_variable_only_where_it_makes_the_section() {
    let folder = Folder::new("[site.production]\n");
    let errors = folder.errors(&[("SITE__PRODUCTION__USER_ID", "x"), ("SITE__TEST__USER_ID", "x")]);
    assert!(errors.contains(
        &"config.toml:1: site.production.ca: missing, expected the path of a file in quotes".into()
    ));
    assert!(
        errors.contains(
            &"environment variable QLIK_SESSION_EXPORTER_SITE__TEST__USER_ID: site.test.ca: missing, expected the \
              path of a file in quotes"
                .into()
        ),
        "{errors:?}"
    );
}

#[test]
fn variable_is_expected_as_it_is_written() {
    let errors = Folder::new(SITE).errors(&[("CACHE_TTL", "soon"), ("USERS__EXCLUDE", "LAB")]).join("\n");
    let duration =
        "CACHE_TTL: cache_ttl: found \"soon\", expected a duration from 0s to 1h, such as 10s or 500ms";
    assert!(errors.contains(duration), "{errors}");
    assert!(
        errors.contains(r#"expected a list such as [{ directory = "LAB", user_id = "svc_*" }]"#),
        "{errors}"
    );
}

proptest! {
    #[test]
    fn whatever_is_configured_each_error_is_one_line(
        lines in prop::collection::vec(("[a-z_]{0,9}|cache_ttl|listen_address|users\\.[a-z_]{1,9}|users.exclude|site\\.[a-zü\" ]{1,3}\\.[a-z_]{1,9}|site.x.proxy.y.url",
            "\\PC{0,9}|[0-9]{1,45}|\"\\PC{0,9}\"|\\[[0-9\",{} =]{0,9}\\]|\"https://[a-z:@/\\[\\]0-9?#]{0,9}\"|2026-11-24|nan|\\{ directory = 1 \\}"), 0..8),
        variable in "[A-Z_]{0,9}|SITE__[A-Z_]{0,9}",
    ) {
        let config: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let folder = Folder::new(config);
        let errors = load(&folder.sources(&[(&variable, "x")])).unwrap_err();
        prop_assert!(errors.iter().count() > 0);
        for error in errors.iter() {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}

mod certificates;
mod example;
