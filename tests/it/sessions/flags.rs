//! A site by flags, without a configuration file.

use std::path::Path;

use super::commands::rows;
use crate::support::exporter::command;
use crate::support::program::{Ended, Program};
use crate::support::project;
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
    ended.assert().code(0).stderr_is_empty();
    let rows = rows(&ended);
    assert_eq!(rows.len(), 53);
    assert!(rows.iter().all(|row| row["site"] == "127.0.0.1"), "named after the host");

    run(&["check"], &flags(&site), &[], &certificates)
        .await
        .assert()
        .code(0)
        .stderr_is_empty()
        .stdout_starts_with("✓ configuration flags: no file, 1 site\n")
        .stdout_has_line("site 127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_sessions_end_on_a_site_by_flags() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(1, "", ("LAB", "bob"), 1);
    let args = ["sessions", "delete", "--user", r"LAB\anna", "--yes"];
    run(&args, &flags(&site), &[], &site.certificates()).await.assert().code(0);
    assert_eq!(site.simulator.sessions(1, "").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_configure_everything_but_the_site() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    let folder = site.certificates();
    let set = |name, value| [(name, value)];
    let list = ["sessions", "list"];

    let limit = set("QLIK_SESSION_EXPORTER_USERS__SESSION_LIMIT", "2");
    run(&list, &flags(&site), &limit, &folder).await.assert().stdout_contains(r"LAB\anna *");

    let wrong = set("QLIK_SESSION_EXPORTER_REQUEST_TIMEOUT", "soon");
    run(&list, &flags(&site), &wrong, &folder)
        .await
        .assert()
        .code(2)
        .stdout_is_empty()
        .stderr_contains("QLIK_SESSION_EXPORTER_REQUEST_TIMEOUT");

    let other = set("QLIK_SESSION_EXPORTER_SITE__PRODUCTION__USER_ID", "x");
    run(&list, &flags(&site), &other, &folder)
        .await
        .assert()
        .code(0)
        .stderr_contains("is not used: the site is given by flags");
}

#[tokio::test]
async fn errors_name_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let good =
        ["--repository", "https://sense1", "--certificate", "empty", "--key", "empty", "--ca", "empty"];
    for (change, reported) in [
        (&["--repository", "sense1:x"][..], "--repository: found"),
        (&["--certificate", "none.pem"], "--certificate: there is no file"),
        (&["--key", "none.pem"], "--key: there is no file"),
        (&["--ca", "none.pem"], "--ca: there is no file"),
        (&["--verify", "maybe"], "--verify: found \"maybe\", expected one of full, ca, none"),
        (&["--key-password-file", "none"], "--key-password-file: there is no file"),
        (&["--user-id", ""], "--user-id: found \"\", expected a string, not an empty one"),
    ] {
        let mut flags: Vec<String> = good.map(str::to_owned).into();
        match flags.iter().position(|flag| flag == change[0]) {
            Some(place) => flags[place + 1] = change[1].to_owned(),
            None => flags.extend(change.iter().map(|flag| (*flag).to_owned())),
        }
        for command in [&["sessions", "list"][..], &["check"]] {
            let ended = run(command, &flags, &[], folder.path()).await;
            ended.assert().code(2);
            let lines = ended.lines();
            assert!(lines.iter().any(|line| line.contains(reported)), "{reported}: {lines:?}");
            assert!(!lines.iter().any(|line| line.contains("site.sense1")), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn all_missing_flags_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = "expected the path of a file";
    let [certificate, key, ca] = ["--certificate", "--key", "--ca"].map(|flag| (flag, path));
    let repository = ("--repository", "expected an address such as https://sense1.company.com:4242: ");
    for (flags, missing) in [
        (&["--repository", "https://sense1"][..], &[certificate, key, ca][..]),
        (&["--user-id", "anna"], &[repository, certificate, key, ca]),
        // No CA is needed where no server is checked.
        (&["--verify", "none", "--repository", "https://sense1"], &[certificate, key]),
    ] {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        for command in [&["sessions", "list"][..], &["check"], &["sessions", "delete", "--user", r"a\b"]] {
            let ended = run(command, &flags, &[], folder.path()).await;
            ended.assert().code(2);
            let lines = ended.lines();
            let reported: Vec<_> = lines.iter().filter(|line| line.contains(": missing, ")).collect();
            assert_eq!(reported.len(), missing.len(), "{lines:#?}");
            for (flag, expected) in missing {
                let reported =
                    reported.iter().find(|line| line.contains(&format!("{flag}: missing, {expected}")));
                assert!(reported.is_some(), "{flag}: {lines:#?}");
            }
        }
    }
}

#[tokio::test]
async fn a_site_is_given_by_a_file_or_by_flags() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, reported) in [
        (&["--user-id", "foo"][..], "--config.file and --user-id cannot be combined"),
        (
            &["--repository", "https://sense1", "--certificate", "c", "--key", "k"],
            "--config.file and --repository, --certificate, --key cannot be combined",
        ),
    ] {
        let flags: Vec<String> =
            flags.iter().chain(&["--config.file", "x.toml"]).map(|flag| (*flag).to_owned()).collect();
        for command in [&["sessions", "list"][..], &["check"], &["sessions", "delete", "--user", r"a\b"]] {
            let ended = run(command, &flags, &[], folder.path()).await;
            ended.assert().code(2).stdout_is_empty();
            let [line] = &ended.stderr[..] else { panic!("{:?}", ended.stderr) };
            assert!(line.starts_with(&format!("error: {reported}: ")), "{line}");
        }
    }
}

#[tokio::test]
async fn without_a_site_the_advice_names_the_flags_where_they_exist() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--repository, --certificate, --key and --ca";
    for (command, has_them) in [(&["sessions", "list"][..], true), (&["check"], true), (&["serve"], false)] {
        let ended = run(command, &[], &[], folder.path()).await;
        ended.assert().code(2);
        let lines = ended.lines();
        let line = lines.iter().find(|line| line.contains("no config.toml found")).unwrap();
        assert_eq!(line.contains(flags), has_them, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_names_settings_as_flags() {
    let site = Site::empty(1, &[""]).await;
    let folder = site.certificates();
    let encrypted = project::path("crates/qlik-sense/tests/keys/pkcs8-aes256.pem");
    for (flag, value, reported) in [
        (
            "--key",
            encrypted.to_str().unwrap(),
            "expected its password in the file that --key-password-file names",
        ),
        // Names below .invalid are known nowhere (RFC 6761).
        (
            "--repository",
            "https://sense1.invalid:4242",
            "with --verify ca unless the certificate contains it",
        ),
    ] {
        let mut flags = flags(&site);
        let place = flags.iter().position(|given| given == flag).unwrap();
        flags[place + 1] = value.to_owned();
        run(&["sessions", "list"], &flags, &[], &folder).await.assert().stderr_contains(reported);
    }
}
