//! The files of the folder `prometheus`, as they are shipped but for the addresses in them.
//!
//! An address is replaced as the text that it is, wherever it stands: so comments, order and everything else
//! stay, and what is run is what an administrator copies. A test holds that all addresses are known here.

use std::net::SocketAddr;

const PROMETHEUS: &str = include_str!("../../../prometheus/prometheus.yml");
const RULES: &str = include_str!("../../../prometheus/rules.yml");
const ALERTMANAGER: &str = include_str!("../../../prometheus/alertmanager.yml");
const TEMPLATES: &str = include_str!("../../../prometheus/qlik.tmpl");

/// Addresses as they are shipped.
const SHIPPED_EXPORTER: &str = "localhost:9877";
const SHIPPED_ALERTMANAGER: &str = "localhost:9093";
const SHIPPED_MAIL: &str = "localhost:25";
const SHIPPED_CHAT: &str = "https://chat.example.com/";

/// A file's name, and its text.
pub type File = (&'static str, String);

/// What Prometheus needs.
pub fn prometheus(exporter: SocketAddr, alertmanager: SocketAddr) -> [File; 2] {
    let config = PROMETHEUS
        .replace(SHIPPED_EXPORTER, &exporter.to_string())
        .replace(SHIPPED_ALERTMANAGER, &alertmanager.to_string());
    [("prometheus.yml", config), ("rules.yml", RULES.to_owned())]
}

/// What Alertmanager needs, with a mail server and a server for Slack's web hooks.
pub fn alertmanager(mail: SocketAddr, chat: SocketAddr) -> [File; 2] {
    let config = ALERTMANAGER
        .replace(SHIPPED_MAIL, &mail.to_string())
        .replace(SHIPPED_CHAT, &format!("http://{chat}/"));
    [("alertmanager.yml", config), ("qlik.tmpl", TEMPLATES.to_owned())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const OURS: [&str; 4] = ["127.0.0.1:40001", "127.0.0.1:40002", "127.0.0.1:40003", "127.0.0.1:40004"];

    fn files() -> Vec<File> {
        let [exporter, alertmanager_, mail, chat] = OURS.map(|address| address.parse().unwrap());
        [prometheus(exporter, alertmanager_), alertmanager(mail, chat)].concat()
    }

    /// What looks like a server's address outside of comments: with a scheme or a port.
    fn addresses(text: &str) -> BTreeSet<String> {
        let active = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = active.flat_map(|line| line.split([' ', '"', '\'', '[', ']', ',']));
        let has_port = |word: &str| {
            word.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        words.filter(|word| word.contains("://") || has_port(word)).map(str::to_owned).collect()
    }

    #[test]
    fn no_other_address_is_left() {
        let found: BTreeSet<_> = files()
            .iter()
            .filter(|(name, _)| name.ends_with(".yml") && *name != "rules.yml")
            .flat_map(|(_, text)| addresses(text))
            .collect();
        let chat = format!("http://{}/hooks/change-me", OURS[3]);
        assert_eq!(found, [OURS[0], OURS[1], OURS[2], &chat].map(str::to_owned).into());
    }

    #[test]
    fn with_the_addresses_put_back_they_are_the_shipped_files() {
        let shipped = [PROMETHEUS, RULES, ALERTMANAGER, TEMPLATES];
        for ((name, text), shipped) in files().into_iter().zip(shipped) {
            let back = text
                .replace(OURS[0], SHIPPED_EXPORTER)
                .replace(OURS[1], SHIPPED_ALERTMANAGER)
                .replace(OURS[2], SHIPPED_MAIL)
                .replace(&format!("http://{}/", OURS[3]), SHIPPED_CHAT);
            assert!(back == shipped, "{name}:\n{text}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_here() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus")).unwrap();
        let there_are = folder.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
        let there_are: BTreeSet<_> =
            there_are.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(there_are, files().into_iter().map(|(name, _)| name.to_owned()).collect());
    }
}
