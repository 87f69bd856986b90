//! A configuration that takes long to read: its key has to be decrypted.

use std::fs;
use std::process::Command;

use super::exporter::Exporter;
use super::site::{Site, TRUSTED};
use super::wait::becomes;

/// The site's configuration with its key encrypted, in so many rounds.
pub fn use_in(site: &Site, settings: &str, rounds: &str) {
    let folder = site.certificates();
    fs::write(folder.join("password"), "secret").unwrap();
    let status = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:secret", "-iter", rounds])
        .arg("-in")
        .arg(folder.join("client_key.pem"))
        .arg("-out")
        .arg(folder.join("slow_key.pem"))
        .status()
        .unwrap();
    assert!(status.success());
    let key = TRUSTED.replace("client_key", "slow_key");
    site.config_with(settings, &format!("{key}key_password_file = \"{{certs}}/password\"\n"));
}

/// Waits until the exporter, which logs at level debug, reads its configuration again.
pub async fn is_read(exporter: &Exporter) {
    let reported =
        async || exporter.program.stderr().iter().any(|line| line.contains("reloading configuration"));
    becomes(true, "the configuration is read", reported).await;
}
