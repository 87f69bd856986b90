//! A folder with certificates and a configuration, and what `check` reports of it.

use std::fs;
use std::path::Path;

use qlik_sense_simulator::{Authority, CertificateSet, Leaf, Options, Simulator};
use qlik_session_exporter::commands::check::{self, CheckOutcome, CheckOutput, ReportStyle};
use qlik_session_exporter::config::{self, Sources};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::support::simulator::options;

/// A site's files: certificates of one authority, and its configuration.
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// With a server certificate for the loopback address.
    pub fn new() -> Self {
        Self::with_server(&Authority::new("site-CA").unwrap(), &Leaf::server(vec!["127.0.0.1".into()]))
    }

    pub fn with_server(authority: &Authority, server: &Leaf) -> Self {
        let set = CertificateSet::issued_by(authority, server).unwrap();
        let folder = tempfile::tempdir().unwrap();
        set.write(folder.path()).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn replace(&self, name: &str, content: &str) {
        fs::write(self.path().join(name), content).unwrap();
    }

    /// A site that runs with these certificates.
    pub async fn simulator(&self, change: impl FnOnce(&mut Options)) -> Simulator {
        let mut options = Options { nodes: 1, sessions: 0, users: 0, ..options(self.path()) };
        change(&mut options);
        qlik_sense_simulator::start(options).await.unwrap()
    }

    /// What `check` reports of the site with these settings; `top` stands before its section.
    pub async fn check(&self, top: &str, site: &str) -> Checked {
        let certificates = "certificate = \"client.pem\"\nkey = \"client_key.pem\"\nca = \"root.pem\"\n";
        self.check_file(&format!("{top}\n[site.production]\n{certificates}{site}")).await
    }

    /// What `check` reports of a site with one proxy service.
    pub async fn check_proxy(&self, url: &Url) -> Checked {
        self.check("request_timeout = \"20s\"", &proxy("Central", url)).await
    }

    pub async fn check_file(&self, text: &str) -> Checked {
        let path = self.path().join("checked.toml");
        fs::write(&path, text).unwrap();
        let sources = Sources { file: Some(path), ..Sources::default() };
        let mut out = Vec::new();
        let outcome =
            check::check(config::load(&sources), CheckOutput::Json, &mut out, ReportStyle::new(true, true))
                .await
                .unwrap();
        let json = String::from_utf8(out).unwrap();
        let found: Value = serde_json::from_str(&json).unwrap();
        let steps = found["steps"].as_array().unwrap().iter().map(Line::new).collect();
        let mut out = Vec::new();
        let again =
            check::check(config::load(&sources), CheckOutput::Text, &mut out, ReportStyle::new(false, true))
                .await
                .unwrap();
        assert_eq!(again, outcome);
        Checked { outcome, steps, json, text: String::from_utf8(out).unwrap() }
    }
}

/// The section of a proxy service.
pub fn proxy(name: &str, url: &Url) -> String {
    format!("[site.production.proxy.{name}]\nurl = \"{url}\"\n")
}

/// What a check reported.
pub struct Checked {
    pub outcome: CheckOutcome,
    pub steps: Vec<Line>,
    pub json: String,
    /// Of a second run.
    pub text: String,
}

/// One step.
#[derive(Debug)]
pub struct Line {
    pub step: String,
    pub target: String,
    pub status: String,
    pub message: String,
    pub advice: String,
    pub reason: String,
}

impl Line {
    fn new(step: &Value) -> Self {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        Self {
            step: text("step"),
            target: text("target"),
            status: text("status"),
            message: text("message"),
            advice: text("advice"),
            reason: text("reason"),
        }
    }
}

impl Checked {
    /// The only step that failed.
    #[track_caller]
    pub fn failure(&self) -> &Line {
        let failed: Vec<&Line> = self.steps.iter().filter(|line| line.status == "failed").collect();
        let [failed] = failed[..] else { panic!("{} steps failed:\n{}", failed.len(), self.text) };
        assert_eq!(self.outcome, CheckOutcome::Failed);
        let name = format!("{} {}", failed.step, failed.target);
        assert!(self.text.contains(&format!("✗ {}: ", name.trim_end())), "{}", self.text);
        failed
    }

    /// Asserts that one step failed for this reason, with all of these in its message and its advice.
    #[track_caller]
    pub fn assert_failed(&self, reason: &str, message: &[&str], advice: &[&str]) {
        let failure = self.failure();
        assert_eq!(failure.reason, reason, "{failure:?}");
        for part in message {
            assert!(failure.message.contains(part), "{part:?} is not in the message of {failure:#?}");
        }
        for part in advice {
            assert!(failure.advice.contains(part), "{part:?} is not in the advice of {failure:#?}");
        }
    }

    /// The steps of this kind, as `status target: message`.
    pub fn lines(&self, step: &str) -> Vec<String> {
        let of_kind = self.steps.iter().filter(|line| line.step == step);
        of_kind.map(|line| format!("{} {}: {}", line.status, line.target, line.message)).collect()
    }
}
