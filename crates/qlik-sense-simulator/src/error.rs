//! Why a simulated site cannot start, or not do what it was told.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::faults::Fault;

/// Why a simulated site cannot start, or not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--{flag}: found {found}, expected {expected}")]
    Option { flag: &'static str, found: String, expected: &'static str },

    #[error(
        "{name} cannot listen on {address}: {error} (another port with --{flag}, 0 for a free one, or \
         another address with --host)"
    )]
    Listen { name: String, address: SocketAddr, flag: &'static str, error: io::Error },

    #[error(
        "the control address cannot listen on {address}: {error} (another port with --control-port, 0 for a \
         free one)"
    )]
    Control { address: SocketAddr, error: io::Error },

    #[error(
        "{}: {} of the certificate files are there ({}) and others are not ({}): add the missing ones, or \
         remove all five and new ones are made",
        folder.display(), found.len(), found.join(", "), missing.join(", ")
    )]
    HalfSet { folder: PathBuf, found: Vec<&'static str>, missing: Vec<&'static str> },

    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },

    #[error("{}: {problem}; remove all five certificate files and new ones are made", path.display())]
    Certificate { path: PathBuf, problem: String },

    #[error("a certificate cannot be made")]
    Make(#[from] rcgen::Error),

    #[error(
        "{} is not a file that a simulated site wrote, and is left alone: choose another folder with --certs",
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

/// The default virtual proxy has an empty prefix, which is seen between quotes.
fn list(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}
