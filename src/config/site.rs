//! The section of one site.

use std::collections::HashMap;
use std::sync::Arc;

use super::credentials;
use super::keys;
use super::patterns::VirtualProxyFilter;
use super::reader::{AlreadyReported, Section};
use super::settings::{ProxySettings, RepositorySettings, SiteSettings};
use qlik_sense::{QlikUser, VirtualProxy};

/// Reads the section of one site.
pub fn read(site: &Section<'_>) -> Result<SiteSettings, AlreadyReported> {
    let directory = site.required(&keys::site::USER_DIRECTORY);
    let id = site.required(&keys::site::USER_ID);
    let credentials = credentials::read(site);
    let repository = repository(site);
    let filter = filter(site);
    let proxies = proxies(site);
    let (filter, proxies) = (filter?, proxies?);
    check_something_is_queried(site, &filter, &proxies)?;
    Ok(SiteSettings {
        name: site.name().to_owned(),
        by_flags: site.is_by_flags(),
        user: QlikUser { directory: directory?, id: id? },
        credentials: Arc::new(credentials?),
        repository: repository?,
        virtual_proxies: filter,
        proxies,
    })
}

fn repository(site: &Section<'_>) -> Result<Option<RepositorySettings>, AlreadyReported> {
    let url = site.optional(&keys::site::REPOSITORY);
    let refresh = site.required(&keys::site::REPOSITORY_REFRESH);
    let (url, refresh) = (url?, refresh?);
    Ok(url.map(|url| RepositorySettings { url, refresh }))
}

fn filter(site: &Section<'_>) -> Result<VirtualProxyFilter, AlreadyReported> {
    let only = site.optional(&keys::site::VIRTUAL_PROXIES);
    let exclude = site.required(&keys::site::EXCLUDE_VIRTUAL_PROXIES);
    Ok(VirtualProxyFilter { only: only?, exclude: exclude? })
}

fn has_repository(site: &Section<'_>) -> bool {
    site.has(&keys::site::REPOSITORY.info)
}

fn proxies(site: &Section<'_>) -> Result<Vec<ProxySettings>, AlreadyReported> {
    let sections = site.sections("proxy");
    // All of them are read before the first error ends it.
    let proxies: Vec<_> = sections.iter().map(|section| proxy(section, has_repository(site))).collect();
    let proxies = proxies.into_iter().collect::<Result<Vec<_>, AlreadyReported>>()?;
    check_each_is_queried_once(&sections, &proxies)?;
    Ok(proxies)
}

fn proxy(section: &Section<'_>, has_repository: bool) -> Result<ProxySettings, AlreadyReported> {
    let url = match has_repository {
        true => section.optional(&keys::proxy::URL),
        false => section.required(&keys::proxy::URL).map(Some),
    };
    let virtual_proxies = section.optional(&keys::proxy::VIRTUAL_PROXIES);
    Ok(ProxySettings { name: section.name().to_owned(), url: url?, virtual_proxies: virtual_proxies? })
}

/// Two proxy sections with one address would count the same sessions twice.
fn check_each_is_queried_once(
    sections: &[Section<'_>],
    proxies: &[ProxySettings],
) -> Result<(), AlreadyReported> {
    let mut first = HashMap::new();
    let mut checked = Ok(());
    for (section, proxy) in sections.iter().zip(proxies) {
        let Some(url) = &proxy.url else { continue };
        for virtual_proxy in configured_virtual_proxies(proxy) {
            if let Some(other) = first.insert((url, virtual_proxy.clone()), &proxy.name) {
                let url = url.as_str().trim_end_matches('/');
                let text = format!(
                    "{url} is asked for {virtual_proxy} as proxy {other:?} too: its sessions would count twice"
                );
                checked = Err(section.error(&keys::proxy::URL.info, text));
            }
        }
    }
    checked
}

fn check_something_is_queried(
    site: &Section<'_>,
    filter: &VirtualProxyFilter,
    proxies: &[ProxySettings],
) -> Result<(), AlreadyReported> {
    if has_repository(site) {
        return Ok(());
    }
    if site.is_by_flags() {
        let text = "missing, expected an address such as https://sense1.company.com:4242: these flags name a site \
                    instead of a configuration file";
        return Err(site.error(&keys::site::REPOSITORY.info, text));
    }
    let section = site.path.child("proxy");
    if proxies.is_empty() {
        let text = format!(
            "nothing to ask, expected repository = \"https://HOST:4242\" or a section [{section}.NAME] with url"
        );
        return Err(site.section_error(text));
    }
    let queried: Vec<VirtualProxy> = proxies.iter().flat_map(configured_virtual_proxies).collect();
    if !queried.iter().any(|virtual_proxy| filter.admits(virtual_proxy)) {
        let text = format!(
            "nothing to ask: virtual_proxies and exclude_virtual_proxies leave none of those that \
             [{section}.NAME] names (\"/\" when it names none)"
        );
        return Err(site.section_error(text));
    }
    for pattern in filter.only.iter().flatten() {
        if !queried.iter().any(|virtual_proxy| pattern.matches(virtual_proxy)) {
            let text = format!("{:?} fits no virtual proxy that [{section}.NAME] names", pattern.text());
            site.warn(&keys::site::VIRTUAL_PROXIES.info, text);
        }
    }
    Ok(())
}

/// Returns the virtual proxies that a section queries when there is no repository to find others.
fn configured_virtual_proxies(proxy: &ProxySettings) -> Vec<VirtualProxy> {
    proxy.virtual_proxies.clone().unwrap_or_else(|| VirtualProxy::parse("/").into_iter().collect())
}
