//! Settings from environment variables.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::file;
use super::keys::{self, KEYS, Kind};
use super::layers::Layer;
use super::mistakes::{Mistakes, Origin};
use super::similarity::distance;

/// What every variable of ours begins with.
pub const PREFIX: &str = "QLIK_SESSION_EXPORTER_";

/// Between the parts of a key's path.
const SEPARATOR: &str = "__";

/// What the variables say.
#[derive(Default)]
pub struct Variables {
    pub layers: Vec<Layer>,
    pub warnings: Vec<String>,
    pub mistakes: Mistakes,
}

/// The variables of this process that begin with our prefix.
pub fn of_process() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| without_prefix(name).is_some())
        .collect()
}

/// Reads the variables beside the content of the file, whose sites and proxies they may name.
pub fn read(environment: &[(String, String)], file: &Dict) -> Variables {
    let mut found = Variables::default();
    let mut set_by: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for (variable, text) in environment {
        let Some(name) = without_prefix(variable) else { continue };
        let origin = format!("environment variable {variable}");
        let mut fitting = fitting(&name.to_lowercase(), file);
        match (fitting.pop(), fitting.pop()) {
            (None, _) => {
                let meant = meant(&name.to_lowercase());
                let advice = meant.map(|meant| format!(", expected {meant}")).unwrap_or_default();
                found.warnings.push(format!("{origin} is no setting: it is not used{advice}"));
            }
            (Some(second), Some(first)) => {
                let (first, second) = (keys::shown(&first), keys::shown(&second));
                let text = format!(
                    "fits both {first} and {second}, expected a name that fits one: set it in the file"
                );
                found.mistakes.add(Origin::Given(origin), "", text);
            }
            (Some(path), None) => {
                let Some(key) = keys::find(&path) else { continue };
                if let Some(other) = set_by.insert(path.clone(), variable) {
                    let text = format!("is set by {other} too, expected one of them");
                    found.mistakes.add(Origin::Given(origin), keys::shown(&path), text);
                    continue;
                }
                found.layers.push(Layer::one(origin, &path, value(&key.kind, text)));
            }
        }
    }
    found
}

/// The same where the one site is given by flags: those of sites are about others.
pub fn read_without_sites(environment: &[(String, String)]) -> Variables {
    let is_of_site = |(name, _): &&(String, String)| {
        without_prefix(name).is_some_and(|name| name.to_lowercase().starts_with("site__"))
    };
    let (sites, others): (Vec<_>, Vec<_>) = environment.iter().partition(is_of_site);
    let others: Vec<_> = others.into_iter().cloned().collect();
    let mut found = read(&others, &Dict::new());
    let unused = sites
        .iter()
        .map(|(name, _)| format!("environment variable {name} is not used: the site is given by flags"));
    found.warnings.extend(unused);
    found
}

/// What a variable gives to a key of this kind. What cannot be read stays a text, so that the
/// mistake shows it.
pub fn value(kind: &Kind, text: &str) -> Value {
    match kind.is_text() {
        true => Value::from(text),
        false => file::value(text.trim()).unwrap_or_else(|| Value::from(text)),
    }
}

fn without_prefix(variable: &str) -> Option<&str> {
    let (prefix, name) = variable.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(name)
}

/// The paths that a variable's name, less prefix and in lower case, can mean. A name of a site or
/// proxy in the file goes before a new one.
fn fitting(name: &str, file: &Dict) -> Vec<Vec<String>> {
    let plain = KEYS.iter().filter(|key| !key.path.contains('*'));
    let plain = plain.map(|key| key.path.split('.').map(str::to_owned).collect::<Vec<_>>());
    let mut found: Vec<_> = plain.filter(|path| path.join(SEPARATOR) == name).collect();
    if let Some(rest) = name.strip_prefix("site__") {
        let sites = file.get("site").and_then(Value::as_dict);
        for (site, value) in sites.into_iter().flatten() {
            if let Some(rest) = after(rest, site) {
                found.extend(in_site(site, rest, value.as_dict()));
            }
        }
        if let (true, Some((site, rest))) = (found.is_empty(), rest.split_once(SEPARATOR)) {
            found.extend(in_site(site, rest, None));
        }
    }
    found
}

