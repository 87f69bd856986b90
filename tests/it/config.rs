//! Configuration files, as the binary reads them.
//!
//! `tests/config/good` and `tests/config/bad` have files that are named after what is right or wrong in them.
//! Beside a bad one stands `NAME.error`: the lines on standard error without `error: `, with `FOLDER` for the
//! folder's path. Beside a good one with warnings stands `NAME.warning`. A new file needs no code: the test
//! fails and shows the lines that belong beside it.
//!
//! Paths in these files start from their own folder, so each can be tried by hand:
//! `cd tests/config/bad && cargo run -- --config.check --config.file NAME.toml`.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::exporter::{Exporter, command, run_with_config};
use crate::support::program::{Ended, Program};
use crate::support::project;
use crate::support::site::{Site, TRUSTED};

/// A configuration file of one of the two folders.
struct Case {
    file: PathBuf,
    /// The file beside it, which need not exist.
    beside: PathBuf,
}

impl Case {
    /// All cases of a folder; `extension` is that of the files beside them.
    fn all(folder: &str, extension: &str) -> Vec<Self> {
        let folder = project::path("tests/config").join(folder);
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut configs: Vec<_> = files.filter(|file| file.extension() == Some(OsStr::new("toml"))).collect();
        configs.sort();
        configs.into_iter().map(|file| Self { beside: file.with_extension(extension), file }).collect()
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap()
    }

    async fn check(&self) -> Ended {
        let name = self.file.file_name().unwrap().to_str().unwrap();
        let args = ["serve", "--config.check", "--log.format", "json", "--config.file", name];
        Program::start(&mut command(&args, &[], self.folder())).ended().await
    }

    /// What differs between the lines that were printed and the file beside the configuration.
    fn difference(&self, printed: &[String]) -> Option<String> {
        let expected = fs::read_to_string(&self.beside).unwrap_or_default();
        let same = printed.iter().map(String::as_str).eq(expected.lines());
        let beside = self.beside.file_name().unwrap().display();
        (!same).then(|| format!("{beside} should hold exactly these lines:\n{}\n", printed.join("\n")))
    }

    /// The lines of errors, as they stand in the file beside the configuration.
    fn errors(&self, ended: &Ended) -> Vec<String> {
        let folder = format!("{}{}", self.folder().display(), std::path::MAIN_SEPARATOR);
        let line = |line: &String| match line.strip_prefix("error: ") {
            Some(error) => error.replace(&folder, "FOLDER/"),
            None => panic!("{line} in {ended:?}"),
        };
        ended.stderr.iter().map(line).collect()
    }
}

fn warnings(ended: &Ended) -> Vec<String> {
    let message = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {ended:?}"));
        assert_eq!(line["level"], "WARN", "{ended:?}");
        line["warning"].as_str().unwrap().to_owned()
    };
    ended.stderr.iter().map(message).collect()
}

#[tokio::test]
async fn bad_files_are_refused_with_the_errors_beside_them() {
    let mut differences = Vec::new();
    for case in Case::all("bad", "error") {
        let ended = case.check().await;
        ended.assert().code(2).stdout_is_empty();
        assert!(!ended.stderr.is_empty(), "{ended:?}");
        differences.extend(case.difference(&case.errors(&ended)));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn good_files_are_accepted_with_the_warnings_beside_them() {
    let mut differences = Vec::new();
    for case in Case::all("good", "warning") {
        let ended = case.check().await;
        ended.assert().code(0);
        differences.extend(case.difference(&warnings(&ended)));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn every_file_beside_a_configuration_belongs_to_one() {
    for (folder, extension) in [("bad", "error"), ("good", "warning")] {
        let cases = Case::all(folder, extension);
        let beside = fs::read_dir(cases[0].folder()).unwrap().map(|entry| entry.unwrap().path());
        for file in beside.filter(|file| file.extension() == Some(OsStr::new(extension))) {
            assert!(cases.iter().any(|case| case.beside == file), "{}", file.display());
        }
    }
}

#[tokio::test]
async fn a_named_file_that_does_not_exist_is_an_error() {
    let ended = run_with_config("", &["--config.file", "nowhere.toml"]).await;
    ended.assert().code(2).stdout_is_empty().stderr_starts_with("error: nowhere.toml: there is no file ");
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_queries_nothing() {
    let site = Site::empty(1, &[""]).await;
    let config = fs::read_to_string(site.config("")).unwrap();

    run_with_config(&config, &["--config.check"]).await.assert().code(0);

    assert_eq!(site.queries(), site.queried(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_with_a_bad_file_reports_every_error_and_starts_nothing() {
    let site = Site::empty(1, &[""]).await;
    let settings = "cache_tll = \"10s\"\nrequest_timeout = \"soon\"\n[users]\nlabel = \"secret\"";
    let site_settings = TRUSTED.replace("root.pem", "nowhere.pem") + "verify = \"maybe\"";
    let config = fs::read_to_string(site.config_with(settings, &site_settings)).unwrap();

    let ended = run_with_config(config, &[]).await;

    let assert = ended.assert().code(2).stdout_is_empty().stderr_lines_with(5, &["error: config.toml:"]);
    for key in ["cache_tll", "request_timeout", "users.label", "site.simulated.ca", "site.simulated.verify"] {
        assert.stderr_lines_with(1, &[key]);
    }
    assert_eq!(site.queries(), site.queried(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_reported_with_exit_code_1() {
    let site = Site::empty(1, &[""]).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = fs::read_to_string(site.config("")).unwrap();

    let free_then_taken = ["--web.listen-address", "127.0.0.1:0", "--web.listen-address", &address];
    let ended = run_with_config(config, &free_then_taken).await;

    ended.assert().code(1).stdout_is_empty().stderr_lines_with(1, &[&address]);
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
