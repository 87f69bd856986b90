//! Debian's Prometheus, and what it scraped.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::free_port::on_a_free_port;
use crate::support::http::Server;
use crate::support::program::Program;
use crate::support::scrape::Labels;
use crate::support::wait::becomes;

pub struct Prometheus {
    _program: Program,
    pub server: Server,
    /// Its configuration and storage, gone when it goes.
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it with one job named `test` that scrapes this address every second.
    pub async fn scraping(authority: &str) -> Self {
        Self::start(&format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: ['{authority}']}}]}}]\n"
        ))
        .await
    }

    /// Starts it with this configuration and waits until it is ready.
    pub async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        Self::start_in(folder).await
    }

    /// The same with `prometheus.yml` of this folder; what that names by a relative path is in there, too.
    pub async fn start_in(folder: TempDir) -> Self {
        let (program, server) = on_a_free_port("Server is ready to receive web requests", |address| {
            let mut command = Command::new("prometheus");
            command
                .current_dir(folder.path())
                .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
                .arg(format!("--web.listen-address={address}"));
            command
        })
        .await;
        Self { _program: program, server, _folder: folder }
    }

    /// An instant query: each series' labels, without its name, `instance` and `job`, and its value.
    pub async fn query(&self, expression: &str) -> BTreeMap<Labels, f64> {
        let series = self.api_query("query", &[("query", expression)]).await;
        series.iter().map(|one| (labels_of(&one["metric"]), value_of(&one["value"][1]))).collect()
    }

    /// What it answers to a query of this kind: series, as it writes them. Panics when it is refused.
    pub async fn api_query(&self, kind: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut answer: Value =
            serde_json::from_slice(&self.server.get(&format!("/api/v1/{kind}?{query}")).await.body).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        serde_json::from_value(answer["data"]["result"].take()).unwrap()
    }

    /// Asserts that an instant query comes to have exactly this result.
    pub async fn assert_becomes(&self, expression: &str, expected: BTreeMap<Labels, f64>) {
        becomes(expected, expression, async || self.query(expression).await).await;
    }
}

fn labels_of(metric: &Value) -> Labels {
    let own = |label: &str| !matches!(label, "__name__" | "instance" | "job");
    let all = metric.as_object().unwrap().iter();
    all.filter(|(label, _)| own(label))
        .map(|(label, v)| (label.clone(), v.as_str().unwrap().to_owned()))
        .collect()
}

fn value_of(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}
