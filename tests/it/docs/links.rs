//! Every link of every page, without the network: of addresses elsewhere only the form is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use reqwest::Url;

use super::{pages, text};
use crate::support::project;

/// The links and headings of a page.
#[derive(Default)]
struct Outline {
    links: Vec<String>,
    /// What may follow `#` in a link to this page.
    anchors: BTreeSet<String>,
}

/// Returns the outline of a page that is written in Markdown.
fn outline(markdown: &str) -> Outline {
    let mut outline = Outline::default();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                outline.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                assert!(outline.anchors.insert(anchor.clone()), "two headings have the anchor {anchor}");
            }
            _ => (),
        }
    }
    outline
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase().replace(' ', "-");
    lower.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

/// Follows a relative path from a page, within the project.
fn resolve(page: &Path, target: &str) -> Option<PathBuf> {
    let mut path = page.parent().unwrap().to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => (),
            Component::ParentDir if path.pop() => (),
            _ => return None,
        }
    }
    Some(path)
}

/// What is wrong with a link of a page, if anything is.
fn problem(page: &Path, link: &str, outlines: &BTreeMap<PathBuf, Outline>) -> Option<&'static str> {
    if link.contains("://") {
        let url = Url::parse(link).ok();
        let is_good = url.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        return (!is_good).then_some("not the address of a web page");
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { Some(page.to_owned()) } else { resolve(page, file) };
    let Some(target) = target else { return Some("leaves the project") };
    if !project::path(&target).exists() {
        return Some("no such file");
    }
    match (anchor, outlines.get(&target)) {
        (None, _) => None,
        (Some(anchor), Some(outline)) => (!outline.anchors.contains(anchor)).then_some("no such heading"),
        (Some(_), None) => Some("a heading of a file that is not a page"),
    }
}

fn outlines() -> BTreeMap<PathBuf, Outline> {
    pages().into_iter().map(|page| (page.clone(), outline(&text(&page)))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let outlines = outlines();
    let mut broken = Vec::new();
    for (page, outline) in &outlines {
        for link in &outline.links {
            if let Some(problem) = problem(page, link, &outlines) {
                broken.push(format!("{}: {link}: {problem}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    let links: usize = outlines.values().map(|outline| outline.links.len()).sum();
    assert!(links > 50, "{links}");
}

#[test]
fn broken_links_are_found() {
    let outlines = outlines();
    let of = |link| problem(Path::new("docs/grafana.md"), link, &outlines);
    for good in ["../README.md", "../README.md#install", "#variables", "runbooks", "https://grafana.com/docs"]
    {
        assert_eq!(of(good), None, "{good}");
    }
    for (link, expected) in [
        ("README.md", "no such file"),
        ("../README.md#no-heading", "no such heading"),
        ("#no-heading", "no such heading"),
        ("../../README.md", "leaves the project"),
        ("../prometheus/rules.yml#groups", "a heading of a file that is not a page"),
        ("https://", "not the address of a web page"),
        ("ftp://example.com", "not the address of a web page"),
    ] {
        assert_eq!(of(link), Some(expected), "{link}");
    }
}

#[test]
fn readme_links_every_page_of_docs() {
    let linked: BTreeSet<_> = outline(&text("README.md"))
        .links
        .iter()
        .filter_map(|link| resolve(Path::new("README.md"), link))
        .collect();
    for page in pages().iter().filter(|page| page.parent() == Some(Path::new("docs"))) {
        assert!(linked.contains(page), "{}", page.display());
    }
}
