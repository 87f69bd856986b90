//! What is wrong, in words: a line for each proxy service and reason.

use std::time::SystemTime;

use super::sites::{SiteView, SitesView, Trouble};
use crate::sessions::UnmatchedFilter;

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteProblem {
    pub kind: ProblemKind,
    /// `production Node2 /, /sales`.
    pub place: String,
    pub message: String,
    /// What to try; may be empty.
    pub advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// No answer since then.
    Down(SystemTime),
    /// One that has been waited for since then.
    Late(SystemTime),
    /// Something is not shown that was to be.
    Missing,
    /// Worth a theme, and no more.
    Note,
}

/// All that is wrong, in the order of the sites; notes last.
pub fn all(sites: &SitesView, unmatched: &[UnmatchedFilter]) -> Vec<SiteProblem> {
    let several = sites.all.len() > 1;
    let unmatched = unmatched
        .iter()
        .map(|UnmatchedFilter { flag, why }| SiteProblem::new(ProblemKind::Missing, flag, why));
    let notes = sites
        .all
        .iter()
        .flat_map(|site| site.notes.iter().map(|note| SiteProblem::new(ProblemKind::Note, &site.name, note)));
    unmatched.chain(sites.all.iter().flat_map(|site| of_site(site, several))).chain(notes).collect()
}

fn of_site(site: &SiteView, several: bool) -> Vec<SiteProblem> {
    let repository = format!("{} repository", site.name);
    let mut problems: Vec<_> = site.discovery.iter().map(|it| SiteProblem::of(&repository, it)).collect();
    if site.pairs.is_empty() && site.discovery.is_none() {
        problems.push(SiteProblem {
            advice: "Do the flags leave anything? check says what there is.".to_owned(),
            ..SiteProblem::new(ProblemKind::Missing, &site.name, "there is nothing to ask")
        });
    }
    let mut down: Vec<(&str, &Trouble, Vec<&str>)> = Vec::new();
    for pair in &site.pairs {
        let Err(trouble) = &pair.sessions else { continue };
        // One proxy service that is down is one problem, however many virtual proxies it has.
        let same =
            |(proxy, other, _): &&mut (&str, &Trouble, Vec<&str>)| *proxy == pair.proxy && *other == trouble;
        match down.iter_mut().find(same) {
            Some((_, _, virtual_proxies)) => virtual_proxies.push(&pair.virtual_proxy),
            None => down.push((&pair.proxy, trouble, vec![&pair.virtual_proxy])),
        }
    }
    problems.extend(down.into_iter().map(|(proxy, trouble, virtual_proxies)| {
        let site = if several { format!("{} ", site.name) } else { String::new() };
        SiteProblem::of(&format!("{site}{proxy} {}", virtual_proxies.join(", ")), trouble)
    }));
    problems
}

impl SiteProblem {
    fn new(kind: ProblemKind, place: &str, message: &str) -> Self {
        Self { kind, place: place.to_owned(), message: message.to_owned(), advice: String::new() }
    }

    fn of(place: &str, Trouble { since, failure }: &Trouble) -> Self {
        let kind = if failure.is_late() { ProblemKind::Late(*since) } else { ProblemKind::Down(*since) };
        Self { advice: failure.advice.clone(), ..Self::new(kind, place, &failure.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sessions::watch::refresh::SiteRefresh;
    use crate::commands::sessions::watch::testing::{at, down, failure, pair, refresh, site};

    fn places(sites: Vec<SiteRefresh>, unmatched: &[UnmatchedFilter]) -> Vec<String> {
        let problems = all(&SitesView::default().refreshed(refresh(at(0), sites)), unmatched);
        problems.into_iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect()
    }

    #[test]
    fn what_fails_in_the_same_way_on_a_proxy_service_is_one_problem() {
        let site = site(
            "lab",
            vec![
                pair("Central", "/", &[]),
                down("Node2", "/", "refused"),
                down("Node2", "/sales", "status 500"),
                down("Node2", "/finance", "refused"),
                down("Node3", "/", "refused"),
            ],
        );
        let expected = ["Node2 /, /finance: refused", "Node2 /sales: status 500", "Node3 /: refused"];
        assert_eq!(places(vec![site], &[]), expected);
    }

    #[test]
    fn a_site_is_named_where_there_are_several() {
        let repository = SiteRefresh { discovery: Some(failure("unknown host")), ..site("x", vec![]) };
        let noted = SiteRefresh {
            notes: vec!["look".to_owned()],
            ..site("lab", vec![down("Node2", "/", "refused")])
        };
        let sites = vec![noted, repository, site("empty", vec![])];
        let expected = [
            "--proxy Node9: there is none of that name",
            "lab Node2 /: refused",
            "x repository: unknown host",
            "empty: there is nothing to ask",
            "lab: look",
        ];
        let unmatched = UnmatchedFilter {
            flag: "--proxy Node9".to_owned(),
            why: "there is none of that name".to_owned(),
        };
        assert_eq!(places(sites, &[unmatched]), expected);
    }
}
