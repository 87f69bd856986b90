//! Grafana's own types read the dashboards, of three versions: PyPI's grafana-foundation-sdk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::shipped::DASHBOARDS;
use crate::support::project::path;

/// Versions of Grafana; `sdk/requirements-VERSION.txt` names the SDK with its types.
const VERSIONS: [&str; 3] = ["10", "11", "12"];

fn of_the_sdk(file: &str) -> PathBuf {
    path("tests/slow/monitoring/sdk").join(file)
}

/// Runs a program to its end: what it printed.
fn run(command: &mut Command, advice: &str) -> String {
    let ended = command.output().unwrap_or_else(|error| panic!("{advice}\n{command:?}: {error}"));
    let [stdout, stderr] = [&ended.stdout, &ended.stderr].map(|output| String::from_utf8_lossy(output));
    assert!(ended.status.success(), "{advice}\n{command:?}: {}\n{stdout}{stderr}", ended.status);
    stdout.into_owned()
}

/// The folder of the SDK for this version of Grafana, installed there once.
fn installed(version: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grafana-sdk");
    let (pip, packages) = (folder.join("python"), folder.join(version));
    let requirements = of_the_sdk(&format!("requirements-{version}.txt"));
    let (wanted, done) = (fs::read(&requirements).unwrap(), packages.join("requirements.txt"));
    if fs::read(&done).is_ok_and(|done| done == wanted) {
        return packages;
    }
    run(
        Command::new("python3").args(["-m", "venv"]).arg(&pip),
        "It needs Python 3.11 or newer with its module venv, in Debian python3-venv; tests/run installs it.",
    );
    let _ = fs::remove_dir_all(&packages);
    run(
        Command::new(pip.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--target")
            .arg(&packages),
        "The first run takes the SDK from PyPI, so it needs the network (or a package index that pip is configured with).",
    );
    fs::write(done, wanted).unwrap();
    packages
}

/// What is lost when the SDK of this version reads these dashboards and writes them again.
fn lost(version: &str, dashboards: &[PathBuf]) -> String {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", installed(version)).arg(of_the_sdk("round_trip.py")).args(dashboards);
    run(&mut python, "It is tests/slow/monitoring/sdk/round_trip.py.")
}

// One test, because nextest gives each a process of its own, and they would install at once.
#[test]
fn grafanas_types_read_and_write_every_dashboard_without_losing_a_member() {
    let dashboards = DASHBOARDS.map(|name| path(format!("grafana/dashboards/{name}.json")));
    let folder = tempfile::tempdir().unwrap();
    let unknown = folder.path().join("unknown.json");
    let text = fs::read_to_string(&dashboards[0]).unwrap();
    fs::write(&unknown, text.replacen("\"showHeader\"", "\"showHeaders\"", 1)).unwrap();
    for version in VERSIONS {
        assert_eq!(lost(version, &dashboards), "", "with the types of Grafana {version}");
        let reported = lost(version, std::slice::from_ref(&unknown));
        assert!(
            reported.trim_end().ends_with(".options.showHeaders is lost") && reported.lines().count() == 1,
            "{reported}"
        );
    }
}
