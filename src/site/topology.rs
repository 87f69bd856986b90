//! What is queried on a site: what the repository returned, narrowed by the filters and overridden by the proxy sections
//! of the configuration. Pure: the same for every command.

mod labels;
mod note;

use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use labels::{labels, overrides};
pub use note::Note;
use url::{Host, Url};

use crate::config::{ProxySettings, SiteSettings};
use qlik_sense::VirtualProxy;
use qlik_sense::qrs::{Found, Node, ProxyService};

/// What is queried on a site, and what else is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// Each `name` once, in their order.
    pub proxies: Vec<ProxyPlan>,
    /// What the repository knows, as far as the filters admit it; each once, in the order of their prefixes.
    pub virtual_proxies: Vec<VirtualProxyPlan>,
    /// What the configuration leaves out of all that is known, in no order.
    pub left_out: Vec<VirtualProxy>,
    /// Of the repository's build.
    pub version: Option<String>,
    /// What an administrator should look at.
    pub notes: Vec<Note>,
}

/// One proxy service, and the virtual proxies that it is queried for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyPlan {
    /// The `proxy` label.
    pub name: String,
    /// Of `url`; an IPv6 address without its brackets.
    pub host: String,
    /// Of `url`.
    pub port: u16,
    pub url: Url,
    /// Each once, in their order; none when the filters or the repository leave none.
    pub virtual_proxies: Vec<VirtualProxy>,
    /// What the configuration leaves out of those that it serves. Their sessions may be listed under another one.
    pub left_out: Vec<VirtualProxy>,
    /// As the repository knows it; None when only a section of the configuration does.
    pub found: Option<FoundAs>,
}

impl ProxyPlan {
    /// Host and port, as in `url`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port)
    }
}

/// A node's names in the repository, which may differ from those by which it is queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAs {
    pub name: String,
    /// As it stands in the node's own log rows too, there often without its domain.
    pub host: String,
}

/// A virtual proxy, whether it is queried anywhere or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualProxyPlan {
    pub virtual_proxy: VirtualProxy,
    pub description: String,
    pub session_cookie_header: String,
    pub inactivity_timeout: Option<Duration>,
    pub load_balancing_nodes: Vec<Node>,
    /// How many of the proxy services found link it.
    pub linked: usize,
}

impl Topology {
    /// Builds the topology. `found` is what the repository returned last: None before its first answer, or without a
    /// repository.
    pub fn new(settings: &SiteSettings, found: Option<&Found>) -> Self {
        let mut notes = Vec::new();
        let nothing = Found::default();
        let known = found.unwrap_or(&nothing);
        notes.extend(known.skipped.iter().cloned().map(Note::Skipped));
        let links = links(known);
        notes.extend(nothing_linked(settings, &links));
        let overrides = overrides(settings, known, found.is_some(), &mut notes);
        let labels = labels(known, &overrides);

        // Sections first: where two have one address, theirs is the name that was chosen.
        let mut plans = Vec::new();
        for (section, service) in &overrides.sections {
            let service =
                service.and_then(|index| Some((known.proxy_services.get(index)?, links.get(index)?)));
            // With a repository that has not answered yet it is not known which pairs are linked.
            let links_are_known = found.is_some() || settings.repository.is_none();
            if links_are_known || section.virtual_proxies.is_some() {
                plans.extend(of_section(section, service, &mut notes));
            }
        }
        for (index, (service, links)) in known.proxy_services.iter().zip(&links).enumerate() {
            if let Some(label) = labels.get(&index) {
                plans.extend(of_found(label.clone(), service, links, &mut notes));
            }
        }
        notes.extend(unmatched_filters(settings, found, &plans));
        for plan in &mut plans {
            let (admitted, left_out): (_, Vec<_>) = std::mem::take(&mut plan.virtual_proxies)
                .into_iter()
                .partition(|virtual_proxy| settings.virtual_proxies.admits(virtual_proxy));
            plan.virtual_proxies = admitted;
            plan.left_out.extend(left_out);
            plan.left_out.sort();
            plan.virtual_proxies.sort();
            plan.virtual_proxies.dedup();
        }
        let mut proxies = queried_once(plans, &mut notes);
        proxies.sort_by(|a, b| a.name.cmp(&b.name));
        let facts = known.virtual_proxies.iter().map(|facts| &facts.virtual_proxy);
        let left_out = facts
            .filter(|virtual_proxy| !settings.virtual_proxies.admits(virtual_proxy))
            .chain(proxies.iter().flat_map(|plan| &plan.left_out))
            .cloned()
            .collect();
        Self {
            proxies,
            left_out,
            virtual_proxies: virtual_proxies(settings, known, &links),
            version: known.version.clone(),
            notes,
        }
    }

