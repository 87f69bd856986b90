//! The JSON of `GET /state`: faults, and counts of requests and responses.

use serde::Serialize;

use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::site::{Node, Site};

/// The state of a site at one moment.
#[derive(Serialize)]
pub(super) struct SiteState {
    faults: Vec<FaultState>,
    repository: ServiceState,
    nodes: Vec<NodeState>,
}

#[derive(Serialize)]
struct FaultState {
    /// `qrs`, or the node's number.
    node: String,
    /// The prefix after a slash, or `*` for the whole service.
    virtual_proxy: String,
    kind: String,
}

#[derive(Serialize)]
struct ServiceState {
    url: Option<String>,
    connections: usize,
}

#[derive(Serialize)]
struct NodeState {
    node: usize,
    name: String,
    #[serde(flatten)]
    service: ServiceState,
    most_in_flight: usize,
    virtual_proxies: Vec<PairState>,
}

#[derive(Serialize)]
struct PairState {
    virtual_proxy: String,
    /// The number of open sessions.
    sessions: usize,
    /// The number of requests for the session list so far.
    queries: u64,
    /// The number of requests to delete sessions so far, successful or not.
    deletions: u64,
    #[serde(flatten)]
    delivery: Delivery,
}

impl SiteState {
    /// Returns the current state.
    pub fn of(site: &Site) -> Self {
        let nodes = site.nodes();
        let mut faults = faults_of("qrs", &site.repository);
        for node in &nodes {
            faults.extend(faults_of(&node.number.to_string(), &node.endpoint));
        }
        let nodes = nodes.iter().map(|node| node_state(node)).collect();
        Self { faults, repository: service_state(&site.repository), nodes }
    }
}

fn faults_of(node: &str, endpoint: &Endpoint) -> Vec<FaultState> {
    let set = endpoint.faults.all().into_iter().map(|(prefix, fault)| FaultState {
        node: node.to_owned(),
        virtual_proxy: prefix.map_or_else(|| "*".to_owned(), |prefix| format!("/{prefix}")),
        kind: fault.to_string(),
    });
    set.collect()
}

fn service_state(endpoint: &Endpoint) -> ServiceState {
    ServiceState { url: endpoint.url().map(String::from), connections: endpoint.connections() }
}

fn node_state(node: &Node) -> NodeState {
    let virtual_proxies = node.pairs().into_iter().map(|(prefix, pair)| PairState {
        virtual_proxy: format!("/{prefix}"),
        sessions: pair.table().len(),
        queries: pair.list_queries(),
        deletions: pair.deletions(),
        delivery: *pair.delivery(),
    });
    NodeState {
        node: node.number,
        name: node.name.clone(),
        service: service_state(&node.endpoint),
        most_in_flight: node.most_in_flight(),
        virtual_proxies: virtual_proxies.collect(),
    }
}
