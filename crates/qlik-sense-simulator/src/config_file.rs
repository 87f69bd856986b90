//! The exporter's configuration file for a simulated site.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::site::Site;

const NAME: &str = "config.toml";
/// The first line of every file written here. A file without it belongs to the user and is not overwritten.
const MARK: &str = "# Written by `qlik-session-exporter simulate`, again at every start.";

/// Writes `config.toml` beside the certificates.
pub(super) fn write(folder: &Path, site: &Site, discovery: bool) -> Result<PathBuf, Error> {
    let path = folder.join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) if !text.starts_with(MARK) => return Err(Error::ForeignConfig { path }),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(Error::ForeignConfig { path }),
        Err(error) => return Err(Error::File { path, error }),
    }
    match fs::write(&path, text(site, discovery)) {
        Ok(()) => Ok(path),
        Err(error) => Err(Error::File { path, error }),
    }
}

/// Returns the text of the file. Names and prefixes need no escapes in TOML, and the certificates' paths are relative
/// to the file.
fn text(site: &Site, discovery: bool) -> String {
    let mut text = format!(
        "{MARK}\n\
         listen_address = [\"127.0.0.1:9877\"]\n\n\
         [site.simulated]\n\
         certificate = \"client.pem\"\n\
         key = \"client_key.pem\"\n\
         ca = \"root.pem\"\n\
         verify = \"full\"\n"
    );
    if discovery {
        text += &format!("repository = \"{}\"\n", url_text(&site.repository));
        return text;
    }
    for node in site.nodes() {
        let prefixes: Vec<_> = node.pairs().keys().map(|prefix| format!("\"/{prefix}\"")).collect();
        text += &format!(
            "\n[site.simulated.proxy.{}]\nurl = \"{}\"\nvirtual_proxies = [{}]\n",
            node.name,
            url_text(&node.endpoint),
            prefixes.join(", ")
        );
    }
    text
}

/// Returns the URL without a slash at its end, as people write it.
fn url_text(endpoint: &Endpoint) -> String {
    endpoint.url().map_or_else(String::new, |url| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::population;

    fn site() -> Site {
        let options = Options { virtual_proxies: vec!["".into(), "a/b".into()], ..Options::default() };
        let (site, _) = population::create_site(&options);
        site.repository.set_port(4242);
        site.nodes().iter().zip(4243..).for_each(|(node, port)| node.endpoint.set_port(port));
        site
    }

    fn simulated(discovery: bool) -> toml::Value {
        let table: toml::Table = text(&site(), discovery).parse().unwrap();
        table["site"]["simulated"].clone()
    }

    #[test]
    fn each_proxy_service_has_its_url_and_virtual_proxies() {
        let simulated = simulated(false);
        assert_eq!(simulated["certificate"].as_str(), Some("client.pem"));
        assert_eq!(simulated["proxy"]["Node2"]["url"].as_str(), Some("https://127.0.0.2:4244"));
        let prefixes = simulated["proxy"]["Central"]["virtual_proxies"].as_array().unwrap();
        assert_eq!(prefixes.iter().filter_map(|p| p.as_str()).collect::<Vec<_>>(), ["/", "/a/b"]);
        assert!(simulated.get("repository").is_none());
    }

    #[test]
    fn with_discovery_there_is_the_repository_instead_of_proxy_services() {
        let simulated = simulated(true);
        assert_eq!(simulated["repository"].as_str(), Some("https://127.0.0.1:4242"));
        assert!(simulated.get("proxy").is_none());
    }

    #[test]
    fn the_file_is_overwritten_but_not_one_of_the_user() {
        let (folder, site) = (tempfile::tempdir().unwrap(), site());
        let path = write(folder.path(), &site, false).unwrap();
        write(folder.path(), &site, true).unwrap();
        fs::write(&path, "# mine").unwrap();
        assert!(matches!(write(folder.path(), &site, false), Err(Error::ForeignConfig { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine");
    }
}
