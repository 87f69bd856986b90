//! A simulated Qlik site in the test's own process, and the exporter's configuration for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use qlik_sense_simulator::{CertificateSet, Options, Simulator};
use tempfile::TempDir;
use url::Url;

use super::exporter::{Exporter, LIFECYCLE};
use super::simulator::{options, session, url_of};

/// The site's name in every configuration made here.
pub const SITE: &str = "simulated";

/// A pair that is queried: a node, counted from 1, and a virtual proxy's prefix.
pub type Pair = (usize, &'static str);

pub struct Site {
    pub simulator: Simulator,
    nodes: usize,
    prefixes: &'static [&'static str],
    /// Sessions opened by the test, for ids that never come twice.
    opened: AtomicUsize,
    /// Certificates and configurations, gone when the site goes.
    folder: TempDir,
}

impl Site {
    /// A site without sessions: what is open is what the test opens.
    pub async fn empty(nodes: u16, prefixes: &'static [&'static str]) -> Self {
        Self::with(nodes, prefixes, |_| ()).await
    }

    /// A site with sessions that stay as they are, always the same ones, some of them anonymous.
    pub async fn busy(nodes: u16, prefixes: &'static [&'static str], sessions: usize, users: usize) -> Self {
        let site = Self::with(nodes, prefixes, |options| {
            options.sessions = sessions;
            options.users = users;
        })
        .await;
        for visitor in 0..3 {
            site.open(1, prefixes[0], ("NONE", &format!("anonymous{visitor}-9d5d7900")), 1);
        }
        site
    }

    /// A site without sessions, with other options than usual.
    pub async fn with(
        nodes: u16,
        prefixes: &'static [&'static str],
        change: impl FnOnce(&mut Options),
    ) -> Self {
        Self::start(tempfile::tempdir().unwrap(), nodes, prefixes, change).await
    }

    /// A site without sessions, with these certificates instead of ones of its own.
    pub async fn certified(set: &CertificateSet, nodes: u16, prefixes: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        set.write(&folder.path().join("certs")).unwrap();
        Self::start(folder, nodes, prefixes, |_| ()).await
    }

    async fn start(
        folder: TempDir,
        nodes: u16,
        prefixes: &'static [&'static str],
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let mut options = Options {
            nodes,
            virtual_proxies: prefixes.iter().map(ToString::to_string).collect(),
            sessions: 0,
            users: 0,
            latency: Duration::ZERO,
            seed: 1,
            ..options(&folder.path().join("certs"))
        };
        change(&mut options);
        let simulator = qlik_sense_simulator::start(options).await.unwrap();
        Self { simulator, nodes: nodes.into(), prefixes, opened: AtomicUsize::new(0), folder }
    }

    /// Opens so many sessions of one user, each with an id of its own that is the same in every run.
    pub fn open(&self, node: usize, prefix: &str, user: (&str, &str), count: usize) {
        for _ in 0..count {
            let number = self.opened.fetch_add(1, Ordering::Relaxed);
            let session = session(user, &format!("opened-{number}"));
            self.simulator.open_session(node, prefix, session);
        }
    }

    pub fn pairs(&self) -> Vec<Pair> {
        (1..=self.nodes).flat_map(|node| self.prefixes.iter().map(move |prefix| (node, *prefix))).collect()
    }

    /// How often each pair was queried for its sessions.
    pub fn queries(&self) -> BTreeMap<Pair, u64> {
        self.pairs().into_iter().map(|pair| (pair, self.simulator.list_queries(pair.0, pair.1))).collect()
    }

    /// What [`Site::queries`] returns when each pair was queried so many times.
    pub fn queried(&self, times: u64) -> BTreeMap<Pair, u64> {
        self.pairs().into_iter().map(|pair| (pair, times)).collect()
    }

    pub fn url(&self, listener: &str) -> Url {
        url_of(&self.simulator, listener)
    }

    pub fn certificates(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// A configuration file for this site: `settings`, then the site with each node as a proxy service
    /// of its own name. With `{certs}` for the folder of certificates, `site_settings` come into the site's table.
    pub fn config_with(&self, settings: &str, site_settings: &str) -> PathBuf {
        let mut text = format!("{settings}\n[site.{SITE}]\n{site_settings}\n");
        for node in 1..=self.nodes {
            text += &proxy_block(&proxy(node), &self.url(&format!("qps-{node}")), self.prefixes);
        }
        self.write_config(&text)
    }

    /// A configuration file with exactly this text, but for `{certs}`; it takes the place of the one before.
    pub fn write_config(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        fs::write(&path, self.with_certs(text)).unwrap();
        path
    }

    /// A configuration file for this site that names the repository alone: `settings`, then the site, then
    /// `site_settings` in its table.
    pub fn discovery_config(&self, settings: &str, site_settings: &str) -> PathBuf {
        self.write_config(&format!("{settings}\n{}{site_settings}\n", self.discovered(SITE)))
    }

    /// The beginning of this site's table, under any name, with the repository and the certificates.
    pub fn discovered(&self, name: &str) -> String {
        let repository = self.url("qrs");
        self.with_certs(&format!("[site.{name}]\nrepository = \"{repository}\"{TRUSTED}"))
    }

    /// An exporter that knows the repository of this site only, see [`Site::discovery_config`].
    pub async fn discovering(&self, settings: &str, site_settings: &str) -> Exporter {
        Exporter::with_config(&self.discovery_config(settings, site_settings), LIFECYCLE).await
    }

    pub fn config(&self, settings: &str) -> PathBuf {
        self.config_with(settings, TRUSTED)
    }

    /// An exporter for this site with these settings.
    pub async fn exporter(&self, settings: &str) -> Exporter {
        self.exporter_with(settings, TRUSTED).await
    }

    /// The same with other settings for the site, see [`Site::config_with`].
    pub async fn exporter_with(&self, settings: &str, site_settings: &str) -> Exporter {
        Exporter::with_config(&self.config_with(settings, site_settings), &[]).await
    }

    /// The same with one more proxy service, queried for its default virtual proxy.
    pub async fn exporter_beside(&self, settings: &str, name: &str, url: &Url) -> Exporter {
        self.exporter_with(settings, &(TRUSTED.to_owned() + &proxy_block(name, url, &[""]))).await
    }

    /// With the folder of the certificates instead of `{certs}`.
    fn with_certs(&self, text: &str) -> String {
        // Forward slashes are right on every system, and need no escape in TOML.
        text.replace("{certs}", &self.certificates().display().to_string().replace('\\', "/"))
    }
}

/// The site's own certificates.
pub const TRUSTED: &str = r#"
certificate = "{certs}/client.pem"
key = "{certs}/client_key.pem"
ca = "{certs}/root.pem"
"#;

/// The part of a configuration that names a proxy service of the site.
pub fn proxy_block(name: &str, url: &Url, prefixes: &[&str]) -> String {
    format!("[site.{SITE}.proxy.{name}]\nurl = \"{url}\"\nvirtual_proxies = {prefixes:?}\n")
}

/// The `proxy` label of a node: its name in the repository.
pub fn proxy(node: usize) -> String {
    if node == 1 { "Central".to_owned() } else { format!("Node{node}") }
}

/// The `virtual_proxy` label of a prefix.
pub fn virtual_proxy(prefix: &str) -> String {
    format!("/{prefix}")
}
