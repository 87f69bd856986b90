//! Patterns in which `*` stands for any run of characters: of users, of virtual proxies.

use qlik_sense::types::PrefixError;
use qlik_sense::{UserKey, VirtualProxy};

/// A text without regard to case, in which `*` stands for any run of characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<char>);

/// Letters as they compare without regard to case: `ẞ`, `ß`, `SS` and `ss` are the same, and so are
/// the Greek sigmas.
pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self(folded(text).collect())
    }

    fn matches(&self, text: &str) -> bool {
        // As good as all texts, and ten times as quick: users are compared at every scrape.
        if text.is_ascii() {
            self.matches_folded(text.bytes().map(|byte| byte.to_ascii_lowercase().into()))
        } else {
            self.matches_folded(folded(text))
        }
    }

    /// Compares from left to right, without copying the text; on a mismatch the last `*` takes one
    /// more character.
    fn matches_folded(&self, mut text: impl Iterator<Item = char> + Clone) -> bool {
        let mut pattern = self.0.iter();
        let mut retry = None;
        loop {
            let wanted = pattern.next();
            if wanted == Some(&'*') {
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            match (wanted, text.next()) {
                (None, None) => return true,
                (Some(wanted), Some(found)) if *wanted == found => continue,
                _ => {}
            }
            let Some((after_star, mut from)) = retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, text) = (after_star.clone(), from.clone());
            retry = Some((after_star, from));
        }
    }
}

/// Users who get no series of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    directory: Pattern,
    /// None: all users of the directory.
    user_id: Option<Pattern>,
}

impl Exclusion {
    /// Both texts may hold `*`; everything else, `?` included, is an ordinary character.
    pub fn new(directory: &str, user_id: Option<&str>) -> Self {
        Self { directory: Pattern::new(directory), user_id: user_id.map(Pattern::new) }
    }

    /// Whether it is about this user, without regard to case.
    pub fn matches(&self, user: UserKey<'_>) -> bool {
        self.directory.matches(user.directory)
            && self.user_id.as_ref().is_none_or(|pattern| pattern.matches(user.id))
    }
}

/// A prefix, or several by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualProxyPattern {
    pattern: Pattern,
    text: String,
}

impl VirtualProxyPattern {
    /// Reads a prefix in any of the ways people write it, with `*` in it or not.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        // `*` stands for letters, so what is right with letters in its place is a right pattern.
        VirtualProxy::parse(&text.replace('*', "x"))?;
        let text = format!("/{}", text.trim_matches('/').to_lowercase());
        Ok(Self { pattern: Pattern::new(text.trim_start_matches('/')), text })
    }

    /// Whether it stands for this virtual proxy.
    pub fn matches(&self, virtual_proxy: &VirtualProxy) -> bool {
        self.pattern.matches(virtual_proxy.prefix())
    }

    /// As the `virtual_proxy` label would have it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Which virtual proxies of a site are queried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualProxyFilter {
    /// Only these; None: all.
    pub only: Option<Vec<VirtualProxyPattern>>,
    /// Not these.
    pub exclude: Vec<VirtualProxyPattern>,
}

impl VirtualProxyFilter {
    /// Whether this virtual proxy is queried.
    pub fn admits(&self, virtual_proxy: &VirtualProxy) -> bool {
        let any = |patterns: &[VirtualProxyPattern]| patterns.iter().any(|p| p.matches(virtual_proxy));
        self.only.as_deref().is_none_or(any) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in [
            ("svc_*", "svc_"),
            ("svc_*", "svc_a"),
            ("*", ""),
            ("*b*", "abc"),
            ("a**c", "ac"),
            ("a*b*c", "abbxc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("svc_*", "svc"), ("*b", "abc"), ("", "a"), ("a", ""), ("a*b*c", "acb")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn case_does_not_matter_in_any_script() {
        for (pattern, text) in
            [("ÄRGER", "ärger"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("straße", "STRASSE"), ("anna", "ANNA")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_question_mark_is_an_ordinary_character() {
        assert!(matches("a?", "a?"));
        assert!(!matches("a?", "ab"));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        assert!(!matches(&"a*".repeat(300), &"a".repeat(299)));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(2000)));
    }

    #[test]
    fn no_user_id_means_all_of_the_directory() {
        let user = |directory, id| UserKey { directory, id };
        assert!(Exclusion::new("INTERNAL", None).matches(user("internal", "sa_api")));
        assert!(!Exclusion::new("INTERNAL", None).matches(user("LAB", "sa_api")));
        assert!(Exclusion::new("LAB", Some("svc_*")).matches(user("Lab", "SVC_backup")));
        assert!(!Exclusion::new("LAB", Some("svc_*")).matches(user("LAB", "anna")));
    }

    #[test]
    fn virtual_proxies_are_narrowed_by_both_filters() {
        let patterns =
            |texts: &[&str]| texts.iter().map(|t| VirtualProxyPattern::parse(t).unwrap()).collect();
        let filter =
            VirtualProxyFilter { only: Some(patterns(&["", "/Sales*/"])), exclude: patterns(&["*test"]) };
        let admits = |prefix| filter.admits(&VirtualProxy::parse(prefix).unwrap());
        assert!(admits("/") && admits("/sales") && admits("sales-eu"));
        assert!(!admits("/finance") && !admits("/sales-test"));
        assert!(VirtualProxyFilter::default().admits(&VirtualProxy::parse("x").unwrap()));
        assert!(VirtualProxyPattern::parse("a b*").is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern {
                    [] => text.is_empty(),
                    [b'*', rest @ ..] => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    [first, rest @ ..] => text.first() == Some(first) && plain(rest, &text[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
