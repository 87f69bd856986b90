//! Prefixes and `DIR\ID`: what is read is read again as the same, and a prefix never changes the path of a
//! request.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qlik_sense::{UserKey, VirtualProxy};
use qlik_session_exporter::config::VirtualProxyPattern;
use url::Url;

fuzz_target!(|text: &str| {
    prefix(text);
    pattern(text);
    user(text);
});

fn prefix(text: &str) {
    let virtual_proxy = match VirtualProxy::parse(text) {
        Ok(virtual_proxy) => virtual_proxy,
        Err(error) => return one_line(&error.to_string()),
    };
    let (prefix, path) = (virtual_proxy.prefix(), virtual_proxy.path());
    assert_eq!(path, format!("/{prefix}"));
    for again in [prefix, path, &format!("{path}/"), &path.to_uppercase(), &text.to_lowercase()] {
        assert_eq!(VirtualProxy::parse(again).as_ref(), Ok(&virtual_proxy), "{again:?}");
    }

    // As `qlik_sense` requests the sessions.
    let mut expected: Vec<&str> = vec!["qps"];
    expected.extend(prefix.split('/').filter(|part| !part.is_empty()));
    expected.push("session");
    let path = format!("/{}", expected.join("/"));
    let mut url: Url = "https://sense1:4243".parse().unwrap();
    url.set_path(&path);
    assert_eq!(url.as_str(), format!("https://sense1:4243{path}"));
    assert_eq!(url.path_segments().unwrap().collect::<Vec<_>>(), expected);
    assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url));
}

fn pattern(text: &str) {
    let pattern = match VirtualProxyPattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            assert!(VirtualProxy::parse(text).is_err());
            return one_line(&error.to_string());
        }
    };
    assert_eq!(VirtualProxyPattern::parse(pattern.text()).as_ref(), Ok(&pattern));
    // Letters in place of the stars, or nothing where something else is left, make a prefix that it fits.
    for replacement in ["", "x", "xyz"] {
        if let Ok(virtual_proxy) = VirtualProxy::parse(&pattern.text().replace('*', replacement)) {
            let same = pattern.text().matches('/').count() == virtual_proxy.path().matches('/').count();
            assert!(pattern.matches(&virtual_proxy) || !same, "{pattern:?} {virtual_proxy}");
        }
    }
    if !text.contains('*') {
        assert_eq!(pattern.text(), VirtualProxy::parse(text).unwrap().path());
    }
}

fn user(text: &str) {
    match UserKey::parse(text) {
        Ok(user) => {
            assert!(!user.directory.contains('\\'));
            assert_eq!(format!("{}\\{}", user.directory, user.id), text);
        }
        Err(error) => {
            // In single quotes it is what cmd.exe leaves of a quoted user, and refused.
            let is_quoted = text.starts_with('\'') && text.ends_with('\'');
            assert!(is_quoted || !text.contains('\\'));
            one_line(&error.to_string());
        }
    }
}

fn one_line(message: &str) {
    assert!(!message.chars().any(char::is_control), "{message:?}");
}
