//! One site: who asks, with which certificates, and whom.

use std::collections::HashMap;
use std::sync::Arc;

use figment::value::Value;
use url::Url;

use super::keys;
use super::layers::{self, Layer};
use super::paths::without_line_end;
use super::patterns::VirtualProxyFilter;
use super::reading::{NamedFile, Reading, Told};
use super::settings::{ProxySettings, RepositorySettings, SiteSettings};
use super::values;
use qlik_sense::credentials::{
    CertificateFacts, Credentials, KeyError, ParsedKey, Verify, day, now, parse_certificates, parse_key,
};
use qlik_sense::{QlikUser, VirtualProxy};

type Certificates = Vec<rustls::pki_types::CertificateDer<'static>>;

/// Reads the section of one site.
pub fn read(reading: &mut Reading<'_>, name: &str) -> Result<SiteSettings, Told> {
    let site = Section { name, reading };
    let directory = site.reading.required(&["site", name, "user_directory"], values::text);
    let id = site.reading.required(&["site", name, "user_id"], values::text);
    let mut site = site;
    let credentials = site.credentials();
    let repository = site.repository();
    let virtual_proxies = site.filter();
    let proxies = site.proxies();
    let (virtual_proxies, proxies) = (virtual_proxies?, proxies?);
    site.something_to_ask(&virtual_proxies, &proxies)?;
    Ok(SiteSettings {
        name: name.to_owned(),
        by_flags: reading.merged.site_by_flags(),
        user: QlikUser { directory: directory?, id: id? },
        credentials: Arc::new(credentials?),
        repository: repository?,
        virtual_proxies,
        proxies,
    })
}

/// One site by flags, a layer for each. It is named after its repository's host.
pub fn layers(settings: &[(&'static str, String)]) -> Vec<Layer> {
    let repository = settings.iter().find(|(key, _)| *key == "repository");
    let url = repository.and_then(|(_, url)| Url::parse(url).ok());
    // Without a host the address is told as a mistake.
    let host = url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty()).unwrap_or("site");
    let layer = |(key, value): &(&str, String)| {
        let path = ["site", host, key].map(str::to_owned);
        Layer::one(layers::flag(key), &path, Value::from(value.as_str()))
    };
    settings.iter().map(layer).collect()
}

struct Section<'r, 'a, 'n> {
    name: &'n str,
    reading: &'r mut Reading<'a>,
}

