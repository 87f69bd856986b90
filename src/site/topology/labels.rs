//! Which section of the configuration is about which proxy service, and by which label each goes.

use std::collections::{HashMap, HashSet};

use super::note::Note;
use crate::config::{ProxySettings, SiteSettings};
use qlik_sense::qrs::{Found, ProxyService};

/// Which section is about which proxy service.
pub struct Overrides<'a> {
    /// Each section with the index of the proxy service found that it is about, if any.
    pub sections: Vec<(&'a ProxySettings, Option<usize>)>,
    /// The indices above.
    taken: HashSet<usize>,
}

/// What is not clear goes into `notes`. `answered`: whether the repository has, ever.
pub fn overrides<'a>(
    settings: &'a SiteSettings,
    found: &Found,
    answered: bool,
    notes: &mut Vec<Note>,
) -> Overrides<'a> {
    let mut sections = Vec::new();
    let mut by_index: HashMap<usize, &str> = HashMap::new();
    for section in &settings.proxies {
        let index = match matching(&section.name, &found.proxy_services) {
            Ok(index) => index,
            Err(Several) => {
                notes.push(Note::Ambiguous(section.name.clone()));
                continue;
            }
        };
        match index {
            Some(index) => match by_index.get(&index) {
                Some(first) => {
                    notes.push(Note::OverriddenTwice((*first).to_owned(), section.name.clone()));
                    continue;
                }
                None => {
                    by_index.insert(index, &section.name);
                }
            },
            None if section.url.is_none() => {
                // Before the repository has answered it is not known what there is to override.
                if answered {
                    notes.push(Note::NothingToOverride(section.name.clone()));
                }
                continue;
            }
            None => {}
        }
        sections.push((section, index));
    }
    Overrides { sections, taken: by_index.into_keys().collect() }
}

/// More than one proxy service is meant equally well.
struct Several;

/// The proxy service of this name or, when there is none, of this host name. The exact case is tried first.
fn matching(name: &str, services: &[ProxyService]) -> Result<Option<usize>, Several> {
    let lower = name.to_lowercase();
    let criteria: [&dyn Fn(&ProxyService) -> bool; 4] = [
        &|service| service.name == name,
        &|service| service.name.to_lowercase() == lower,
        &|service| service.host == name,
        &|service| service.host.to_lowercase() == lower,
    ];
    let mut several = false;
    for matches in criteria {
        let mut matching =
            (0..).zip(services).filter(|(_, service)| matches(service)).map(|(index, _)| index);
        match (matching.next(), matching.next()) {
            (Some(index), None) => return Ok(Some(index)),
            (Some(_), Some(_)) => several = true,
            (None, _) => {}
        }
    }
    if several { Err(Several) } else { Ok(None) }
}

/// The label of each proxy service that no section is about: its name, its host name when it has none or
/// shares it, and with the port when it shares that too.
pub fn labels(found: &Found, overrides: &Overrides<'_>) -> HashMap<usize, String> {
    let services = &found.proxy_services;
    let mut names: HashMap<&str, usize> = HashMap::new();
    for service in services {
        *names.entry(&service.name).or_default() += 1;
    }
    let mut used: HashSet<String> =
        overrides.sections.iter().map(|(section, _)| section.name.clone()).collect();
    let mut labels = HashMap::new();
    let free = || services.iter().enumerate().filter(|(index, _)| !overrides.taken.contains(index));
    let has_own_name = |service: &ProxyService| {
        !service.name.is_empty() && names.get(&*service.name).is_some_and(|count| *count == 1)
    };
    // Those with a name of their own first: they keep it, whatever another one's host is called.
    for (index, service) in free().filter(|(_, service)| has_own_name(service)) {
        if used.insert(service.name.clone()) {
            labels.insert(index, service.name.clone());
        }
    }
    for (index, service) in free() {
        if labels.contains_key(&index) {
            continue;
        }
        let ProxyService { name, host, port, .. } = service;
        let candidates = [host.clone(), format!("{host}:{port}"), format!("{name} {host}:{port}")];
        if let Some(label) = candidates.into_iter().find(|label| !label.is_empty() && !used.contains(label)) {
            used.insert(label.clone());
            labels.insert(index, label);
        }
    }
    labels
}