/// The same within one site.
fn in_site(site: &str, rest: &str, section: Option<&Dict>) -> Vec<Vec<String>> {
    let path = |names: &[&str]| {
        let path: Vec<String> = ["site", site].iter().chain(names).map(|name| (*name).to_owned()).collect();
        let is_named = path.iter().all(|name| !name.is_empty());
        (is_named && keys::find(&path).is_some()).then_some(path)
    };
    let mut found: Vec<_> = path(&[rest]).into_iter().collect();
    if let Some(rest) = rest.strip_prefix("proxy__") {
        let before = found.len();
        let proxies = section.and_then(|section| section.get("proxy")).and_then(Value::as_dict);
        for proxy in proxies.into_iter().flat_map(Dict::keys) {
            found.extend(after(rest, proxy).and_then(|key| path(&["proxy", proxy, key])));
        }
        if let (true, Some((proxy, key))) = (found.len() == before, rest.rsplit_once(SEPARATOR)) {
            found.extend(path(&["proxy", proxy, key]));
        }
    }
    found
}

/// The variable that may have been meant by a misspelt one, less its prefix and in lower case.
fn meant(name: &str) -> Option<String> {
    let plain = KEYS.iter().filter(|key| key.available && !key.path.contains('*'));
    let plain = plain.map(|key| key.path.replace('.', SEPARATOR));
    let in_section = name.rsplit_once(SEPARATOR).filter(|(around, _)| around.starts_with("site__"));
    let in_section = in_section.into_iter().flat_map(|(around, _)| {
        let section: &[&str] =
            if around.contains("__proxy__") { &["site", "*", "proxy", "*"] } else { &["site", "*"] };
        keys::names_in(section).into_iter().map(move |key| format!("{around}{SEPARATOR}{key}"))
    });
    let nearest = plain.chain(in_section).min_by_key(|known| distance(name, known))?;
    let last = nearest.rsplit(SEPARATOR).next().unwrap_or_default();
    (distance(name, &nearest) <= last.len() / 3).then(|| format!("{PREFIX}{}", nearest.to_uppercase()))
}

/// What follows a name of the file in a variable's name.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(&as_variable(name))?.strip_prefix(SEPARATOR)
}

