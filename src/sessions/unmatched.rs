//! Parts of a filter that fit nothing, and what there is instead.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use super::filter::{Filter, User};
use super::listing::{PairListing, UnmatchedFilter};
use super::site_lister::SiteLister;
use crate::site::topology::Topology;
use qlik_sense::VirtualProxy;

/// How many names are told, when there are more.
const SHOWN: usize = 20;

/// Names, as many as a person reads: `Central, Node2, … (17 more)`.
pub fn some_of(names: impl IntoIterator<Item = impl Display>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if let more @ 1.. = names.len().saturating_sub(SHOWN) {
        names.truncate(SHOWN);
        names.push(format!("… ({more} more)"));
    }
    names.join(", ")
}

/// Names of proxy services and virtual proxies that fit nothing on any of the sites. While a repository fails nobody
/// knows.
pub fn places(filter: &Filter, sites: &[SiteLister]) -> Vec<UnmatchedFilter> {
    if !sites.iter().all(SiteLister::is_known) {
        return Vec::new();
    }
    let topologies: Vec<_> = sites.iter().map(|site| site.state().topology.clone()).collect();
    let fits_somewhere = |name: &String| {
        let only = Filter { proxies: vec![name.clone()], ..Filter::default() };
        topologies.iter().any(|topology| only.proxies(topology).1.is_empty())
    };
    let plans = || topologies.iter().flat_map(|topology| &topology.proxies);
    let proxies = filter.proxies.iter().filter(|name| !fits_somewhere(name)).map(|name| UnmatchedFilter {
        flag: format!("--proxy {name}"),
        why: none_but(plans().map(|plan| &*plan.name).collect()),
    });
    let virtual_proxies = filter.virtual_proxies.iter().filter_map(|it| {
        let asked: BTreeSet<_> = plans().flat_map(|plan| &plan.virtual_proxies).collect();
        let fits = asked.contains(it);
        let why = || why_not_asked(it, &topologies).map_or_else(|| none_but(asked), str::to_owned);
        (!fits).then(|| UnmatchedFilter { flag: format!("--virtual-proxy {it}"), why: why() })
    });
    proxies.chain(virtual_proxies).collect()
}

fn none_but(names: BTreeSet<impl Display>) -> String {
    let expected = if names.is_empty() { "" } else { ", expected one of " };
    format!("there is none of that name{expected}{}", some_of(names))
}

/// Why no proxy service is asked for a virtual proxy, whatever else is filtered. None: there is no such one.
fn why_not_asked(virtual_proxy: &VirtualProxy, topologies: &[Arc<Topology>]) -> Option<&'static str> {
    let facts = topologies.iter().flat_map(|topology| &topology.virtual_proxies);
    let mut linked = facts.filter(|facts| facts.virtual_proxy == *virtual_proxy).map(|facts| facts.linked);
    match linked.next() {
        Some(0) => Some("no proxy service links it"),
        Some(_) => Some("no proxy service that links it is asked for it, see check"),
        None => topologies
            .iter()
            .any(|it| it.left_out.contains(virtual_proxy))
            .then_some("the configuration leaves it out (virtual_proxies, exclude_virtual_proxies)"),
    }
}

/// Users who have no session: those of whom there are some by a name that differs by case alone, which counts, and a
/// person may not know; and those of whom there are none at all.
pub fn users<'r>(
    filter: &Filter,
    answers: impl Iterator<Item = &'r PairListing> + Clone,
) -> (Vec<UnmatchedFilter>, Vec<UnmatchedFilter>) {
    let lists = answers.filter_map(|answer| answer.sessions.as_ref().ok());
    let (mut other_case, mut absent) = (Vec::new(), Vec::new());
    for wanted in &filter.users {
        if lists.clone().any(|list| list.iter().any(|it| it.user == wanted.key())) {
            continue;
        }
        let flag = format!("--user {}", wanted.key());
        let why = "there is no session of that user".to_owned();
        let others = lists.clone().flat_map(|list| &list.other_case);
        let others: BTreeSet<_> =
            others.map(User::key).filter(|other| wanted.is_but_for_case(*other)).collect();
        if others.is_empty() {
            absent.push(UnmatchedFilter { flag, why });
        } else {
            let why = format!("{why}, listed as {}: upper and lower case count", some_of(others));
            other_case.push(UnmatchedFilter { flag, why });
        }
    }
    (other_case, absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_some_are_told_and_how_many_there_are_besides() {
        assert_eq!(some_of(["a", "b"]), "a, b");
        let told = some_of(1..=SHOWN + 3);
        assert!(told.starts_with("1, 2, ") && told.ends_with(&format!(", {SHOWN}, … (3 more)")), "{told}");
        assert!(some_of(1..=SHOWN).ends_with(&format!(", {SHOWN}")));
        assert_eq!(none_but(BTreeSet::<&str>::new()), "there is none of that name");
    }
}