impl<'n> Section<'_, '_, 'n> {
    fn at<'k>(&self, key: &'k str) -> [&'k str; 3]
    where
        'n: 'k,
    {
        ["site", self.name, key]
    }

    /// A key of the site as it is written where the site is given.
    fn key_name(&self, key: &str) -> String {
        if self.reading.merged.site_by_flags() { layers::flag(key) } else { key.to_owned() }
    }

    fn credentials(&mut self) -> Result<Credentials, Told> {
        let verify = self.verify();
        let certificate = self.certificates("certificate", true);
        let key = self.key();
        // Without any check of servers no CA is needed.
        let ca = self.certificates("ca", !matches!(verify, Ok(Verify::None)));
        let (certificate, key) = (certificate?, key?);
        // That they fit each other is looked at whether the rest is good or not.
        let trust = ca.and_then(|ca| Ok((ca, verify?)));
        let (ca, verify) = trust.as_ref().map_or((Vec::new(), Verify::Full), Clone::clone);
        let credentials = Credentials::new(certificate, key.signing, ca, verify)
            .map_err(|mismatch| self.reading.wrong(&self.at("key"), mismatch.to_string()))?;
        trust?;
        self.warn_of_dates("certificate", "the client certificate", credentials.client_facts());
        for facts in credentials.ca_facts() {
            self.warn_of_dates("ca", "the CA's certificate", facts);
            if !facts.is_ca {
                let text = format!("the certificate {:?} is no CA's, expected root.pem", facts.subject);
                self.reading.warn(&self.at("ca"), text);
            }
        }
        if credentials.is_foreign() {
            let CertificateFacts { subject, issuer, .. } = credentials.client_facts();
            let text = format!(
                "the client certificate {subject:?} by {issuer:?} is no client certificate of this site's CA"
            );
            self.reading.warn(&self.at("certificate"), text);
        }
        Ok(credentials)
    }

    fn verify(&mut self) -> Result<Verify, Told> {
        let chosen = self.reading.required(&self.at("verify"), values::choice)?;
        Ok(match chosen {
            "ca" => Verify::Ca,
            "none" => Verify::None,
            _ => Verify::Full,
        })
    }

    fn certificates(&mut self, key: &str, required: bool) -> Result<Certificates, Told> {
        match self.reading.file(&self.at(key))? {
            Some(NamedFile { path, bytes }) => parse_certificates(&bytes)
                .map_err(|error| self.reading.wrong(&self.at(key), format!("{} {error}", path.display()))),
            None if required => Err(self.reading.missing(&self.at(key))),
            None => Ok(Vec::new()),
        }
    }

    fn key(&mut self) -> Result<ParsedKey, Told> {
        let file = self.reading.file(&self.at("key"));
        let password_file = self.reading.file(&self.at("key_password_file"));
        let Some(file) = file? else { return Err(self.reading.missing(&self.at("key"))) };
        let password_file = password_file?;
        let password = password_file.as_ref().map(|file| without_line_end(file.bytes.clone()));
        let path = file.path.display();
        match (parse_key(&file.bytes, password.as_deref()), password_file) {
            (Ok(key), Some(_)) if !key.encrypted => {
                self.reading.warn(&self.at("key_password_file"), "not needed, the key is not encrypted");
                Ok(key)
            }
            (Ok(key), _) => Ok(key),
            (Err(KeyError::PasswordWrong), Some(password)) => {
                let mut text = format!("{} {}", password.path.display(), KeyError::PasswordWrong);
                if [&b"\xff\xfe"[..], b"\xfe\xff", b"\xef\xbb\xbf"]
                    .iter()
                    .any(|mark| password.bytes.starts_with(mark))
                {
                    text += " (the file begins with a byte order mark, which counts as part of the password)";
                }
                Err(self.reading.wrong(&self.at("key_password_file"), text))
            }
            (Err(KeyError::PasswordMissing), _) => {
                let named_by = self.key_name("key_password_file");
                let text = format!("{path} {} in the file that {named_by} names", KeyError::PasswordMissing);
                Err(self.reading.wrong(&self.at("key"), text))
            }
            (Err(error), _) => Err(self.reading.wrong(&self.at("key"), format!("{path} {error}"))),
        }
    }

    fn warn_of_dates(&mut self, key: &str, what: &str, facts: &CertificateFacts) {
        let now = now();
        let CertificateFacts { subject, not_before, not_after, .. } = facts;
        if *not_after < now {
            self.reading.warn(&self.at(key), format!("{what} of {subject:?} expired on {}", day(*not_after)));
        } else if *not_before > now {
            let text = format!("{what} of {subject:?} is not valid before {}", day(*not_before));
            self.reading.warn(&self.at(key), text);
        }
    }

    fn repository(&mut self) -> Result<Option<RepositorySettings>, Told> {
        let url = self.reading.optional(&self.at("repository"), values::url);
        let refresh = self.reading.required(&self.at("repository_refresh"), values::duration);
        let (url, refresh) = (url?, refresh?);
        Ok(url.map(|url| RepositorySettings { url, refresh }))
    }

    fn filter(&mut self) -> Result<VirtualProxyFilter, Told> {
        let only = self.reading.optional(&self.at("virtual_proxies"), values::some_virtual_proxy_patterns);
        let exclude =
            self.reading.required(&self.at("exclude_virtual_proxies"), values::virtual_proxy_patterns);
        Ok(VirtualProxyFilter { only: only?, exclude: exclude? })
    }

    fn has_repository(&self) -> bool {
        self.reading.merged.get(&self.at("repository")).is_some()
    }

    fn proxies(&mut self) -> Result<Vec<ProxySettings>, Told> {
        let names = self.reading.merged.names(&self.at("proxy"));
        let is_section = |name: &String| {
            self.reading
                .merged
                .get(&["site", self.name, "proxy", name])
                .is_some_and(|value| value.as_dict().is_some())
        };
        let names: Vec<String> = names.into_iter().filter(is_section).collect();
        // All of them are read before the first mistake ends it.
        let read: Vec<_> = names.iter().map(|name| self.proxy(name)).collect();
        let proxies = read.into_iter().collect::<Result<Vec<_>, Told>>()?;
        self.asked_once(&proxies)?;
        Ok(proxies)
    }

    fn proxy(&mut self, name: &str) -> Result<ProxySettings, Told> {
        let path = |key| ["site", self.name, "proxy", name, key];
        let (url, virtual_proxies) = (path("url"), path("virtual_proxies"));
        let url = match self.has_repository() {
            true => self.reading.optional(&url, values::url),
            false => self.reading.required(&url, values::url).map(Some),
        };
        let virtual_proxies = self.reading.optional(&virtual_proxies, values::virtual_proxies);
        Ok(ProxySettings { name: name.to_owned(), url: url?, virtual_proxies: virtual_proxies? })
    }

    /// Two blocks with one address would count the same sessions twice.
    fn asked_once(&mut self, proxies: &[ProxySettings]) -> Result<(), Told> {
        let mut first = HashMap::new();
        let mut told = Ok(());
        for proxy in proxies {
            let Some(url) = &proxy.url else { continue };
            for virtual_proxy in asked(proxy) {
                if let Some(other) = first.insert((url.clone(), virtual_proxy.clone()), &proxy.name) {
                    let text = format!(
                        "{} is asked for {virtual_proxy} as proxy {other:?} too: its sessions would count twice",
                        url.as_str().trim_end_matches('/')
                    );
                    told = Err(self.reading.wrong(&["site", self.name, "proxy", &proxy.name, "url"], text));
                }
            }
        }
        told
    }

    fn something_to_ask(
        &mut self,
        filter: &VirtualProxyFilter,
        proxies: &[ProxySettings],
    ) -> Result<(), Told> {
        if self.has_repository() {
            return Ok(());
        }
        if self.reading.merged.site_by_flags() {
            let text = "missing, expected an address such as https://sense1.company.com:4242: these flags name a site \
                        instead of a configuration file";
            return Err(self.reading.wrong(&self.at("repository"), text));
        }
        let path = ["site", self.name];
        let section = keys::shown(&["site", self.name, "proxy"]);
        if proxies.is_empty() {
            let text = format!(
                "nothing to ask, expected repository = \"https://HOST:4242\" or a section [{section}.NAME] with url"
            );
            return Err(self.reading.wrong(&path, text));
        }
        let asked: Vec<VirtualProxy> = proxies.iter().flat_map(asked).collect();
        if !asked.iter().any(|virtual_proxy| filter.admits(virtual_proxy)) {
            let text = format!(
                "nothing to ask: virtual_proxies and exclude_virtual_proxies leave none of those that \
                 [{section}.NAME] names (\"/\" when it names none)"
            );
            return Err(self.reading.wrong(&path, text));
        }
        for pattern in filter.only.iter().flatten() {
            if !asked.iter().any(|virtual_proxy| pattern.matches(virtual_proxy)) {
                let text = format!("{:?} fits no virtual proxy that [{section}.NAME] names", pattern.text());
                self.reading.warn(&self.at("virtual_proxies"), text);
            }
        }
        Ok(())
    }
}

/// The virtual proxies that a block asks for when nothing is found by asking.
fn asked(proxy: &ProxySettings) -> Vec<VirtualProxy> {
    proxy.virtual_proxies.clone().unwrap_or_else(|| VirtualProxy::parse("/").into_iter().collect())
}