/// A name of the file as variables write it.
fn as_variable(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(sites: &[(&str, &[&str])]) -> Dict {
        let named = |names: &[&str]| {
            Value::from(
                names.iter().map(|name| ((*name).to_owned(), Value::from(Dict::new()))).collect::<Dict>(),
            )
        };
        let site = |proxies: &[&str]| Value::from(Dict::from([("proxy".to_owned(), named(proxies))]));
        let sites: Dict = sites.iter().map(|(name, proxies)| ((*name).to_owned(), site(proxies))).collect();
        Dict::from([("site".to_owned(), Value::from(sites))])
    }

    fn paths(name: &str, file: &Dict) -> Vec<String> {
        fitting(&name.to_lowercase(), file).iter().map(|path| path.join("/")).collect()
    }

    #[test]
    fn names_of_the_file_are_found_without_regard_to_case_dash_and_dot() {
        let file = file(&[("Prod-EU.1", &["Central", "sense2.company.com"])]);
        assert_eq!(paths("SITE__PROD_EU_1__USER_ID", &file), ["site/Prod-EU.1/user_id"]);
        assert_eq!(
            paths("site__prod_eu_1__proxy__CENTRAL__Url", &file),
            ["site/Prod-EU.1/proxy/Central/url"]
        );
        assert_eq!(
            paths("SITE__PROD_EU_1__PROXY__SENSE2_COMPANY_COM__VIRTUAL_PROXIES", &file),
            ["site/Prod-EU.1/proxy/sense2.company.com/virtual_proxies"]
        );
        assert_eq!(paths("USERS__SESSION_LIMIT", &file), ["users/session_limit"]);
    }

    #[test]
    fn a_name_that_the_file_has_not_is_a_new_one_in_lower_case() {
        let file = file(&[("production", &["Central"])]);
        assert_eq!(paths("SITE__TEST__CA", &file), ["site/test/ca"]);
        assert_eq!(paths("SITE__PRODUCTION__PROXY__EDGE__URL", &file), ["site/production/proxy/edge/url"]);
        assert_eq!(paths("SITE__TEST__PROXY__EDGE__URL", &file), ["site/test/proxy/edge/url"]);
    }

    #[test]
    fn a_name_may_hold_the_separator() {
        let file = file(&[("a__b", &["x__y"])]);
        assert_eq!(paths("SITE__A__B__KEY", &file), ["site/a__b/key"]);
        assert_eq!(paths("SITE__A__B__PROXY__X__Y__URL", &file), ["site/a__b/proxy/x__y/url"]);
    }

    #[test]
    fn what_fits_two_names_fits_both() {
        let sites = file(&[("a-b", &[]), ("a.b", &[]), ("A_B", &[])]);
        assert_eq!(paths("SITE__A_B__KEY", &sites).len(), 3);
        let proxies = file(&[("s", &["Edge", "edge"])]);
        assert_eq!(paths("SITE__S__PROXY__EDGE__URL", &proxies).len(), 2);
    }

    #[test]
    fn other_names_fit_nothing() {
        for name in [
            "SERVICE_HOST",
            "PORT",
            "PORT_9877_TCP",
            "SITE",
            "USERS",
            "SITE__X",
            "SITE__X__USERID",
            "SITE____KEY",
        ] {
            assert_eq!(paths(name, &Dict::new()), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_misspelt_variable_gets_the_one_that_may_be_meant() {
        let warned = |name: &str| {
            let environment = [(format!("{PREFIX}{name}"), String::new())];
            let warnings = read(&environment, &file(&[("production", &["Central"])])).warnings;
            warnings[0].split(", expected ").nth(1).map(str::to_owned)
        };
        for (misspelt, meant) in [
            ("USERS__SESION_LIMIT", "USERS__SESSION_LIMIT"),
            ("USER__LABEL", "USERS__LABEL"),
            ("CACHE_TLL", "CACHE_TTL"),
            ("SITE__PRODUCTION__USERID", "SITE__PRODUCTION__USER_ID"),
            ("SITE__NEW__CERTIFCATE", "SITE__NEW__CERTIFICATE"),
            ("SITE__PRODUCTION__PROXY__CENTRAL__URI", "SITE__PRODUCTION__PROXY__CENTRAL__URL"),
        ] {
            assert_eq!(warned(misspelt), Some(format!("{PREFIX}{meant}")), "{misspelt}");
        }
        for other in ["SERVICE_HOST", "PORT", "PORT_9877_TCP_ADDR", "SITE__PRODUCTION__COLOUR", "SITE"] {
            assert_eq!(warned(other), None, "{other}");
        }
    }

    #[test]
    fn a_string_key_stays_a_string_and_others_are_read_as_toml() {
        let value = |path: &str, text| {
            let path: Vec<&str> = path.split('.').collect();
            value(&keys::find(&path).unwrap().kind, text)
        };
        assert_eq!(value("site.x.user_id", "123").as_str(), Some("123"));
        assert_eq!(value("site.x.key", r"C:\certs").as_str(), Some(r"C:\certs"));
        assert_eq!(value("users.session_limit", " 10 ").to_i128(), Some(10));
        assert_eq!(value("users.session_limit", "abc").as_str(), Some("abc"));
        let exclude = value("users.exclude", r#"[{directory="LAB"}]"#);
        let first = exclude.as_array().unwrap()[0].as_dict().unwrap();
        assert_eq!(first.get("directory").unwrap().as_str(), Some("LAB"));
    }

    proptest! {
        #[test]
        fn any_name_of_a_site_is_found_by_its_variable(name in "[A-Za-z][A-Za-z0-9._-]{0,12}", other in "[0-9]{1,3}") {
            let file = file(&[(&name, &[]), (&other, &[])]);
            let variable = format!("SITE__{}__USER_ID", name.to_uppercase().replace(['.', '-'], "_"));
            prop_assert_eq!(paths(&variable, &file), [format!("site/{name}/user_id")]);
        }

        #[test]
        fn no_variable_is_too_strange(name in "\\PC{0,40}", text in "\\PC{0,40}") {
            let file = file(&[("a", &["b"])]);
            let environment = [(format!("{PREFIX}{name}"), text.clone()), (name, text)];
            read(&environment, &file);
        }
    }
}
