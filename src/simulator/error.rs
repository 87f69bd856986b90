//! Why a simulated site cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a simulated site cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--{flag}: found {found}, expected {expected}")]
    Option { flag: &'static str, found: String, expected: &'static str },

    #[error(
        "{name} cannot listen on {address}: {source} (another port with --{flag}, 0 for a free one, or \
         another address with --host)"
    )]
    Listen { name: String, address: SocketAddr, flag: &'static str, source: io::Error },

    #[error(
        "{}: {} of the certificate files are there ({}) and others are not ({}): add the missing ones, or \
         remove all five and new ones are made",
        folder.display(), found.len(), found.join(", "), missing.join(", ")
    )]
    HalfSet { folder: PathBuf, found: Vec<&'static str>, missing: Vec<&'static str> },

    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("{}: {problem}; remove all five certificate files and new ones are made", path.display())]
    Certificate { path: PathBuf, problem: String },

    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),

    #[error(
        "{} is not a file that a simulated site wrote, and is left alone: choose another folder with --certs",
        path.display()
    )]
    ForeignConfig { path: PathBuf },

    #[error("the runtime stopped while the site was starting")]
    Interrupted,
}
