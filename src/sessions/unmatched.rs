//! Parts of a filter that match nothing, and what there is instead.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use super::filter::{Filter, User};
use super::listing::{PairListing, UnmatchedFilter};
use super::site_lister::SiteLister;
use crate::site::topology::Topology;
use qlik_sense::VirtualProxy;

/// How many names are listed when there are more.
const SHOWN: usize = 20;

/// Returns names, as many as a person reads: `Central, Node2, … (17 more)`.
pub fn some_of(names: impl IntoIterator<Item = impl Display>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if let more @ 1.. = names.len().saturating_sub(SHOWN) {
        names.truncate(SHOWN);
        names.push(format!("… ({more} more)"));
    }
    names.join(", ")
}

/// Returns names of proxy services and virtual proxies that match nothing on any site; none while a repository fails,
/// since it is not known then what there is.
pub fn proxies_and_prefixes(filter: &Filter, sites: &[SiteLister]) -> Vec<UnmatchedFilter> {
    if !sites.iter().all(SiteLister::is_known) {
        return Vec::new();
    }
    let topologies: Vec<_> = sites.iter().map(|site| site.state().topology.clone()).collect();
    let plans: Vec<_> = topologies.iter().flat_map(|topology| &topology.proxies).collect();
    let mut unmatched = Vec::new();
    for name in &filter.proxies {
        let only = Filter { proxies: vec![name.clone()], ..Filter::default() };
        if !topologies.iter().any(|topology| only.proxies(topology).1.is_empty()) {
            let names = plans.iter().map(|plan| &*plan.name).collect();
            unmatched.push(UnmatchedFilter { flag: format!("--proxy {name}"), why: none_but(names) });
        }
    }
    let queried: BTreeSet<_> = plans.iter().flat_map(|plan| &plan.virtual_proxies).collect();
    for virtual_proxy in filter.virtual_proxies.iter().filter(|wanted| !queried.contains(wanted)) {
        let why = match why_not_queried(virtual_proxy, &topologies) {
            Some(why) => why.to_owned(),
            None => none_but(queried.clone()),
        };
        unmatched.push(UnmatchedFilter { flag: format!("--virtual-proxy {virtual_proxy}"), why });
    }
    unmatched
}

fn none_but(names: BTreeSet<impl Display>) -> String {
    let expected = if names.is_empty() { "" } else { ", expected one of " };
    format!("there is none of that name{expected}{}", some_of(names))
}

/// Returns why no proxy service is queried for a virtual proxy, whatever else is filtered; None when there is none.
fn why_not_queried(virtual_proxy: &VirtualProxy, topologies: &[Arc<Topology>]) -> Option<&'static str> {
    let mut known = topologies.iter().flat_map(|topology| &topology.virtual_proxies);
    match known.find(|plan| plan.virtual_proxy == *virtual_proxy) {
        Some(plan) if plan.linked == 0 => Some("no proxy service links it"),
        Some(_) => Some("no proxy service that links it is queried for it, see check"),
        None => topologies
            .iter()
            .any(|topology| topology.left_out.contains(virtual_proxy))
            .then_some("the configuration leaves it out (virtual_proxies, exclude_virtual_proxies)"),
    }
}

/// Users of a filter without a session.
#[derive(Default)]
pub struct AbsentUsers {
    /// Where a user whose name differs by case alone has one: case counts, which a person may not know.
    pub other_case: Vec<UnmatchedFilter>,
    pub absent: Vec<UnmatchedFilter>,
}

/// Returns the users of the filter without a session in any of the lists.
pub fn users<'r>(filter: &Filter, answers: impl Iterator<Item = &'r PairListing>) -> AbsentUsers {
    let lists: Vec<_> = answers.filter_map(|answer| answer.sessions.as_ref().ok()).collect();
    let mut found = AbsentUsers::default();
    for wanted in &filter.users {
        let mut listed = lists.iter().flat_map(|list| list.iter());
        if listed.any(|session| session.user == wanted.key()) {
            continue;
        }
        let flag = format!("--user {}", wanted.key());
        let why = "there is no session of that user".to_owned();
        let others = lists.iter().flat_map(|list| &list.other_case).map(User::key);
        let others: BTreeSet<_> = others.filter(|other| wanted.is_but_for_case(*other)).collect();
        if others.is_empty() {
            found.absent.push(UnmatchedFilter { flag, why });
        } else {
            let why = format!("{why}, listed as {}: upper and lower case count", some_of(others));
            found.other_case.push(UnmatchedFilter { flag, why });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_cut_and_counted() {
        assert_eq!(some_of(["a", "b"]), "a, b");
        let names = some_of(1..=SHOWN + 3);
        assert!(names.starts_with("1, 2, ") && names.ends_with(&format!(", {SHOWN}, … (3 more)")), "{names}");
        assert!(some_of(1..=SHOWN).ends_with(&format!(", {SHOWN}")));
        assert_eq!(none_but(BTreeSet::<&str>::new()), "there is none of that name");
    }
}
