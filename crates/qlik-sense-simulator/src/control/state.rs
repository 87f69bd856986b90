//! `GET /state`: what is set, and what was asked and sent so far.

use serde::Serialize;

use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::site::{Node, Site};

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
    /// With its slash, or `*`.
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
    /// Open now.
    sessions: usize,
    /// Session lists asked for so far.
    queries: u64,
    /// Requests to end sessions so far, whatever became of them.
    deletions: u64,
    #[serde(flatten)]
    delivery: Delivery,
}

impl SiteState {
    /// The state at the moment of the call.
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
        delivery: *pair.deliveries(),
    });
    NodeState {
        node: node.number,
        name: node.name.clone(),
        service: service_state(&node.endpoint),
        most_in_flight: node.most_in_flight(),
        virtual_proxies: virtual_proxies.collect(),
    }
}
