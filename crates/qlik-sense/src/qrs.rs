//! The repository service's interface (QRS, port 4242): discovers what a site consists of.
//!
//! Of the many members of its objects only the needed ones are decoded. Any of these may be missing or null.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::client::Client;
use crate::error::{QueryError, ShapeError};
use crate::session_list::{BYTE_ORDER_MARK, DecodeError, describe};
use crate::types::{PrefixError, VirtualProxy};

/// QPS' default port, used where the repository names none.
const PROXY_PORT: u16 = 4243;

/// The longest part of a decoder's error text that is kept, in characters: it may quote the response.
const MAX_PROBLEM: usize = 200;

/// What the repository returned about its site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The version of the repository's build, such as `32.25.0.0`; `None` when it is not known.
    pub version: Option<String>,
    pub proxy_services: Vec<ProxyService>,
    pub virtual_proxies: Vec<VirtualProxyFacts>,
    /// Virtual proxies with an invalid prefix, each once.
    pub skipped: Vec<Skipped>,
}

/// A proxy service. A node runs one or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyService {
    /// Empty when missing.
    pub id: String,
    /// The name of its node; empty when missing.
    pub name: String,
    /// The host name of its node; empty when missing.
    pub host: String,
    /// The port of its QPS interface; 4243 when missing.
    pub port: u16,
    /// The virtual proxies that it links.
    pub links: Vec<Link>,
}

/// A virtual proxy that a proxy service links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Empty when missing.
    pub id: String,
    pub virtual_proxy: VirtualProxy,
}

/// A virtual proxy of the site, linked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualProxyFacts {
    /// Empty when missing.
    pub id: String,
    pub virtual_proxy: VirtualProxy,
    /// Empty when missing.
    pub description: String,
    /// The name of the session cookie; empty when missing.
    pub session_cookie_header: String,
    /// The time without activity after which a session ends.
    pub inactivity_timeout: Option<Duration>,
    /// The engine nodes that serve its users. They are unrelated to the proxy services that link it.
    pub load_balancing_nodes: Vec<Node>,
}

/// A node of the site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Empty when missing.
    pub name: String,
    /// Empty when missing.
    pub host: String,
}

/// A virtual proxy that was skipped because its prefix is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the virtual proxy with the prefix {prefix:?} cannot be queried: {problem}")]
pub struct Skipped {
    /// The prefix that the repository returned.
    pub prefix: String,
    pub problem: PrefixError,
}

/// Queries the proxy services, the virtual proxies and the version, in parallel. Each request takes at most the
/// client's timeout.
///
/// # Errors
/// When one of the two lists is not available. A version that is not available is `None`.
pub async fn discover(client: &Client) -> Result<Found, QueryError> {
    let lists = async {
        tokio::try_join!(
            query::<Vec<ProxyServiceObject>>(client, "/qrs/proxyservice/full", "proxy services"),
            query::<Vec<VirtualProxyObject>>(client, "/qrs/virtualproxyconfig/full", "virtual proxies"),
        )
    };
    let (about, lists) = tokio::join!(about(client), lists);
    if let Err(error) = &about {
        tracing::debug!(url = %client.url(), %error, "repository version not available");
    }
    let (proxy_services, virtual_proxies) = lists?;
    Ok(found(about.unwrap_or_default(), proxy_services, virtual_proxies))
}

