//! A site by flags, without a configuration file.

use std::path::Path;

use serde_json::Value;

use crate::support::exporter::command;
use crate::support::program::{Ended, Program};
use crate::support::site::Site;

/// Flags for this site, with paths relative to the folder of its certificates.
fn flags(site: &Site) -> Vec<String> {
    let repository = site.url("qrs").to_string();
    let flags = ["--repository", &repository, "--certificate", "client.pem", "--key", "client_key.pem"];
    flags.into_iter().chain(["--ca", "root.pem"]).map(str::to_owned).collect()
}

async fn run(args: &[&str], flags: &[String], environment: &[(&str, &str)], folder: &Path) -> Ended {
    let args: Vec<&str> = args.iter().copied().chain(flags.iter().map(String::as_str)).collect();
    Program::start(&mut command(&args, environment, folder)).ended().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_listed_and_checked_by_its_repositorys_address() {
    let site = Site::busy(2, &["", "sales"], 50, 10).await;
    let certificates = site.certificates();
    // What lies there is not read.
    std::fs::write(certificates.join("config.toml"), "nonsense").unwrap();

    let ended = run(&["sessions", "list", "--output", "json"], &flags(&site), &[], &certificates).await;
    assert_eq!((ended.status.code(), &ended.stderr), (Some(0), &vec![]));
    let rows: Vec<Value> = serde_json::from_str(&ended.stdout.join("\n")).unwrap();
    assert_eq!(rows.len(), 53);
    assert!(rows.iter().all(|row| row["site"] == "127.0.0.1"), "named after the host");

    let ended = run(&["check"], &flags(&site), &[], &certificates).await;
    assert_eq!((ended.status.code(), &ended.stderr), (Some(0), &vec![]), "{:?}", ended.stdout);
    assert_eq!(ended.stdout[0], "✓ configuration flags: no file, 1 site");
    assert!(ended.stdout.contains(&"site 127.0.0.1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_sessions_end_on_a_site_by_flags() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(1, "", ("LAB", "bob"), 1);
    let args = ["sessions", "delete", "--user", r"LAB\anna", "--yes"];
    let ended = run(&args, &flags(&site), &[], &site.certificates()).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(site.simulator.sessions(1, "").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_say_what_is_no_sites() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    let folder = site.certificates();
    let set = |name, value| [(name, value)];
    let list = ["sessions", "list"];

    let limit = set("QLIK_SESSION_EXPORTER_USERS__SESSION_LIMIT", "2");
    let ended = run(&list, &flags(&site), &limit, &folder).await;
    assert!(ended.stdout.iter().any(|line| line.contains(r"LAB\anna *")), "{ended:?}");

    let wrong = set("QLIK_SESSION_EXPORTER_REQUEST_TIMEOUT", "soon");
    let ended = run(&list, &flags(&site), &wrong, &folder).await;
    assert_eq!((ended.status.code(), ended.stdout), (Some(2), vec![]));
    assert!(ended.stderr[0].contains("QLIK_SESSION_EXPORTER_REQUEST_TIMEOUT"), "{:?}", ended.stderr);

    let other = set("QLIK_SESSION_EXPORTER_SITE__PRODUCTION__USER_ID", "x");
    let ended = run(&list, &flags(&site), &other, &folder).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr[0].contains("is not used: the site is given by flags"), "{:?}", ended.stderr);
}

#[tokio::test]
async fn mistakes_name_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let good =
        ["--repository", "https://sense1", "--certificate", "empty", "--key", "empty", "--ca", "empty"];
    for (change, told) in [
        (&["--repository", "sense1:x"][..], "--repository: found"),
        (&["--certificate", "none.pem"], "--certificate: there is no file"),
        (&["--key", "none.pem"], "--key: there is no file"),
        (&["--ca", "none.pem"], "--ca: there is no file"),
        (&["--verify", "maybe"], "--verify: found \"maybe\", expected one of \"full\", \"ca\", \"none\""),
        (&["--key-password-file", "none"], "--key-password-file: there is no file"),
        (&["--user-id", " "], "--user-id: found"),
    ] {
        let mut flags: Vec<String> = good.map(str::to_owned).into();
        match flags.iter().position(|flag| flag == change[0]) {
            Some(place) => flags[place + 1] = change[1].to_owned(),
            None => flags.extend(change.iter().map(|flag| (*flag).to_owned())),
        }
        for command in [&["sessions", "list"][..], &["check"]] {
            let ended = run(command, &flags, &[], folder.path()).await;
            assert_eq!(ended.status.code(), Some(2), "{change:?}");
            let lines = [ended.stdout, ended.stderr].concat();
            assert!(lines.iter().any(|line| line.contains(told)), "{told}: {lines:?}");
            assert!(!lines.iter().any(|line| line.contains("site.sense1")), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_site_is_given_by_a_file_or_by_flags() {
    let folder = tempfile::tempdir().unwrap();
    let all = ["--repository", "https://sense1", "--certificate", "c", "--key", "k"].map(str::to_owned);
    let mixed: Vec<String> = all.iter().cloned().chain(["--config.file".into(), "x.toml".into()]).collect();
    for (flags, told) in [
        (&mixed[..], "--config.file and --repository exclude each other"),
        (&all[2..], "--repository"),
        (&all[..2], "--certificate"),
        (&all[..4], "--key"),
    ] {
        for command in [&["sessions", "list"][..], &["check"], &["sessions", "delete", "--user", r"a\b"]] {
            let ended = run(command, flags, &[], folder.path()).await;
            assert_eq!((ended.status.code(), ended.stdout), (Some(2), vec![]), "{flags:?}");
            assert!(ended.stderr.join("\n").contains(told), "{told}: {:?}", ended.stderr);
        }
    }
    // The CA may lack only where no server is checked.
    let ended = run(&["sessions", "list"], &all, &[], folder.path()).await;
    assert!(ended.stderr.iter().any(|line| line.starts_with("--ca: missing")), "{:?}", ended.stderr);
}
