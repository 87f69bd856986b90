//! The problems panel: one entry for each proxy service and reason.

use std::time::SystemTime;

use super::sites::{OngoingFailure, SiteView, SitesView};
use crate::sessions::UnmatchedFilter;

/// A problem and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteProblem {
    pub kind: ProblemKind,
    /// `production Node2 /, /sales`.
    pub location: String,
    pub message: String,
    /// What to try; may be empty.
    pub advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Queries have failed since then.
    Down(SystemTime),
    /// An answer has been awaited since then.
    Late(SystemTime),
    /// Something that was selected cannot be shown.
    Missing,
    /// A finding that an administrator should look at.
    Note,
}

/// Returns all problems in the order of the sites, unmatched filters first and notes last.
pub fn all(sites: &SitesView, unmatched: &[UnmatchedFilter]) -> Vec<SiteProblem> {
    let mut problems = Vec::new();
    for UnmatchedFilter { flag, why } in unmatched {
        problems.push(SiteProblem::new(ProblemKind::Missing, flag, why));
    }
    let several = sites.all.len() > 1;
    for site in &sites.all {
        add_failures(&mut problems, site, several);
    }
    for site in &sites.all {
        problems.extend(site.notes.iter().map(|note| SiteProblem::new(ProblemKind::Note, &site.name, note)));
    }
    problems
}

/// A proxy service with the virtual proxies that share a failure: together they are one problem.
struct FailedProxy<'a> {
    proxy: &'a str,
    failure: &'a OngoingFailure,
    virtual_proxies: Vec<&'a str>,
}

fn add_failures(problems: &mut Vec<SiteProblem>, site: &SiteView, several: bool) {
    if let Some(failure) = &site.discovery {
        problems.push(SiteProblem::of(&format!("{} repository", site.name), failure));
    } else if site.pairs.is_empty() {
        problems.push(SiteProblem {
            advice: "Check the flags: they may exclude everything. Run check to see what there is."
                .to_owned(),
            ..SiteProblem::new(ProblemKind::Missing, &site.name, "nothing to query")
        });
    }
    let mut failed: Vec<FailedProxy<'_>> = Vec::new();
    for pair in &site.pairs {
        let Err(failure) = &pair.sessions else { continue };
        match failed.iter_mut().find(|other| other.proxy == pair.proxy && other.failure == failure) {
            Some(same) => same.virtual_proxies.push(&pair.virtual_proxy),
            None => failed.push(FailedProxy {
                proxy: &pair.proxy,
                failure,
                virtual_proxies: vec![&pair.virtual_proxy],
            }),
        }
    }
    let site = if several { format!("{} ", site.name) } else { String::new() };
    for FailedProxy { proxy, failure, virtual_proxies } in failed {
        problems.push(SiteProblem::of(&format!("{site}{proxy} {}", virtual_proxies.join(", ")), failure));
    }
}

impl SiteProblem {
    fn new(kind: ProblemKind, location: &str, message: &str) -> Self {
        Self { kind, location: location.to_owned(), message: message.to_owned(), advice: String::new() }
    }

    fn of(location: &str, OngoingFailure { since, failure }: &OngoingFailure) -> Self {
        let kind = if failure.is_late() { ProblemKind::Late(*since) } else { ProblemKind::Down(*since) };
        Self { advice: failure.advice.clone(), ..Self::new(kind, location, &failure.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sessions::watch::refresh::SiteRefresh;
    use crate::commands::sessions::watch::testing::{at, down, failure, pair, refresh, site};

    fn places(sites: Vec<SiteRefresh>, unmatched: &[UnmatchedFilter]) -> Vec<String> {
        let problems = all(&SitesView::default().refreshed(refresh(at(0), sites)), unmatched);
        problems.into_iter().map(|problem| format!("{}: {}", problem.location, problem.message)).collect()
    }

    #[test]
    fn virtual_proxies_with_the_same_failure_are_one_problem() {
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
    fn problems_name_the_site_when_there_are_several() {
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
            "empty: nothing to query",
            "lab: look",
        ];
        let unmatched = UnmatchedFilter {
            flag: "--proxy Node9".to_owned(),
            why: "there is none of that name".to_owned(),
        };
        assert_eq!(places(sites, &[unmatched]), expected);
    }
}
