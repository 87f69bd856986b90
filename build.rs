//! What `qlik_session_exporter_build_info` says of the build.
#![allow(clippy::disallowed_methods, reason = "a build script's input is its environment")]

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(Command::new(rustc).arg("--version"));
    let version = version.as_deref().and_then(|text| text.split_whitespace().nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=BUILD_RUSTC_VERSION={version}");

    // A packager without git says the revision in this variable.
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    let revision = env::var("BUILD_REVISION").ok();
    let revision = revision.or_else(|| output(Command::new("git").args(["rev-parse", "--short=12", "HEAD"])));
    println!("cargo::rustc-env=BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