/// Returns the version of the repository's build; `None` when the repository returns none.
///
/// # Errors
/// When the query failed.
pub async fn about(client: &Client) -> Result<Option<String>, QueryError> {
    let about: AboutObject = query(client, "/qrs/about", "facts about the repository").await?;
    Ok(about.build_version.filter(|version| !version.is_empty()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutObject {
    build_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyServiceObject {
    id: Option<String>,
    server_node_configuration: Option<NodeObject>,
    settings: Option<SettingsObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeObject {
    name: Option<String>,
    host_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsObject {
    rest_listen_port: Option<u16>,
    virtual_proxies: Option<Vec<LinkObject>>,
}

#[derive(Deserialize)]
struct LinkObject {
    id: Option<String>,
    prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VirtualProxyObject {
    id: Option<String>,
    prefix: Option<String>,
    description: Option<String>,
    session_cookie_header_name: Option<String>,
    /// In minutes.
    session_inactivity_timeout: Option<u32>,
    #[serde(default, deserialize_with = "nodes_if_readable")]
    load_balancing_server_nodes: Vec<Option<NodeObject>>,
}

/// Decodes nodes, or none when the value has another shape. They are only displayed, so discovery must not fail
/// because of them.
fn nodes_if_readable<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Option<NodeObject>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl From<NodeObject> for Node {
    fn from(node: NodeObject) -> Self {
        Self { name: trimmed(node.name), host: trimmed(node.host_name) }
    }
}

fn trimmed(text: Option<String>) -> String {
    text.unwrap_or_default().trim().to_owned()
}

/// Fetches and decodes an object or list; `what` names it in errors. Decodes outside the runtime's workers, since
/// the response of a big site has some megabytes.
async fn query<T: DeserializeOwned + Send + 'static>(
    client: &Client,
    path: &str,
    what: &'static str,
) -> Result<T, QueryError> {
    let body = client.get_whole(path).await.map_err(|error| match error {
        QueryError::Decode(DecodeError::CutOff) => QueryError::Shape { what, problem: ShapeError::CutOff },
        other => other,
    })?;
    let decoded = tokio::task::spawn_blocking(move || decode(&body)).await;
    // Decoding does not panic, so it can only be cancelled because the program ends.
    let decoded = decoded.unwrap_or_else(|_| Err(ShapeError::Other("decoding was cancelled".to_owned())));
    decoded.map_err(|problem| QueryError::Shape { what, problem })
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ShapeError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
    let first = match body.first() {
        None => return Err(ShapeError::Other("it is empty".to_owned())),
        Some(b'<') => return Err(ShapeError::Other("it is HTML or XML".to_owned())),
        Some(first) => *first,
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| shape_error(&error, first))?;
    json.end().map_err(|_| ShapeError::Other("more bytes follow after its end".to_owned()))?;
    Ok(value)
}

/// Describes why a body that begins with `first` cannot be decoded.
fn shape_error(error: &serde_path_to_error::Error<serde_json::Error>, first: u8) -> ShapeError {
    let is_whole_body = error.path().iter().next().is_none();
    match error.inner().classify() {
        Category::Eof => ShapeError::CutOff,
        Category::Syntax | Category::Io => ShapeError::Other("it is not JSON".to_owned()),
        Category::Data if is_whole_body => ShapeError::Other(format!("it is {}", describe(first))),
        Category::Data => ShapeError::Other(error.to_string().chars().take(MAX_PROBLEM).collect()),
    }
}

fn found(
    version: Option<String>,
    proxy_services: Vec<ProxyServiceObject>,
    virtual_proxies: Vec<VirtualProxyObject>,
) -> Found {
    let mut found = Found { version, ..Found::default() };
    for object in virtual_proxies {
        found.add_virtual_proxy(object);
    }
    for object in proxy_services {
        found.add_proxy_service(object);
    }
    found
}

impl Found {
    fn add_virtual_proxy(&mut self, object: VirtualProxyObject) {
        let Some(virtual_proxy) = self.parse(object.prefix) else { return };
        let minutes = object.session_inactivity_timeout;
        self.virtual_proxies.push(VirtualProxyFacts {
            virtual_proxy,
            id: object.id.unwrap_or_default(),
            description: object.description.unwrap_or_default(),
            session_cookie_header: object.session_cookie_header_name.unwrap_or_default(),
            inactivity_timeout: minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
            load_balancing_nodes: object
                .load_balancing_server_nodes
                .into_iter()
                .flatten()
                .map(Node::from)
                .collect(),
        });
    }

    fn add_proxy_service(&mut self, object: ProxyServiceObject) {
        let Node { name, host } = object.server_node_configuration.map(Node::from).unwrap_or_default();
        let settings = object.settings.unwrap_or_default();
        let mut links = Vec::new();
        for link in settings.virtual_proxies.unwrap_or_default() {
            if let Some(virtual_proxy) = self.parse(link.prefix) {
                links.push(Link { virtual_proxy, id: link.id.unwrap_or_default() });
            }
        }
        let port = settings.rest_listen_port.filter(|port| *port != 0).unwrap_or(PROXY_PORT);
        self.proxy_services.push(ProxyService { id: object.id.unwrap_or_default(), name, host, port, links });
    }

    /// Parses a prefix, or records it as skipped. A missing one is that of the default virtual proxy.
    fn parse(&mut self, prefix: Option<String>) -> Option<VirtualProxy> {
        let prefix = prefix.unwrap_or_default();
        match VirtualProxy::parse(&prefix) {
            Ok(virtual_proxy) => Some(virtual_proxy),
            Err(problem) => {
                let skipped = Skipped { prefix, problem };
                if !self.skipped.contains(&skipped) {
                    self.skipped.push(skipped);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(proxy_services: &str, virtual_proxies: &str) -> Found {
        found(None, decode(proxy_services.as_bytes()).unwrap(), decode(virtual_proxies.as_bytes()).unwrap())
    }

    fn problem(body: &str) -> String {
        decode::<Vec<ProxyServiceObject>>(body.as_bytes()).err().unwrap().to_string()
    }

    fn parsed(prefix: &str) -> VirtualProxy {
        VirtualProxy::parse(prefix).unwrap()
    }

    #[test]
    fn needed_members_are_decoded_and_others_ignored() {
        let found = found_in(
            r#"[{"id": "p1", "new": {"x": []},
                "serverNodeConfiguration": {"name": "Central", "hostName": "sense1.company.com", "isCentral": true},
                "settings": {"listenPort": 443, "restListenPort": 5243,
                             "virtualProxies": [{"id": "v1", "prefix": "Finance", "description": "x"}]}}]"#,
            r#"[{"id": "v1", "prefix": "finance", "description": "Finance people",
                "sessionCookieHeaderName": "X-Qlik-Session-finance", "sessionInactivityTimeout": 30,
                "loadBalancingServerNodes": [{"name": "Engine", "hostName": "sense2.company.com"}, null]}]"#,
        );
        let link = Link { id: "v1".into(), virtual_proxy: parsed("finance") };
        assert_eq!(
            found.proxy_services,
            [ProxyService {
                id: "p1".into(),
                name: "Central".into(),
                host: "sense1.company.com".into(),
                port: 5243,
                links: vec![link],
            }]
        );
        assert_eq!(
            found.virtual_proxies,
            [VirtualProxyFacts {
                id: "v1".into(),
                virtual_proxy: parsed("finance"),
                description: "Finance people".into(),
                session_cookie_header: "X-Qlik-Session-finance".into(),
                inactivity_timeout: Some(Duration::from_secs(1800)),
                load_balancing_nodes: vec![Node { name: "Engine".into(), host: "sense2.company.com".into() }],
            }]
        );
        assert_eq!(found.skipped, []);
    }

    #[test]
    fn every_member_may_be_missing_or_null() {
        let nothing = r#"[{}, {"id": null, "serverNodeConfiguration": null, "settings": null},
            {"serverNodeConfiguration": {"name": null}, "settings": {"restListenPort": null, "virtualProxies": null}},
            {"settings": {"restListenPort": 0, "virtualProxies": [{}]}}]"#;
        let found = found_in(
            nothing,
            r#"[{}, {"prefix": null, "sessionInactivityTimeout": null, "loadBalancingServerNodes": null},
                {"loadBalancingServerNodes": {"name": "x"}}]"#,
        );
        let [first, second, third, fourth] = &found.proxy_services[..] else { panic!() };
        let empty = ProxyService { port: PROXY_PORT, ..ProxyService::default() };
        assert_eq!([first, second, third], [&empty; 3]);
        assert_eq!(fourth.links, [Link { id: String::new(), virtual_proxy: parsed("/") }]);
        assert!(found.virtual_proxies.iter().all(|facts| facts.virtual_proxy == parsed("/")));
        assert_eq!(found.skipped, []);
    }

    #[test]
    fn an_invalid_prefix_skips_only_its_virtual_proxy() {
        let found = found_in(
            r#"[{"settings": {"virtualProxies": [{"prefix": "a b"}, {"prefix": "sales"}]}}]"#,
            r#"[{"prefix": "a b"}, {"prefix": "../x"}, {"prefix": "sales"}]"#,
        );
        assert_eq!(found.proxy_services[0].links.len(), 1);
        assert_eq!(found.virtual_proxies.len(), 1);
        let skipped: Vec<_> = found.skipped.iter().map(|skipped| &*skipped.prefix).collect();
        assert_eq!(skipped, ["a b", "../x"]);
    }

    #[test]
    fn the_error_for_a_wrong_shape_names_its_place() {
        assert_eq!(
            problem(r#"[{}, {"settings": {"restListenPort": "4243"}}]"#),
            r#"[1].settings.restListenPort: invalid type: string "4243", expected u16 at line 1 column 43"#
        );
        for (body, expected) in [
            ("", "it is empty"),
            (" \r\n", "it is empty"),
            ("\r\n<html>", "it is HTML or XML"),
            ("[{}", "it was cut off"),
            ("{}", "it is a JSON object"),
            ("null", "it is another JSON value or plain text"),
            ("Hello", "it is not JSON"),
            ("[{},]", "it is not JSON"),
            ("[] x", "more bytes follow after its end"),
        ] {
            assert_eq!(problem(body), expected, "{body}");
        }
        assert!(decode::<Vec<ProxyServiceObject>>(b"\xef\xbb\xbf[]").is_ok());
    }

    #[test]
    fn an_error_does_not_quote_the_response_at_length() {
        let long = format!(r#"["{}"]"#, "x".repeat(100_000));
        assert_eq!(problem(&long).chars().count(), MAX_PROBLEM);
    }
}
