//! The repository service's interface (QRS, port 4242): what a site consists of.
//!
//! Of the many members of its objects only those are read that are needed; any of these may be missing or
//! null.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::client::Client;
use crate::error::{QueryError, ShapeError};
use crate::session_list::{BYTE_ORDER_MARK, DecodeError, describe};
use crate::types::{PrefixError, VirtualProxy};

/// The proxy service's own port where the repository names none.
const PROXY_PORT: u16 = 4243;

/// The most of a decoder's complaint that is kept, in characters: it may quote the answer.
const MAX_PROBLEM: usize = 200;

/// What the repository says of its site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the repository's build, such as `32.25.0.0`.
    pub version: Option<String>,
    pub proxy_services: Vec<ProxyService>,
    pub virtual_proxies: Vec<VirtualProxyFacts>,
    /// What could not be taken, each once.
    pub skipped: Vec<Skipped>,
}

/// A proxy service, one per node that runs one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyService {
    /// Empty when missing.
    pub id: String,
    /// Of its node; empty when missing.
    pub name: String,
    /// Of its node; empty when missing.
    pub host: String,
    /// Of its own interface.
    pub port: u16,
    /// The virtual proxies that it links.
    pub links: Vec<Link>,
}

/// A virtual proxy as a proxy service links it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Empty when missing.
    pub id: String,
    pub virtual_proxy: VirtualProxy,
}

/// A virtual proxy as the site has it, linked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualProxyFacts {
    /// Empty when missing.
    pub id: String,
    pub virtual_proxy: VirtualProxy,
    /// Empty when missing.
    pub description: String,
    /// The name of the cookie; empty when missing.
    pub session_cookie_header: String,
    /// After which a session without activity ends.
    pub inactivity_timeout: Option<Duration>,
    /// The engine nodes that it sends its users on to: not those of the proxy services that link it.
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

/// A virtual proxy whose prefix cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the virtual proxy with the prefix {prefix:?} cannot be asked: {problem}")]
pub struct Skipped {
    /// As the repository has it.
    pub prefix: String,
    pub problem: PrefixError,
}

/// Asks for everything at once. Each request ends within the endpoint's timeout.
///
/// A version that cannot be had is none: only the lists are needed.
pub async fn discover(endpoint: &Client) -> Result<Found, QueryError> {
    let lists = async {
        tokio::try_join!(
            ask::<Vec<ProxyServiceAnswer>>(endpoint, "/qrs/proxyservice/full", "proxy services"),
            ask::<Vec<VirtualProxyAnswer>>(endpoint, "/qrs/virtualproxyconfig/full", "virtual proxies"),
        )
    };
    let (about, lists) = tokio::join!(about(endpoint), lists);
    if let Err(error) = &about {
        tracing::debug!(url = %endpoint.url(), %error, "the repository does not tell its version");
    }
    let (proxy_services, virtual_proxies) = lists?;
    Ok(found(about.unwrap_or_default(), proxy_services, virtual_proxies))
}

