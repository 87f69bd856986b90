//! The documentation: it matches the program, its links lead somewhere, README stays short.

mod links;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project;

/// Every page, README first, by its path from the top of the project.
pub fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(PathBuf::from).into();
    for crate_folder in entries("crates") {
        pages.push(crate_folder.join("README.md"));
    }
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in entries(folder) {
            if project::path(&entry).is_dir() {
                folders.push(entry);
            } else {
                pages.push(entry);
            }
        }
    }
    pages
}

/// The files and folders of a folder, by their paths from the top of the project, sorted.
fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(project::path(&folder)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| folder.as_ref().join(entry.unwrap().file_name())).collect();
    paths.sort();
    paths
}

pub fn text(page: impl AsRef<Path>) -> String {
    project::text(page.as_ref().to_str().unwrap())
}

/// The text of a page below a heading, up to the next one of that depth or above.
pub fn section(page: &str, heading: &str) -> String {
    let page_text = text(page);
    let depth = heading.bytes().take_while(|byte| *byte == b'#').count();
    let (_, rest) =
        page_text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{page} has no {heading}"));
    let mut is_fenced = false;
    let lines = rest.lines().take_while(|line| {
        is_fenced ^= line.starts_with("```");
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        // Within fences, lines that begin with a hash are comments.
        is_fenced || !((1..=depth).contains(&hashes) && line[hashes..].starts_with(' '))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The rows of all tables of a text whose first cell begins with code.
pub fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The texts between backticks.
pub fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The blocks within fences that are marked with this language, `""` for those without one.
pub fn fenced(text: &str, language: &str) -> Vec<String> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned())).collect()
}

#[test]
fn readme_has_less_than_200_lines() {
    let lines = text("README.md").lines().count();
    assert!(lines < 200, "{lines} lines: move what is not for an administrator in a hurry to docs/");
}
