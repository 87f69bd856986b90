//! A plain HTTP client for one server on loopback.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};
use url::Url;

use super::scrape::Scrape;

/// How long a request may take before the test gives up on it.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Server {
    url: Url,
    client: reqwest::Client,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Server {
    pub fn at(url: Url) -> Self {
        // Nothing here speaks TLS, but a client cannot be built without somebody who could.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        Self { url, client }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// `host:port` as it listens.
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.request(method, self.url.join(path).unwrap());
        for (name, value) in headers {
            request = request.header(HeaderName::from_bytes(name.as_bytes()).unwrap(), *value);
        }
        let mut response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.unwrap_or_else(|error| panic!("{path}: {error:?}")) {
            body.extend_from_slice(&piece);
        }
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[]).await
    }

    /// The text of a path that must answer 200.
    pub async fn text(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let answer = self.request(Method::GET, path, headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.text()
    }

    /// A scrape of this path, in the classic format.
    pub async fn scrape_path(&self, path: &str) -> Scrape {
        Scrape::classic(&self.text(path, &[]).await)
    }

    pub async fn scrape(&self) -> Scrape {
        self.scrape_path("/metrics").await
    }

    /// A scrape by a Prometheus that gives up after so many seconds.
    pub async fn scrape_within(&self, seconds: &str) -> Scrape {
        let headers = [("X-Prometheus-Scrape-Timeout-Seconds", seconds)];
        Scrape::classic(&self.text("/metrics", &headers).await)
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