    /// Returns whether there is no pair at all.
    pub fn has_no_pairs(&self) -> bool {
        self.proxies.iter().all(|plan| plan.virtual_proxies.is_empty())
    }
}

/// Returns the virtual proxies that each proxy service links. A link's id identifies it; its own prefix counts where
/// the repository lists no virtual proxy of that id.
fn links(found: &Found) -> Vec<HashSet<&VirtualProxy>> {
    let by_id: HashMap<&str, &VirtualProxy> = found
        .virtual_proxies
        .iter()
        .filter(|facts| !facts.id.is_empty())
        .map(|facts| (&*facts.id, &facts.virtual_proxy))
        .collect();
    found
        .proxy_services
        .iter()
        .map(|service| {
            service
                .links
                .iter()
                .map(|link| by_id.get(&*link.id).copied().unwrap_or(&link.virtual_proxy))
                .collect()
        })
        .collect()
}

/// A section's proxy service, with the links that were found for it.
fn of_section(
    section: &ProxySettings,
    service: Option<(&ProxyService, &HashSet<&VirtualProxy>)>,
    notes: &mut Vec<Note>,
) -> Option<ProxyPlan> {
    let linked = service.map(|(_, links)| links.iter().copied().cloned());
    let (virtual_proxies, left_out) = match (&section.virtual_proxies, linked) {
        (Some(named), linked) => {
            let others = linked.into_iter().flatten().filter(|it| !named.contains(it));
            (named.clone(), others.collect())
        }
        (None, Some(linked)) => (linked.collect(), Vec::new()),
        (None, None) => (vec![VirtualProxy::default()], Vec::new()),
    };
    let url = match (&section.url, service) {
        (Some(url), _) => url.clone(),
        (None, service) => address(service?.0, notes)?,
    };
    let plan = plan(section.name.clone(), url, virtual_proxies, service.map(|(service, _)| service));
    Some(ProxyPlan { left_out, ..plan })
}

fn of_found(
    label: String,
    service: &ProxyService,
    links: &HashSet<&VirtualProxy>,
    notes: &mut Vec<Note>,
) -> Option<ProxyPlan> {
    let url = address(service, notes)?;
    Some(plan(label, url, links.iter().copied().cloned().collect(), Some(service)))
}

fn plan(
    name: String,
    url: Url,
    virtual_proxies: Vec<VirtualProxy>,
    service: Option<&ProxyService>,
) -> ProxyPlan {
    ProxyPlan {
        name,
        host: match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => url.host_str().unwrap_or_default().to_owned(),
        },
        port: url.port_or_known_default().unwrap_or_default(),
        url,
        virtual_proxies,
        left_out: Vec::new(),
        found: service.map(|service| FoundAs { name: service.name.clone(), host: service.host.clone() }),
    }
}

