//! The errors of a simulated site.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::faults::Fault;

/// Why a simulated site cannot start or change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--{flag}: found {found}, expected {expected}")]
    Option { flag: &'static str, found: String, expected: &'static str },

    #[error(
        "{name} cannot listen on {address}: {error} (choose another port with --{flag}, 0 for a free one, or \
         another address with --host)"
    )]
    Listen { name: String, address: SocketAddr, flag: &'static str, error: io::Error },

    #[error(
        "the control address cannot listen on {address}: {error} (choose another port with --control-port, \
         0 for a free one)"
    )]
    Control { address: SocketAddr, error: io::Error },

    #[error(
        "{}: {} of the five certificate files exist ({}), others are missing ({}): add the missing ones, or remove \
         all five to create new ones",
        folder.display(), found.len(), found.join(", "), missing.join(", ")
    )]
    IncompleteSet { folder: PathBuf, found: Vec<&'static str>, missing: Vec<&'static str> },

    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },

    #[error("{}: {problem}; remove all five certificate files to create new ones", path.display())]
    Certificate { path: PathBuf, problem: String },

    #[error("cannot create a certificate: {0}")]
    CreateCertificate(#[from] rcgen::Error),

    #[error(
        "{} was not written by a simulated site and is not overwritten: choose another folder with --certs",
        path.display()
    )]
    ForeignConfig { path: PathBuf },

    #[error("there is no node {number} (the nodes are {known:?})")]
    NoSuchNode { number: usize, known: Vec<usize> },

    #[error("node {number} does not link a virtual proxy {prefix:?} (it links {})", list(known))]
    NoSuchLink { number: usize, prefix: String, known: Vec<String> },

    #[error("there is no virtual proxy {prefix:?} (there are {})", list(known))]
    NoSuchVirtualProxy { prefix: String, known: Vec<String> },

    #[error("{fault} acts on a whole node, not on one virtual proxy of it")]
    WholeNodeOnly { fault: Fault },

    #[error("the runtime stopped while the site was starting")]
    Interrupted,
}

/// Lists names in quotes, which make the empty prefix of the default virtual proxy visible.
fn list(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}
