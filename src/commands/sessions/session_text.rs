//! Texts of a session's lists, for tables and CSV.

use crate::sessions::{QueriedPair, Session};

/// Returns the load-balancing nodes: `Central (sense1.company.com), Node2 (sense2.company.com)`.
pub fn nodes_text(pair: &QueriedPair) -> String {
    let mut texts = Vec::new();
    for node in pair.facts.iter().flat_map(|facts| &facts.load_balancing_nodes) {
        texts.push(match (&*node.name, &*node.host) {
            (name, "") => name.to_owned(),
            ("", host) => host.to_owned(),
            (name, host) => format!("{name} ({host})"),
        });
    }
    texts.join(", ")
}

/// Returns the attributes: `group=Finance; group=EMEA; email=`.
pub fn attributes_text(session: Session<'_>) -> String {
    let mut texts = Vec::new();
    for (name, value) in session.attributes() {
        texts.push(format!("{name}={value}"));
    }
    texts.join("; ")
}
