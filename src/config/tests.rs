use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::qlik::{UserKey, VirtualProxy};

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
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(key);
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
        load(&self.sources(variables)).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// The mistakes as lines, with the folder's path left out.
    fn mistakes(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let mistakes = load(&self.sources(variables)).unwrap_err().to_string();
        let folder = format!("{}{}", self.path().display(), std::path::MAIN_SEPARATOR);
        mistakes.replace(&folder, "").lines().map(str::to_owned).collect()
    }
}

fn mistakes_of(config: &str) -> Vec<String> {
    Folder::new(config).mistakes(&[])
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
fn every_mistake_is_told_at_once_with_its_line() {
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
    assert_eq!(
        folder.mistakes(&[("MAX_REQUESTS_PER_PROXY", "0")]),
        [
            r#"config.toml:1: cache_ttl: found "2h", expected a duration from 0s to 1h, such as "10s" or "500ms""#,
            "config.toml:2: colour: unknown key, expected one of listen_address, cache_ttl, request_timeout, \
             scrape_timeout_offset, max_requests_per_proxy, max_response_size, users, site",
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
            "config.toml:15: site.test: nothing to ask, expected a section [site.test.proxy.NAME] with url",
            "config.toml:16: site.list: found a list, expected a section [site.NAME]",
            "environment variable QLIK_SESSION_EXPORTER_MAX_REQUESTS_PER_PROXY: max_requests_per_proxy: \
             found 0 (an integer), expected a whole number from 1 to 256",
        ]
    );
}

#[test]
fn an_unknown_key_says_what_may_have_been_meant() {
    let told = |extra: &str| mistakes_of(&format!("{SITE}{extra}")).join("\n");
    assert!(told("[user]\nlabel = \"off\"").contains("user: unknown key, expected \"users\""));
    assert!(told("[users]\nsesion_limit = 5").contains("expected \"session_limit\""));
    assert!(told("[users]\ncache_ttl = \"1s\"").contains("expected it at the top of the file"));
    assert!(told("[site.x]\nsession_limit = 5").contains("expected it in the section [users]"));
    assert!(
        told("[site.x]\nurl = \"https://x\"").contains("expected it in the section [site.NAME.proxy.NAME]")
    );
    assert!(told("[site.x]\nkey_password = \"s3cret\"").contains("expected \"key_password_file\""));
    assert!(!told("[site.x]\nkey_password = \"s3cret\"").contains("s3cret"));
}

#[test]
fn a_site_without_a_name_is_told_as_that() {
    let told = mistakes_of("[site]\nuser_id = \"x\"");
    assert_eq!(told, ["config.toml:2: site.user_id: found \"x\", expected a section [site.NAME]"]);
    assert!(mistakes_of("[site.\"\"]").join("\n").contains("site.\"\": expected a name"));
}

#[test]
fn what_is_not_built_yet_is_refused_as_that() {
    let told = mistakes_of(&format!("{SITE}\n[events]\nlisten_address = [\":9997\"]\n"));
    assert_eq!(
        told,
        ["config.toml:9: events: not yet available in this version, expected it to be left out"]
    );
    let told = Folder::new(SITE).mistakes(&[("SITE__PRODUCTION__EVENT_HOSTS", "[\"sense1\"]")]);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("site.production.event_hosts: not yet available"), "{told:?}");
}

#[test]
fn a_repository_is_read_although_it_may_not_be_available_yet() {
    let config = SITE.split("[site.production.proxy").next().unwrap().to_owned()
        + "repository = \"https://sense1\"\nrepository_refresh = \"1m\"\n[site.production.proxy.Central]\n";
    let folder = Folder::new(config);
    let file = file::read(&folder.sources(&[])).unwrap();
    let merged = Merged::new([Layer::file(&file.name, file.data)], file.lines);
    let mut reading = Reading {
        merged: &merged,
        folder: file.folder,
        working_directory: PathBuf::new(),
        mistakes: Mistakes::default(),
        warnings: Vec::new(),
    };
    let site = site::read(&mut reading, "production").unwrap();
    let repository = site.repository.unwrap();
    assert_eq!(repository.url.as_str(), "https://sense1:4242/");
    assert_eq!(repository.refresh, Duration::from_secs(60));
    assert_eq!(site.proxies[0].url, None);
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
    let flags = vec!["127.0.0.1:3".to_owned(), "[::1]:3".to_owned()];
    let config = load(&Sources { listen_addresses: flags, ..folder.sources(&variables) }).unwrap();
    assert_eq!((port(&config), config.listen_addresses.len()), (3, 2));
}

