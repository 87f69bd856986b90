//! Debian's Prometheus, and its own word on what it scraped.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http::Server;
use super::program::Program;
use super::scrape::Labels;
use super::wait::becomes;

pub struct Prometheus {
    _program: Program,
    server: Server,
    /// Its configuration and storage, gone when it goes.
    _folder: TempDir,
}

/// What became of a start.
enum Start {
    Ready,
    PortTaken,
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
    ///
    /// Asked for port 0 it does not tell which one it got. So the system names a free one first; should
    /// somebody else take that in between, another is tried.
    pub async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        for _ in 0..10 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let mut program = Program::start(
                Command::new("prometheus")
                    .arg(format!("--config.file={}", file.display()))
                    .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                    .arg(format!("--web.listen-address={address}")),
            );
            let start = program.printed("Prometheus is ready", |line| match line {
                _ if line.contains("Server is ready to receive web requests") => Some(Start::Ready),
                _ if line.contains("address already in use") => Some(Start::PortTaken),
                _ => None,
            });
            if let Start::Ready = start.await {
                let server = Server::at(format!("http://{address}/").parse().unwrap());
                return Self { _program: program, server, _folder: folder };
            }
        }
        panic!("no free port for Prometheus in ten tries");
    }

    /// An instant query: each series' labels, without its name, `instance` and `job`, and its value.
    pub async fn query(&self, expression: &str) -> BTreeMap<Labels, f64> {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let answer: Value =
            serde_json::from_slice(&self.server.get(&format!("/api/v1/query?{query}")).await.body).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        series.iter().map(|one| (labels_of(&one["metric"]), value_of(&one["value"][1]))).collect()
    }

    /// Waits until an instant query has exactly this result.
    pub async fn says(&self, expression: &str, expected: BTreeMap<Labels, f64>) {
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
