//! Settings from environment variables.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use figment::value::{Dict, Value};

use super::errors::{ConfigErrors, Source};
use super::key_path::KeyPath;
use super::keys::{self, KeyInfo, NAME, SECTIONS};
use super::merge::Layer;
use super::similarity::distance;

/// What every variable of ours begins with.
pub const PREFIX: &str = "QLIK_SESSION_EXPORTER_";

/// Between the parts of a key's path.
const SEPARATOR: &str = "__";

/// What the variables set.
#[derive(Default)]
pub struct Variables {
    pub layers: Vec<Layer>,
    pub warnings: Vec<String>,
    pub errors: ConfigErrors,
}

/// Returns the variables of this process that begin with our prefix.
pub fn of_process() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    let variables = variables.map(|(name, value)| (to_text(&name), to_text(&value)));
    variables.filter(|(name, _)| without_prefix(name).is_some()).collect()
}

fn to_text(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Reads the variables beside the content of the file, whose sites and proxies they may name.
pub fn read(environment: &[(String, String)], file: &Dict) -> Variables {
    let mut found = Variables::default();
    let mut set_by: BTreeMap<KeyPath, &str> = BTreeMap::new();
    for (variable, text) in environment {
        let Some(name) = without_prefix(variable).map(str::to_lowercase) else { continue };
        let source = Source::Env(variable.clone());
        match &*matching(&name, file) {
            [] => {
                let meant = similar_variable(&name).map(|meant| format!(", expected {meant}"));
                let meant = meant.unwrap_or_default();
                found.warnings.push(format!("{source} is no setting: it is not used{meant}"));
            }
            [Match { key, path }] => match set_by.insert(path.clone(), variable) {
                Some(other) => {
                    let text = format!("is set by {other} too, expected one of them");
                    found.errors.add(source, path, text);
                }
                None => found.layers.push(Layer { source, path: path.clone(), value: key.value_of(text) }),
            },
            [.., first, second] => {
                let (first, second) = (&first.path, &second.path);
                let text = format!(
                    "fits both {first} and {second}, expected a name that fits one: set it in the file"
                );
                found.errors.add(source, "", text);
            }
        }
    }
    found
}

/// Reads the variables where flags name the only site: those of sites are about others.
pub fn read_without_sites(environment: &[(String, String)]) -> Variables {
    let (sites, others): (Vec<_>, Vec<_>) = environment.iter().cloned().partition(is_of_site);
    let mut found = read(&others, &Dict::new());
    let sites = sites.into_iter().map(|(name, _)| Source::Env(name));
    found.warnings.extend(sites.map(|source| format!("{source} is not used: the site is given by flags")));
    found
}

fn is_of_site((variable, _): &(String, String)) -> bool {
    without_prefix(variable).is_some_and(|name| name.to_lowercase().starts_with("site__"))
}

fn without_prefix(variable: &str) -> Option<&str> {
    let (prefix, name) = variable.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(name)
}

/// A key that a variable's name stands for.
struct Match {
    key: &'static KeyInfo,
    path: KeyPath,
}

/// Returns the keys that a variable's name, less prefix and in lower case, can stand for. A name of a site or proxy in
/// the file has precedence over a new one.
fn matching(name: &str, file: &Dict) -> Vec<Match> {
    let mut found = Vec::new();
    for section in SECTIONS {
        let start = Candidate { rest: name, path: KeyPath::default(), section: Some(file) };
        let candidates = section.path.iter().fold(vec![start], |candidates, part| {
            candidates.into_iter().flat_map(|candidate| candidate.after(part)).collect()
        });
        for Candidate { rest, path, .. } in candidates {
            let key = section.keys.iter().find(|key| key.name == rest);
            found.extend(key.map(|key| Match { key, path: path.child(key.name) }));
        }
    }
    found
}

/// What a variable's name can stand for, up to a section on the way.
struct Candidate<'a> {
    /// What follows in the variable's name.
    rest: &'a str,
    path: KeyPath,
    /// The section in the file, when it is there.
    section: Option<&'a Dict>,
}

impl<'a> Candidate<'a> {
    /// Returns what the name can stand for after one more part of a section's path.
    fn after(self, part: &str) -> Vec<Self> {
        if part != NAME {
            return rest_after(self.rest, part).map(|rest| self.child(part, rest)).into_iter().collect();
        }
        let names = self.section.into_iter().flat_map(Dict::keys).filter(|name| !name.is_empty());
        let known =
            names.filter_map(|name| Some(self.child(name, rest_after(self.rest, &as_variable(name))?)));
        let known: Vec<_> = known.collect();
        match self.rest.split_once(SEPARATOR) {
            Some((name, rest)) if known.is_empty() && !name.is_empty() => vec![self.child(name, rest)],
            _ => known,
        }
    }

