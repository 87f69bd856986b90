//! The shipped files of the folder `prometheus`, with the addresses of the demo.
//!
//! Addresses are replaced as text. Comments, order and everything else stay, so that the demo runs exactly the files
//! that administrators copy. A test checks that every address is replaced.

use std::net::SocketAddr;

const PROMETHEUS: &str = include_str!("../../../prometheus/prometheus.yml");
const RULES: &str = include_str!("../../../prometheus/rules.yml");
const ALERTMANAGER: &str = include_str!("../../../prometheus/alertmanager.yml");
const TEMPLATES: &str = include_str!("../../../prometheus/qlik.tmpl");

/// The addresses in the shipped files.
const SHIPPED_EXPORTER: &str = "localhost:9877";
const SHIPPED_ALERTMANAGER: &str = "localhost:9093";
const SHIPPED_MAIL: &str = "localhost:25";
const SHIPPED_CHAT: &str = "https://chat.example.com/";

/// A file to write.
#[derive(Debug, Clone)]
pub struct File {
    pub name: &'static str,
    pub text: String,
}

/// Returns the files of Prometheus.
pub fn prometheus(exporter: SocketAddr, alertmanager: SocketAddr) -> [File; 2] {
    let config = PROMETHEUS
        .replace(SHIPPED_EXPORTER, &exporter.to_string())
        .replace(SHIPPED_ALERTMANAGER, &alertmanager.to_string());
    [File { name: "prometheus.yml", text: config }, File { name: "rules.yml", text: RULES.to_owned() }]
}

/// Returns the files of Alertmanager, with the addresses of a mail server and of a server for Slack's web hooks.
pub fn alertmanager(mail: SocketAddr, chat: SocketAddr) -> [File; 2] {
    let config = ALERTMANAGER
        .replace(SHIPPED_MAIL, &mail.to_string())
        .replace(SHIPPED_CHAT, &format!("http://{chat}/"));
    [File { name: "alertmanager.yml", text: config }, File { name: "qlik.tmpl", text: TEMPLATES.to_owned() }]
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

    /// Returns the addresses outside of comments: words with a scheme or a port.
    fn addresses(text: &str) -> BTreeSet<String> {
        let active = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = active.flat_map(|line| line.split([' ', '"', '\'', '[', ']', ',']));
        words.filter(|word| word.contains("://") || has_port(word)).map(str::to_owned).collect()
    }

    fn has_port(word: &str) -> bool {
        word.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    }

    #[test]
    fn every_address_is_replaced() {
        let found: BTreeSet<_> = files()
            .iter()
            .filter(|file| file.name.ends_with(".yml") && file.name != "rules.yml")
            .flat_map(|file| addresses(&file.text))
            .collect();
        let chat = format!("http://{}/hooks/change-me", OURS[3]);
        assert_eq!(found, [OURS[0], OURS[1], OURS[2], &chat].map(str::to_owned).into());
    }

    #[test]
    fn only_addresses_differ_from_the_shipped_files() {
        let shipped = [PROMETHEUS, RULES, ALERTMANAGER, TEMPLATES];
        for (File { name, text }, shipped) in files().into_iter().zip(shipped) {
            let back = text
                .replace(OURS[0], SHIPPED_EXPORTER)
                .replace(OURS[1], SHIPPED_ALERTMANAGER)
                .replace(OURS[2], SHIPPED_MAIL)
                .replace(&format!("http://{}/", OURS[3]), SHIPPED_CHAT);
            assert!(back == shipped, "{name}:\n{text}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_included() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus")).unwrap();
        let there_are = folder.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
        let there_are: BTreeSet<_> =
            there_are.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(there_are, files().into_iter().map(|file| file.name.to_owned()).collect());
    }
}