/// The version of the repository's build.
pub async fn about(endpoint: &Client) -> Result<Option<String>, QueryError> {
    let about: AboutAnswer = ask(endpoint, "/qrs/about", "facts about the repository").await?;
    Ok(about.build_version.filter(|version| !version.is_empty()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutAnswer {
    build_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyServiceAnswer {
    id: Option<String>,
    server_node_configuration: Option<NodeAnswer>,
    settings: Option<SettingsAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeAnswer {
    name: Option<String>,
    host_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsAnswer {
    rest_listen_port: Option<u16>,
    virtual_proxies: Option<Vec<LinkAnswer>>,
}

#[derive(Deserialize)]
struct LinkAnswer {
    id: Option<String>,
    prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VirtualProxyAnswer {
    id: Option<String>,
    prefix: Option<String>,
    description: Option<String>,
    session_cookie_header_name: Option<String>,
    /// In minutes.
    session_inactivity_timeout: Option<u32>,
    #[serde(default, deserialize_with = "nodes_if_readable")]
    load_balancing_server_nodes: Vec<Option<NodeAnswer>>,
}

/// Nodes that are shown only: whatever stands in their place, discovery does not fail for it.
fn nodes_if_readable<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Option<NodeAnswer>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl From<NodeAnswer> for Node {
    fn from(answer: NodeAnswer) -> Self {
        let text = |text: Option<String>| text.unwrap_or_default().trim().to_owned();
        Self { name: text(answer.name), host: text(answer.host_name) }
    }
}

/// Asks for `what` and decodes the answer, away from the tasks that must not wait: on a big site it has
/// some megabytes.
async fn ask<T: DeserializeOwned + Send + 'static>(
    endpoint: &Client,
    path: &str,
    what: &'static str,
) -> Result<T, QueryError> {
    let body = endpoint.get_whole(path).await.map_err(|error| match error {
        QueryError::Decode(DecodeError::CutOff) => QueryError::Shape { what, problem: ShapeError::CutOff },
        other => other,
    })?;
    let decoded = tokio::task::spawn_blocking(move || decode(&body)).await;
    // Decoding does not panic, so it can only have been given up because the program ends.
    let decoded = decoded.unwrap_or_else(|_| Err(ShapeError::Other("decoding was given up".to_owned())));
    decoded.map_err(|problem| QueryError::Shape { what, problem })
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ShapeError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
    let said = |text: &str| ShapeError::Other(text.to_owned());
    let first = match body.first() {
        None => return Err(said("it is empty")),
        Some(b'<') => return Err(said("it is HTML or XML")),
        Some(first) => *first,
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let is_whole = error.path().iter().next().is_none();
        match error.inner().classify() {
            Category::Eof => ShapeError::CutOff,
            Category::Syntax | Category::Io => said("it is not JSON"),
            Category::Data if is_whole => said(&format!("it is {}", describe(first))),
            Category::Data => ShapeError::Other(error.to_string().chars().take(MAX_PROBLEM).collect()),
        }
    })?;
    json.end().map_err(|_| said("more bytes follow after its end"))?;
    Ok(value)
}

fn found(
    version: Option<String>,
    proxy_services: Vec<ProxyServiceAnswer>,
    virtual_proxies: Vec<VirtualProxyAnswer>,
) -> Found {
    let mut skipped = Vec::new();
    let mut parse = |prefix: Option<String>| {
        // The default virtual proxy's is empty, which may well come as nothing at all.
        let prefix = prefix.unwrap_or_default();
        let parsed = VirtualProxy::parse(&prefix);
        parsed
            .map_err(|problem| {
                let this = Skipped { prefix, problem };
                if !skipped.contains(&this) {
                    skipped.push(this);
                }
            })
            .ok()
    };
    let virtual_proxies = virtual_proxies
        .into_iter()
        .filter_map(|answer| {
            Some(VirtualProxyFacts {
                virtual_proxy: parse(answer.prefix)?,
                id: answer.id.unwrap_or_default(),
                description: answer.description.unwrap_or_default(),
                session_cookie_header: answer.session_cookie_header_name.unwrap_or_default(),
                inactivity_timeout: answer
                    .session_inactivity_timeout
                    .map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
                load_balancing_nodes: answer
                    .load_balancing_server_nodes
                    .into_iter()
                    .flatten()
                    .map(Node::from)
                    .collect(),
            })
        })
        .collect();
    let proxy_services = proxy_services
        .into_iter()
        .map(|answer| {
            let Node { name, host } = answer.server_node_configuration.map(Node::from).unwrap_or_default();
            let (port, links) = answer
                .settings
                .map(|settings| (settings.rest_listen_port, settings.virtual_proxies.unwrap_or_default()))
                .unwrap_or_default();
            ProxyService {
                id: answer.id.unwrap_or_default(),
                name,
                host,
                port: port.filter(|port| *port != 0).unwrap_or(PROXY_PORT),
                links: links
                    .into_iter()
                    .filter_map(|link| {
                        Some(Link { virtual_proxy: parse(link.prefix)?, id: link.id.unwrap_or_default() })
                    })
                    .collect(),
            }
        })
        .collect();
    Found { version, proxy_services, virtual_proxies, skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(proxy_services: &str, virtual_proxies: &str) -> Found {
        found(None, decode(proxy_services.as_bytes()).unwrap(), decode(virtual_proxies.as_bytes()).unwrap())
    }

    fn parsed(prefix: &str) -> VirtualProxy {
        VirtualProxy::parse(prefix).unwrap()
    }

    #[test]
    fn what_matters_is_read_and_the_rest_ignored() {
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
    fn a_prefix_that_cannot_be_one_loses_only_itself() {
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
    fn a_wrong_shape_is_told_with_its_place() {
        let problem =
            |text: &str| decode::<Vec<ProxyServiceAnswer>>(text.as_bytes()).err().unwrap().to_string();
        assert_eq!(
            problem(r#"[{}, {"settings": {"restListenPort": "4243"}}]"#),
            r#"[1].settings.restListenPort: invalid type: string "4243", expected u16 at line 1 column 43"#
        );
        for (answer, told) in [
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
            assert_eq!(problem(answer), told, "{answer}");
        }
        assert!(decode::<Vec<ProxyServiceAnswer>>(b"\xef\xbb\xbf[]").is_ok());
    }

    #[test]
    fn a_complaint_does_not_quote_the_answer_at_length() {
        let long = format!(r#"["{}"]"#, "x".repeat(100_000));
        let problem = decode::<Vec<ProxyServiceAnswer>>(long.as_bytes()).err().unwrap().to_string();
        assert_eq!(problem.chars().count(), MAX_PROBLEM);
    }
}
