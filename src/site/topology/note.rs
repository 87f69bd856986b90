//! What an administrator should look at.

use qlik_sense::qrs::Skipped;

/// Something about a site that an administrator should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    #[error(transparent)]
    Skipped(Skipped),
    #[error(
        "the section proxy.{0:?} has no url and matches no proxy service that the repository knows by name or \
         host name: correct its name, or give it a url"
    )]
    NothingToOverride(String),
    #[error(
        "the section proxy.{0:?} matches several proxy services of that name: name it after the host name of one"
    )]
    Ambiguous(String),
    #[error(
        "the sections proxy.{0:?} and proxy.{1:?} are about the same proxy service: the first one applies"
    )]
    OverriddenTwice(String, String),
    #[error("the proxy service {name:?} cannot be queried: {host:?} is not a host name")]
    NoHost { name: String, host: String },
    #[error(
        "the proxy services {first:?} and {second:?} have the same address: what both link is queried once, as \
         the first one's"
    )]
    SameAddress { first: String, second: String },
    #[error("{0:?} in virtual_proxies matches no virtual proxy of the site")]
    FitsNothing(String),
    #[error(
        "no proxy service that the repository shows the user {user} links a virtual proxy that is to be queried: do \
         virtual_proxies and exclude_virtual_proxies leave any? May that user (user_directory, user_id) read \
         virtual proxies? RootAdmin and INTERNAL\\sa_api may"
    )]
    NothingLinked { user: String },
}