#[test]
fn a_mistake_in_a_flag_names_the_flag() {
    let folder = Folder::new(SITE);
    let sources = Sources { listen_addresses: vec!["9877".into()], ..folder.sources(&[]) };
    let told = load(&sources).unwrap_err().to_string();
    assert!(told.starts_with("--web.listen-address: listen_address[0]: found \"9877\""), "{told}");
}

#[test]
fn variables_alone_can_say_everything() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path().join("config.toml")).unwrap();
    assert_eq!(
        folder.mistakes(&[]),
        ["site: no site, expected a section [site.NAME] (no config.toml found; --config.file names one)"]
    );
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
fn a_variable_that_fits_two_sites_is_a_mistake() {
    let folder = Folder::new(format!("{SITE}{}", SITE.replace("production", "PRODUCTION")));
    assert_eq!(folder.load(&[]).sites.len(), 2);
    let told = folder.mistakes(&[("SITE__PRODUCTION__USER_ID", "x")]);
    assert_eq!(
        told,
        ["environment variable QLIK_SESSION_EXPORTER_SITE__PRODUCTION__USER_ID: fits both \
          site.PRODUCTION.user_id and site.production.user_id, expected a name that fits one: set it in the file"]
    );
}

#[test]
fn a_key_set_by_two_variables_is_a_mistake() {
    let told = Folder::new(SITE).mistakes(&[("CACHE_TTL", "1s"), ("cache_ttl", "2s")]);
    assert_eq!(
        told,
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
    sources.environment[0].1 = "../certs/root.pem".into();
    let told = load(&sources).unwrap_err().to_string();
    let missing = folder.path().join("../certs/root.pem");
    assert!(told.ends_with(&format!("there is no file {}", missing.display())), "{told}");
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
fn a_named_file_that_cannot_be_read_is_a_mistake() {
    let folder = Folder::new(SITE);
    let told = |name: &str| {
        let sources = Sources { file: Some(name.into()), ..folder.sources(&[]) };
        load(&sources).unwrap_err().to_string()
    };
    assert!(told("none.toml").starts_with("none.toml: there is no file "));
    assert!(told("certs").ends_with("is a folder, expected a file"));
}

#[test]
fn encodings_are_accepted_or_named() {
    Folder::new(format!("\u{feff}{}", SITE.replace('\n', "\r\n"))).load(&[]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for bytes in [utf16(&format!("\u{feff}{SITE}")), utf16(SITE)] {
        let told = Folder::new(bytes).mistakes(&[]);
        assert!(told[0].starts_with("config.toml: is UTF-16 (PowerShell's `>`"), "{told:?}");
    }
    let told = Folder::new(b"# fine\nx = \"M\xfcller\"\n").mistakes(&[]);
    assert_eq!(
        told,
        ["config.toml: is not UTF-8 from line 2 on, expected UTF-8: save it with that encoding"]
    );
}

#[test]
fn a_syntax_error_names_line_and_column() {
    let told = mistakes_of("cache_ttl = \"1s\"\nusers = {\nx ==\n");
    assert!(told[0].starts_with("config.toml:"), "{told:?}");
    let told = mistakes_of("cache_ttl = 10s\n");
    assert!(told[0].starts_with("config.toml:1: column 1"), "{told:?}");
    let told = mistakes_of("cache_ttl = \"1s\"\ncache_ttl = \"1s\"\n");
    assert!(told[0].starts_with("config.toml:2: column 1: duplicate key"), "{told:?}");
}

#[test]
fn a_windows_path_in_double_quotes_gets_advice() {
    for path in
        [r"C:\certs\client.pem", r"C:\temp\client.pem", r"C:\users\x", r"\\server\certs\x", r"D:\bin\x"]
    {
        let told = mistakes_of(&SITE.replace("certs/client.pem", path));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("config.toml:3: ") && told[0].contains("single quotes"), "{told:?}");
    }
    let told = mistakes_of(&SITE.replace("\"certs/client.pem\"", r"'C:\temp\client.pem'"));
    assert!(told.len() == 1 && told[0].contains("there is no file"), "{told:?}");
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named_with_their_file() {
    let told = |key: &str, name: &str| {
        let folder = Folder::new(SITE);
        folder.copy(key, name);
        folder.mistakes(&[]).join("\n")
    };
    let client_key = "certs/client_key.pem";
    assert_eq!(
        told("sec1-with-parameters.pem", client_key),
        "config.toml:4: site.production.key: the key does not belong to the certificate of \"CN=QlikClient\": \
         take both from one export of the management console"
    );
    let legacy = told("legacy-encrypted.pem", client_key);
    assert!(
        legacy.starts_with("config.toml:4: site.production.key: certs/client_key.pem is in the older PEM")
    );
    assert!(legacy.contains("`openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"), "{legacy}");
    assert_eq!(
        told("pkcs8-aes256.pem", client_key),
        "config.toml:4: site.production.key: certs/client_key.pem is encrypted, \
         expected its password in the file that key_password_file names"
    );
    assert!(
        told("certificate-and-key.pfx", "certs/client.pem").contains("certs/client.pem is a PKCS#12 store")
    );
    assert!(told("pkcs1-rsa.pem", "certs/root.pem").starts_with("config.toml:5: site.production.ca: "));
}

#[test]
fn an_encrypted_key_is_opened_by_its_password_file() {
    let folder = Folder::new(SITE.replace("ca =", "key_password_file = \"certs/password\"\nca ="));
    folder.copy("pkcs8-aes256.pem", "certs/client_key.pem");
    for password in ["Qlik-2026", "Qlik-2026\n", "Qlik-2026\r\n"] {
        folder.write("certs/password", password);
        assert_eq!(folder.load(&[]).warnings, [""; 0]);
    }
    folder.write("certs/password", "\u{feff}Qlik-2026");
    let told = folder.mistakes(&[]).join("\n");
    assert!(
        told.starts_with("config.toml:5: site.production.key_password_file: certs/password does not open")
    );
    assert!(told.ends_with("(the file begins with a byte order mark, which counts as part of the password)"));
    folder.copy("pkcs8-rsa.pem", "certs/client_key.pem");
    assert_eq!(
        folder.load(&[]).warnings,
        ["site.production.key_password_file: not needed, the key is not encrypted"]
    );
}

#[test]
fn an_expired_or_foreign_certificate_is_a_warning() {
    let folder = Folder::new(SITE);
    let issuer = |name: &str| {
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, name);
        (ca.not_before, ca.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2020, 6, 1));
        rcgen::CertifiedIssuer::self_signed(ca, rcgen::KeyPair::generate().unwrap()).unwrap()
    };
    let ca = issuer("site-CA");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut client = rcgen::CertificateParams::default();
    client.distinguished_name.push(rcgen::DnType::CommonName, "QlikClient");
    client.not_before = rcgen::date_time_ymd(2099, 2, 1);
    folder.write("certs/client.pem", client.signed_by(&key, &ca).unwrap().pem());
    folder.write("certs/client_key.pem", key.serialize_pem());
    folder.write("certs/root.pem", ca.pem());
    let early = "site.production.certificate: the client certificate of \"CN=QlikClient\" is not valid before 2099-02-01";
    let expired = "site.production.ca: the CA's certificate of \"CN=site-CA\" expired on 2020-06-01";
    assert_eq!(folder.load(&[]).warnings, [early, expired]);
    client.not_before = rcgen::date_time_ymd(2020, 2, 1);
    folder.write("certs/client.pem", client.signed_by(&key, &issuer("other-CA")).unwrap().pem());
    assert_eq!(
        folder.load(&[]).warnings,
        [
            expired,
            "site.production.certificate: the client certificate of \"CN=QlikClient\" by \"CN=other-CA\" \
             is not from the CA of this site"
        ]
    );
}

#[test]
fn without_any_check_of_servers_no_ca_is_needed() {
    let without_ca = SITE.replace("ca = \"certs/root.pem\"", "verify = \"ca\"");
    assert_eq!(
        mistakes_of(&without_ca),
        ["config.toml:2: site.production.ca: missing, expected the path of a file in quotes"]
    );
    Folder::new(without_ca.replace("\"ca\"", "\"none\"")).load(&[]);
}

#[test]
fn hashed_needs_a_key_that_is_not_empty_and_never_shown() {
    let folder = Folder::new(format!("[users]\nlabel = \"hashed\"\nhash_key_file = \"hash.key\"\n{SITE}"));
    folder.write("hash.key", "s3cret\r\n");
    let config = folder.load(&[]);
    let UserLabel::Hashed(key) = &config.users.label else { panic!() };
    assert_eq!(key.as_bytes(), b"s3cret");
    assert!(!format!("{config:?}").contains("s3cret") && format!("{config:?}").contains("HashKey(…)"));
    folder.write("hash.key", "\n");
    assert_eq!(
        folder.mistakes(&[]),
        ["config.toml:3: users.hash_key_file: hash.key is empty, expected a secret in it"]
    );
    let told = mistakes_of(&format!("[users]\nlabel = \"hashed\"\n{SITE}"));
    assert!(told[0].starts_with("config.toml:1: users.hash_key_file: missing"), "{told:?}");
}

#[test]
fn two_blocks_that_would_count_the_same_sessions_are_a_mistake() {
    let other = |virtual_proxies: &str| {
        format!(
            "{SITE}[site.production.proxy.Edge]\nurl = \"https://SENSE1.company.com:4243\"\n{virtual_proxies}"
        )
    };
    let told = mistakes_of(&other("virtual_proxies = [\"/\", \"/sales\"]"));
    assert_eq!(
        told,
        ["config.toml:9: site.production.proxy.Edge.url: https://sense1.company.com:4243 is asked for / \
          as proxy \"Central\" too: its sessions would count twice"]
    );
    Folder::new(other("virtual_proxies = [\"/sales\"]")).load(&[]);
}

#[test]
fn filters_that_leave_nothing_are_a_mistake_and_those_that_fit_nothing_a_warning() {
    let with = |filter: &str| SITE.replace("ca =", &format!("{filter}\nca ="));
    let told = mistakes_of(&with("virtual_proxies = [\"/sales\"]"));
    assert!(
        told.len() == 1 && told[0].starts_with("config.toml:2: site.production: nothing to ask"),
        "{told:?}"
    );
    let told = mistakes_of(&with("exclude_virtual_proxies = [\"*\"]"));
    assert!(
        told.len() == 1 && told[0].starts_with("config.toml:2: site.production: nothing to ask"),
        "{told:?}"
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
fn the_same_configuration_compares_equal() {
    let folder = Folder::new(SITE);
    assert_eq!(folder.load(&[]), folder.load(&[]));
    assert_ne!(folder.load(&[]), folder.load(&[("SITE__PRODUCTION__VERIFY", "ca")]));
}

mod example {
    use super::*;

    fn text() -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml")).unwrap()
    }

    /// The example with every shown default and example in force.
    fn uncommented() -> String {
        let is_setting = |line: &str| {
            let rest = line.strip_prefix('#')?;
            rest.starts_with(|c: char| c.is_ascii_lowercase()).then(|| rest.to_owned())
        };
        let lines: Vec<String> =
            text().lines().map(|line| is_setting(line).unwrap_or_else(|| line.to_owned())).collect();
        lines.join("\n")
    }

    #[test]
    fn reads_without_a_warning() {
        let plain = Folder::new(text()).load(&[]);
        assert_eq!(plain.warnings, [""; 0]);
        assert_eq!(plain, Folder::new(SITE.replace(".com\"", ".com:4243\"")).load(&[]));
    }

    #[test]
    fn reads_with_every_line_in_force_too() {
        let folder = Folder::new(uncommented());
        folder.write("certs/password", "Qlik-2026");
        folder.copy("pkcs8-aes256.pem", "certs/client_key.pem");
        folder.write("hash.key", "s3cret");
        assert_eq!(folder.load(&[]).warnings, [""; 0]);
    }

    #[test]
    fn shows_every_available_key_and_its_default() {
        let folder = Folder::new(uncommented());
        let file = file::read(&folder.sources(&[])).unwrap();
        let merged = Merged::new([Layer::file(&file.name, file.data)], file.lines);
        for key in keys::KEYS.iter().filter(|key| key.available) {
            let path = key.path.replacen('*', "production", 1).replacen('*', "Central", 1);
            let path: Vec<&str> = path.split('.').collect();
            let shown = merged.get(&path).unwrap_or_else(|| panic!("{} is missing", key.path));
            if let Some(default) = key.default.filter(|default| *default != "[]") {
                let default = environment::value(&key.kind, default);
                assert_eq!(format!("{shown:?}"), format!("{default:?}"), "{}", key.path);
            }
        }
    }
}
