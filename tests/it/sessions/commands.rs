//! What the tests here share: `sessions` run to its end, and sessions as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::exporter::run;
use crate::support::program::Ended;
use crate::support::site::{Pair, Site, TRUSTED, proxy_block};
use crate::support::stand_in::{Request, StandIn, ok};

/// Runs `sessions` with this configuration and these arguments.
pub async fn sessions(config: &Path, args: &[&str]) -> Ended {
    run(&[&["sessions"], args, &["--config.file", config.to_str().unwrap()]].concat(), &[]).await
}

/// The rows of `sessions list --output json` with these arguments, all of which is good.
pub async fn listed(config: &Path, args: &[&str]) -> Vec<Value> {
    let ended = sessions(config, &[&["list", "--output", "json"], args].concat()).await;
    ended.assert().code(0).stderr_is_empty();
    rows(&ended)
}

/// What was written as JSON.
pub fn rows(ended: &Ended) -> Vec<Value> {
    let text = ended.stdout_text();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// One member of each row.
pub fn texts<'v>(rows: &'v [Value], member: &str) -> Vec<&'v str> {
    rows.iter().map(|row| row[member].as_str().unwrap()).collect()
}

/// All ids that the site has open, by their pairs.
pub fn open(site: &Site) -> BTreeMap<Pair, Vec<String>> {
    let ids = |(node, prefix)| {
        let mut ids: Vec<_> =
            site.simulator.sessions(node, prefix).into_iter().map(|session| session.session_id).collect();
        ids.sort();
        ids
    };
    site.pairs().into_iter().map(|pair| (pair, ids(pair))).collect()
}

/// The configuration of a proxy service with these answers and virtual proxies.
pub async fn stand_in(
    site: &Site,
    virtual_proxies: &[&str],
    respond: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static,
) -> (StandIn, PathBuf) {
    let proxy = StandIn::start(&site.certificates(), respond).await;
    let block = proxy_block("Central", &proxy.url, virtual_proxies);
    let config = site.write_config(&format!("[site.simulated]{TRUSTED}{block}"));
    (proxy, config)
}

/// A list of anna's sessions with these ids.
pub fn list_of_annas(ids: &[&str]) -> String {
    let row = |id| format!(r#"{{"UserDirectory":"LAB","UserId":"anna","SessionId":"{id}"}}"#);
    let rows: Vec<String> = ids.iter().map(row).collect();
    ok(&format!("[{}]", rows.join(",")))
}