/// Returns the address of a proxy service that was found.
fn address(service: &ProxyService, notes: &mut Vec<Note>) -> Option<Url> {
    let ProxyService { name, host, port, .. } = service;
    let url = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("https://[{address}]:{port}"),
        Err(_) => format!("https://{host}:{port}"),
    };
    // What is more than a host name would show in another part of the address.
    let url = Url::parse(&url).ok().filter(|url| {
        url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.port_or_known_default() == Some(*port)
    });
    if url.is_none() {
        notes.push(Note::NoHost { name: name.clone(), host: host.clone() });
    }
    url
}

/// Notes proxy services without a virtual proxy to query. Mostly rights are missing, which the repository does not report.
fn nothing_linked(settings: &SiteSettings, links: &[HashSet<&VirtualProxy>]) -> Option<Note> {
    let mut linked = links.iter().flatten();
    let is_queried = linked.any(|virtual_proxy| settings.virtual_proxies.admits(virtual_proxy));
    (!links.is_empty() && !is_queried).then(|| Note::NothingLinked { user: settings.user.key().to_string() })
}

/// Takes from each proxy service what an earlier one of the same address is queried for already: the sessions would
/// count twice.
fn queried_once(plans: Vec<ProxyPlan>, notes: &mut Vec<Note>) -> Vec<ProxyPlan> {
    let mut queried: HashMap<(Url, VirtualProxy), String> = HashMap::new();
    let mut remaining = Vec::new();
    for mut plan in plans {
        let before = plan.virtual_proxies.len();
        let mut same = None;
        plan.virtual_proxies.retain(|virtual_proxy| {
            let pair = (plan.url.clone(), virtual_proxy.clone());
            match queried.get(&pair) {
                Some(first) => {
                    same = Some(first.clone());
                    false
                }
                None => {
                    queried.insert(pair, plan.name.clone());
                    true
                }
            }
        });
        if let Some(first) = same {
            notes.push(Note::SameAddress { first, second: plan.name.clone() });
        }
        if before == 0 || !plan.virtual_proxies.is_empty() {
            remaining.push(plan);
        } else if let Some(first) = remaining.iter_mut().find(|first| first.url == plan.url) {
            first.left_out.append(&mut plan.left_out);
        }
    }
    remaining
}

/// Notes filters that may be misspelled, once the repository has answered.
fn unmatched_filters(settings: &SiteSettings, found: Option<&Found>, plans: &[ProxyPlan]) -> Vec<Note> {
    let Some(found) = found else { return Vec::new() };
    let queried = plans.iter().flat_map(|plan| &plan.virtual_proxies);
    let known: HashSet<&VirtualProxy> =
        found.virtual_proxies.iter().map(|facts| &facts.virtual_proxy).chain(queried).collect();
    let only = settings.virtual_proxies.only.iter().flatten();
    only.filter(|pattern| !known.iter().any(|virtual_proxy| pattern.matches(virtual_proxy)))
        .map(|pattern| Note::FitsNothing(pattern.text().to_owned()))
        .collect()
}

fn virtual_proxies(
    settings: &SiteSettings,
    found: &Found,
    links: &[HashSet<&VirtualProxy>],
) -> Vec<VirtualProxyPlan> {
    let mut plans: Vec<VirtualProxyPlan> = found
        .virtual_proxies
        .iter()
        .filter(|facts| settings.virtual_proxies.admits(&facts.virtual_proxy))
        .map(|facts| VirtualProxyPlan {
            virtual_proxy: facts.virtual_proxy.clone(),
            description: facts.description.clone(),
            session_cookie_header: facts.session_cookie_header.clone(),
            inactivity_timeout: facts.inactivity_timeout,
            load_balancing_nodes: facts.load_balancing_nodes.clone(),
            linked: links.iter().filter(|links| links.contains(&facts.virtual_proxy)).count(),
        })
        .collect();
    // Stable: of two with one prefix, the repository's first stays.
    plans.sort_by(|a, b| a.virtual_proxy.cmp(&b.virtual_proxy));
    plans.dedup_by(|later, first| later.virtual_proxy == first.virtual_proxy);
    plans
}

#[cfg(test)]
pub(crate) mod tests;
