//! The exporter's configuration for a simulated site.

use std::fmt::Write;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use url::Url;

use super::Error;
use super::site::Site;

const NAME: &str = "config.toml";
/// The first line of every file that is written here; a file without it is somebody's own.
const MARK: &str = "# Written by `qlik-session-exporter simulate`, again at every start.";

/// Writes `config.toml` beside the certificates.
pub(super) fn write(folder: &Path, site: &Site, listeners: &[(String, Url)]) -> Result<PathBuf, Error> {
    let path = folder.join(NAME);
    let failed = |source: io::Error| Error::File { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) if !text.starts_with(MARK) => return Err(Error::ForeignConfig { path }),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(Error::ForeignConfig { path }),
        Err(error) => return Err(failed(error)),
    }
    fs::write(&path, text(site, listeners)).map_err(failed)?;
    Ok(path)
}

/// Names and prefixes here hold nothing that TOML would want escaped, and the certificates' paths are
/// relative to the file.
fn text(site: &Site, listeners: &[(String, Url)]) -> String {
    let mut text = format!(
        "{MARK}\n\
         listen_address = [\"127.0.0.1:9877\"]\n\n\
         [site.simulated]\n\
         certificate = \"client.pem\"\n\
         key = \"client_key.pem\"\n\
         ca = \"root.pem\"\n\
         verify = \"full\"\n"
    );
    for (node, (_, url)) in site.nodes().iter().zip(listeners.iter().skip(1)) {
        let prefixes: Vec<_> = node.pairs().keys().map(|prefix| format!("\"/{prefix}\"")).collect();
        // Writing to memory cannot fail.
        let _ = write!(
            text,
            "\n[site.simulated.proxy.{}]\nurl = \"{}\"\nvirtual_proxies = [{}]\n",
            node.name,
            url.as_str().trim_end_matches('/'),
            prefixes.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Options, population};
    use super::*;

    fn site() -> (Site, Vec<(String, Url)>) {
        let options = Options { virtual_proxies: vec!["".into(), "a/b".into()], ..Options::default() };
        let listeners = [("qrs", 4242), ("qps-1", 4243), ("qps-2", 4244)]
            .map(|(name, port)| (name.to_owned(), Url::parse(&format!("https://127.0.0.1:{port}")).unwrap()));
        (population::settle(&options, &options.check().unwrap()).0, listeners.to_vec())
    }

    #[test]
    fn each_proxy_service_is_there_with_its_own_url_and_virtual_proxies() {
        let (site, listeners) = site();
        let table: toml::Table = text(&site, &listeners).parse().unwrap();
        let simulated = &table["site"]["simulated"];
        assert_eq!(simulated["certificate"].as_str(), Some("client.pem"));
        assert_eq!(simulated["proxy"]["Node2"]["url"].as_str(), Some("https://127.0.0.1:4244"));
        let prefixes = simulated["proxy"]["Central"]["virtual_proxies"].as_array().unwrap();
        assert_eq!(prefixes.iter().filter_map(|p| p.as_str()).collect::<Vec<_>>(), ["/", "/a/b"]);
    }

    #[test]
    fn the_file_is_written_again_but_somebodys_own_is_left_alone() {
        let (folder, (site, listeners)) = (tempfile::tempdir().unwrap(), site());
        let path = write(folder.path(), &site, &listeners).unwrap();
        write(folder.path(), &site, &listeners).unwrap();
        fs::write(&path, "# mine").unwrap();
        assert!(matches!(write(folder.path(), &site, &listeners), Err(Error::ForeignConfig { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine");
    }
}
