//! The addresses of Qlik's services, and paths of our own.

use figment::value::Value;
use url::Url;

use super::kind::{Kind, Read, error, found, unexpected};
use super::scalars::text;

/// `https`, a host and a port; nothing else.
#[derive(Debug)]
pub struct HttpsUrl {
    /// The port where none is named.
    pub port: u16,
}

impl Kind for HttpsUrl {
    type Value = Url;

    fn expected(&self) -> String {
        format!("an address such as \"https://sense1.company.com:{}\"", self.port)
    }

    fn read(&self, value: &Value) -> Read<Url> {
        let written = text(value, &self.expected(), "")?;
        self.parse(&written).or_else(|expected| unexpected(value, format!("{expected}: {}", self.expected())))
    }
}

impl HttpsUrl {
    /// Parses an address, or returns what was expected.
    fn parse(&self, written: &str) -> Result<Url, String> {
        let scheme = written.get(..8).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("https://") {
            return Err("https".into());
        }
        let mut url = Url::parse(written).map_err(|error| format!("an address ({error})"))?;
        if !url.username().is_empty() || url.password().is_some() || written.contains('@') {
            return Err("no user name or password in it".into());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || written.contains('\\') {
            return Err("nothing after host and port".into());
        }
        // Url hides a port that is the scheme's own, 443: only the text shows whether it was written.
        let authority = written.get(8..).unwrap_or_default().trim_end_matches('/');
        let after_host = authority.rsplit(']').next().unwrap_or_default();
        let has_port = after_host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
        if !has_port && url.set_port(Some(self.port)).is_err() {
            return Err("a host".into());
        }
        match url.port_or_known_default() {
            Some(0) => Err("a port from 1 to 65535".into()),
            _ => Ok(url),
        }
    }
}

/// A path of the exporter's web server.
#[derive(Debug)]
pub struct UrlPath;

impl Kind for UrlPath {
    type Value = String;

    fn expected(&self) -> String {
        "a path such as /metrics: a slash, then letters, digits and - . _ ~ /".into()
    }

    fn read(&self, value: &Value) -> Read<String> {
        let path = text(value, &self.expected(), "")?;
        if !path.starts_with('/') || !path.chars().all(is_plain) || path.split('/').any(|part| part == "..") {
            return self.unexpected(value);
        }
        if path.starts_with("/-/") || ["/", "/probe", "/sd"].contains(&&*path) {
            return error(format!("found {}, expected a path that serves nothing else", found(value)));
        }
        Ok(path)
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~/".contains(c)
}
