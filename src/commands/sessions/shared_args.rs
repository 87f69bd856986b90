//! The flags that the commands below `sessions` share.

use clap::{Args, ValueEnum};

use crate::sessions::{Filter, User};
use qlik_sense::VirtualProxy;

/// The flags that narrow down where sessions are listed. Nothing else is queried.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// Only this site; repeatable
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// Only this proxy service, by name or host; repeatable
    #[arg(long = "proxy", value_name = "NAME")]
    pub proxies: Vec<String>,
    /// Only this virtual proxy, / for the default one; repeatable
    #[arg(long = "virtual-proxy", value_name = "PREFIX", value_parser = VirtualProxy::parse)]
    pub virtual_proxies: Vec<VirtualProxy>,
}

impl PlaceArgs {
    /// Returns a filter for these places and users. Without users it admits all.
    pub fn filter(self, users: Vec<User>) -> Filter {
        let Self { sites, proxies, virtual_proxies } = self;
        Filter { sites, proxies, virtual_proxies, users }
    }
}

/// The flags that select the sessions to show.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only this user's sessions, in upper and lower case as listed; repeatable
    #[arg(long = "user", value_name = r"DIR\ID", value_parser = User::parse)]
    pub users: Vec<User>,
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Self {
        args.place.filter(args.users)
    }
}

/// The format of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    #[default]
    Table,
    Json,
    Csv,
}
