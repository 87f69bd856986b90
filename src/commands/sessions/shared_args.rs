//! The flags that the commands below `sessions` have in common.

use clap::{Args, ValueEnum};

use crate::sessions::{Filter, User};
use qlik_sense::VirtualProxy;

/// Where sessions are looked for. What is not asked for is not asked.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// Only this site; may be given several times
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// Only this proxy service, by its name or its host; may be given several times
    #[arg(long = "proxy", value_name = "NAME")]
    pub proxies: Vec<String>,
    /// Only this virtual proxy, / for the default one; may be given several times
    #[arg(long = "virtual-proxy", value_name = "PREFIX", value_parser = VirtualProxy::parse)]
    pub virtual_proxies: Vec<VirtualProxy>,
}

impl PlaceArgs {
    /// The same, of these users, or of all when there are none.
    pub fn filter(self, users: Vec<User>) -> Filter {
        let Self { sites, proxies, virtual_proxies } = self;
        Filter { sites, proxies, virtual_proxies, users }
    }
}

/// Which sessions are shown.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only this user's sessions, case as listed; may be given several times
    #[arg(long = "user", value_name = r"DIR\ID", value_parser = User::parse)]
    pub users: Vec<User>,
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Self {
        args.place.filter(args.users)
    }
}

/// How a list is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    #[default]
    Table,
    Json,
    Csv,
}
