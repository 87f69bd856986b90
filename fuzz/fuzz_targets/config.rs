//! Any configuration file with any variables beside it: read or refused, never more than that.
//!
//! Input: the file's bytes; after a zero byte each, variables as `NAME=VALUE`, without the common prefix
//! unless they begin with `=`, then as they are.

#![no_main]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qlik_session_exporter::config::{self, Sources};

/// Holds the files that a configuration may name.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/qlik-sense/tests/keys");
    // Beside what was built, so that it goes with it.
    let name = format!("target/config-{}", std::process::id());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::create_dir_all(folder.join("certs")).unwrap();
    for (from, to) in [
        ("certificate-ec.pem", "certs/client.pem"),
        ("sec1-with-parameters.pem", "certs/client_key.pem"),
        ("certificate-ec.pem", "certs/root.pem"),
        ("certificate-rsa.pem", "certs/other.pem"),
        ("certificate-and-key.pfx", "certs/store.pfx"),
    ] {
        std::fs::copy(keys.join(from), folder.join(to)).unwrap();
    }
    std::fs::write(folder.join("hash.key"), "key").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    // A pipe into which nobody writes.
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    folder
});

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let environment = parts.map(|variable| {
        let variable = String::from_utf8_lossy(variable);
        let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
        match value.split_once('=') {
            Some((name, value)) if variable.starts_with('=') => (name.to_owned(), value.to_owned()),
            _ => (format!("QLIK_SESSION_EXPORTER_{name}"), value.to_owned()),
        }
    });
    std::fs::write(FOLDER.join("config.toml"), file).unwrap();
    let sources = Sources {
        environment: environment.collect(),
        working_directory: FOLDER.clone(),
        ..Sources::default()
    };
    match (config::load(&sources), config::load(&sources)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first, second);
            first.warnings.iter().for_each(|warning| one_line(warning));
            assert!(!first.listen_addresses.is_empty() && !first.sites.is_empty());
            for site in &first.sites {
                one_line(&site.name);
                assert!(site.repository.is_some() || !site.proxies.is_empty());
            }
        }
        (Err(first), Err(second)) => {
            assert_eq!(first, second);
            assert!(!first.is_empty());
            first.iter().for_each(|error| one_line(&error.to_string()));
            assert_eq!(first.to_string().lines().count(), first.iter().count());
        }
        (first, second) => panic!("{first:?}, and then {second:?}"),
    }
});

fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
