//! What is wrong, in words: a line for each proxy service and reason.

use std::time::SystemTime;

use super::sites::{Site, Sites, Trouble};

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `production Node2 /, /sales`.
    pub place: String,
    /// When it was seen first; None: it is not about the sites.
    pub since: Option<SystemTime>,
    pub message: String,
    /// What to try; may be empty.
    pub advice: String,
}

/// All that is wrong, in the order of the sites.
pub fn all(sites: &Sites, unknown: &[String]) -> Vec<Problem> {
    let several = sites.all.len() > 1;
    let unknown = unknown.iter().map(|flag| Problem {
        place: flag.clone(),
        since: None,
        message: "fits nothing that there is".to_owned(),
        advice: String::new(),
    });
    unknown.chain(sites.all.iter().flat_map(|site| of_site(site, several))).collect()
}

fn of_site(site: &Site, several: bool) -> Vec<Problem> {
    let discovery = site.discovery.iter().map(|trouble| Problem::new(format!("{} repository", site.name), trouble));
    let nothing = (site.pairs.is_empty() && site.discovery.is_none()).then(|| Problem {
        place: site.name.to_string(),
        since: None,
        message: "there is nothing to ask".to_owned(),
        advice: "Do the flags leave anything? check says what there is.".to_owned(),
    });
    let mut problems: Vec<Problem> = discovery.chain(nothing).collect();
    let mut down: Vec<(&str, &Trouble, Vec<&str>)> = Vec::new();
    for pair in &site.pairs {
        let Err(trouble) = &pair.sessions else { continue };
        // One proxy service that is down is one problem, however many virtual proxies it has.
        let same = |(proxy, other, _): &&mut (&str, &Trouble, Vec<&str>)| {
            *proxy == pair.proxy && other.failure == trouble.failure && other.since == trouble.since
        };
        match down.iter_mut().find(same) {
            Some((_, _, virtual_proxies)) => virtual_proxies.push(&pair.virtual_proxy),
            None => down.push((&pair.proxy, trouble, vec![&pair.virtual_proxy])),
        }
    }
    problems.extend(down.into_iter().map(|(proxy, trouble, virtual_proxies)| {
        let site = if several { format!("{} ", site.name) } else { String::new() };
        Problem::new(format!("{site}{proxy} {}", virtual_proxies.join(", ")), trouble)
    }));
    problems
}

impl Problem {
    fn new(place: String, trouble: &Trouble) -> Self {
        let Trouble { since, failure } = trouble;
        Self {
            place,
            since: Some(*since),
            message: failure.message.clone(),
            advice: failure.advice.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::sessions::watch::content::SiteAnswer;
    use crate::command::sessions::watch::testing::{at, down, failure, pair, refresh, site};

    fn places(sites: Vec<SiteAnswer>, unknown: &[String]) -> Vec<String> {
        let problems = all(&Sites::default().refreshed(refresh(at(0), sites)), unknown);
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
        let repository = SiteAnswer { discovery: Some(failure("unknown host")), ..site("x", vec![]) };
        let sites = vec![site("lab", vec![down("Node2", "/", "refused")]), repository, site("empty", vec![])];
        let expected = [
            "--proxy Node9: fits nothing that there is",
            "lab Node2 /: refused",
            "x repository: unknown host",
            "empty: there is nothing to ask",
        ];
        assert_eq!(places(sites, &["--proxy Node9".to_owned()]), expected);
    }
}