    fn child(&self, name: &str, rest: &'a str) -> Self {
        let section = self.section.and_then(|section| section.get(name)).and_then(Value::as_dict);
        Self { rest, path: self.path.child(name), section }
    }
}

/// Returns what follows the separator after `name`.
fn rest_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.strip_prefix(SEPARATOR)
}

/// Returns a name of the file as variables write it.
fn as_variable(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

/// Returns the variable that may have been meant by a misspelled one, which is given less its prefix and in lower case.
fn similar_variable(name: &str) -> Option<String> {
    let plain = SECTIONS.iter().filter(|section| !section.path.contains(&NAME));
    let keys = plain.flat_map(|section| section.keys).filter(|key| key.is_available);
    let mut known: Vec<String> = keys.map(|key| key.full_path().join(SEPARATOR)).collect();
    if let Some((section, _)) = name.rsplit_once(SEPARATOR) {
        let names = keys::names_in(&section.split(SEPARATOR).collect());
        known.extend(names.into_iter().map(|name| [section, name].join(SEPARATOR)));
    }
    let nearest = known.into_iter().min_by_key(|known| distance(name, known))?;
    let last = nearest.rsplit(SEPARATOR).next().unwrap_or_default();
    (distance(name, &nearest) <= last.len() / 3).then(|| format!("{PREFIX}{}", nearest.to_uppercase()))
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
        matching(&name.to_lowercase(), file).iter().map(|found| found.path.to_string()).collect()
    }

    #[test]
    fn names_of_the_file_are_found_without_regard_to_case_dash_and_dot() {
        let file = file(&[("Prod-EU.1", &["Central", "sense2.company.com"])]);
        assert_eq!(paths("SITE__PROD_EU_1__USER_ID", &file), [r#"site."Prod-EU.1".user_id"#]);
        assert_eq!(
            paths("site__prod_eu_1__proxy__CENTRAL__Url", &file),
            [r#"site."Prod-EU.1".proxy.Central.url"#]
        );
        assert_eq!(
            paths("SITE__PROD_EU_1__PROXY__SENSE2_COMPANY_COM__VIRTUAL_PROXIES", &file),
            [r#"site."Prod-EU.1".proxy."sense2.company.com".virtual_proxies"#]
        );
        assert_eq!(paths("USERS__SESSION_LIMIT", &file), ["users.session_limit"]);
    }

    #[test]
    fn a_name_that_the_file_has_not_is_a_new_one_in_lower_case() {
        let file = file(&[("production", &["Central"])]);
        assert_eq!(paths("SITE__TEST__CA", &file), ["site.test.ca"]);
        assert_eq!(paths("SITE__PRODUCTION__PROXY__EDGE__URL", &file), ["site.production.proxy.edge.url"]);
        assert_eq!(paths("SITE__TEST__PROXY__EDGE__URL", &file), ["site.test.proxy.edge.url"]);
    }

    #[test]
    fn a_name_may_hold_the_separator() {
        let file = file(&[("a__b", &["x__y"])]);
        assert_eq!(paths("SITE__A__B__KEY", &file), ["site.a__b.key"]);
        assert_eq!(paths("SITE__A__B__PROXY__X__Y__URL", &file), ["site.a__b.proxy.x__y.url"]);
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

    proptest! {
        #[test]
        fn any_name_of_a_site_is_found_by_its_variable(name in "[A-Za-z][A-Za-z0-9._-]{0,12}", other in "[0-9]{1,3}") {
            let file = file(&[(&name, &[]), (&other, &[])]);
            let variable = format!("SITE__{}__USER_ID", name.to_uppercase().replace(['.', '-'], "_"));
            let path = KeyPath::from_iter(["site", &name, "user_id"]);
            prop_assert_eq!(paths(&variable, &file), [path.to_string()]);
        }

        #[test]
        fn no_variable_is_too_strange(name in "\\PC{0,40}", text in "\\PC{0,40}") {
            let file = file(&[("a", &["b"])]);
            let environment = [(format!("{PREFIX}{name}"), text.clone()), (name, text)];
            read(&environment, &file);
        }
    }
}
