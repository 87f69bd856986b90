//! The words of Qlik's world: virtual proxy, user, directory.

use std::fmt;
use std::sync::Arc;

/// The longest prefix that Qlik accepts, in characters.
const MAX_PREFIX: usize = 100;

/// A virtual proxy, by its prefix: the first part of its users' URLs.
///
/// Qlik's prefixes are lower case; the default virtual proxy has the empty one. People write the
/// same prefix as `sales`, `/sales`, `/sales/` or `/Sales`: all become one value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualProxy {
    /// As users' URLs and the `virtual_proxy` label have it: `/`, or `/` and the prefix.
    path: Arc<str>,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    #[error("a prefix has {MAX_PREFIX} characters at most, this one has {0}")]
    TooLong(usize),
    #[error("the character {0:?} is not allowed in a prefix (a-z 0-9 - . _ ~)")]
    Character(char),
    #[error("the part {0:?} cannot stand between slashes")]
    Segment(String),
}

impl VirtualProxy {
    /// Reads a prefix in any of the ways people write it.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let prefix = text.trim_matches('/').to_lowercase();
        let length = prefix.chars().count();
        if length > MAX_PREFIX {
            return Err(PrefixError::TooLong(length));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/".contains(c);
        if let Some(found) = prefix.chars().find(|c| !allowed(*c)) {
            return Err(PrefixError::Character(found));
        }
        if !prefix.is_empty()
            && let Some(found) = prefix.split('/').find(|s| matches!(*s, "" | "." | ".."))
        {
            return Err(PrefixError::Segment(found.to_owned()));
        }
        Ok(Self { path: format!("/{prefix}").into() })
    }

    /// The prefix as Qlik stores it, without slashes around it; empty for the default one.
    pub fn prefix(&self) -> &str {
        self.path.trim_start_matches('/')
    }

    /// As the `virtual_proxy` label has it: `/` for the default, else `/prefix`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Default for VirtualProxy {
    /// The one with the empty prefix.
    fn default() -> Self {
        Self { path: "/".into() }
    }
}

impl fmt::Display for VirtualProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for VirtualProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualProxy({})", self.path)
    }
}

/// A user of Qlik Sense as a session names one: case is kept as given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey<'a> {
    pub directory: &'a str,
    pub id: &'a str,
}

/// A text is no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no user, expected DIRECTORY\\ID such as LAB\\anna (in quotes where a shell reads it; cmd.exe of \
     Windows knows double ones only)"
)]
pub struct UserError(String);

impl<'a> UserKey<'a> {
    /// Reads `DIRECTORY\ID`: splits at the first backslash, and keeps both sides as given. Either may be
    /// empty, as in a session; the id may hold more backslashes.
    pub fn parse(text: &'a str) -> Result<Self, UserError> {
        // As cmd.exe leaves it, whose quotes these are not: else nobody would be found.
        let is_quoted = text.starts_with('\'') && text.ends_with('\'');
        match text.split_once('\\') {
            Some((directory, id)) if !is_quoted => Ok(Self { directory, id }),
            _ => Err(UserError(text.to_owned())),
        }
    }

    /// Whether this is a visitor without a login: directory `NONE`, id `anonymous` and a GUID, a new
    /// one for each visit.
    pub fn is_anonymous(&self) -> bool {
        self.directory == "NONE" && self.id.starts_with("anonymous")
    }
}

impl fmt::Display for UserKey<'_> {
    /// As people write one, and as [`UserKey::parse`] reads it: `DIRECTORY\ID`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\\{}", self.directory, self.id)
    }
}

/// The id of a session that can be named in a request. It is a secret: nothing but a request gets it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId<'a>(&'a str);

/// A text is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionIdError {
    #[error("a session id is not empty")]
    Empty,
    /// `.` or `..`, which no path can hold: they name what stands before them.
    #[error(
        "{0:?} cannot be asked for as a session id: as a part of an address it stands for another path; expected an \
         id as `sessions list` shows it (a session that has this one ends by its inactivity timeout alone)"
    )]
    Dots(String),
}

impl<'a> SessionId<'a> {
    /// Any text but an empty one, `.` and `..`.
    pub fn parse(text: &'a str) -> Result<Self, SessionIdError> {
        match text {
            "" => Err(SessionIdError::Empty),
            "." | ".." => Err(SessionIdError::Dots(text.to_owned())),
            _ => Ok(Self(text)),
        }
    }

    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The user in whose name we ask: the `X-Qlik-User` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QlikUser {
    pub directory: String,
    pub id: String,
}

impl QlikUser {
    pub fn key(&self) -> UserKey<'_> {
        UserKey { directory: &self.directory, id: &self.id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_same_however_it_is_written() {
        for text in ["sales", "/sales", "/sales/", "sales/", "/Sales", "SALES"] {
            let found = VirtualProxy::parse(text).unwrap();
            assert_eq!((found.path(), found.prefix()), ("/sales", "sales"), "{text}");
        }
        for text in ["", "/", "//"] {
            let found = VirtualProxy::parse(text).unwrap();
            assert_eq!((found.path(), found.prefix()), ("/", ""), "{text:?}");
        }
    }

    #[test]
    fn inner_slashes_of_old_versions_are_kept() {
        assert_eq!(VirtualProxy::parse("/a/b/").unwrap().path(), "/a/b");
    }

    #[test]
    fn what_would_change_the_path_of_a_request_is_refused() {
        assert_eq!(VirtualProxy::parse("a b"), Err(PrefixError::Character(' ')));
        assert_eq!(VirtualProxy::parse("a%2f"), Err(PrefixError::Character('%')));
        assert_eq!(VirtualProxy::parse("a?x"), Err(PrefixError::Character('?')));
        assert_eq!(VirtualProxy::parse("a/../b"), Err(PrefixError::Segment("..".into())));
        assert_eq!(VirtualProxy::parse("a//b"), Err(PrefixError::Segment(String::new())));
        assert_eq!(VirtualProxy::parse(&"x".repeat(101)), Err(PrefixError::TooLong(101)));
    }

    #[test]
    fn only_a_visitor_without_login_is_anonymous() {
        let user = |directory, id| UserKey { directory, id };
        assert!(user("NONE", "anonymous4711").is_anonymous());
        assert!(!user("LAB", "anonymous4711").is_anonymous());
        assert!(!user("NONE", "anna").is_anonymous());
    }

    #[test]
    fn what_would_name_another_path_is_no_session_id() {
        assert_eq!(SessionId::parse(""), Err(SessionIdError::Empty));
        for text in [".", ".."] {
            let error = SessionId::parse(text).unwrap_err();
            assert_eq!(error, SessionIdError::Dots(text.to_owned()));
            let told = error.to_string();
            assert!(
                told.contains("stands for another path; expected an id as `sessions list` shows it"),
                "{told}"
            );
        }
        for text in [" ", "...", "a/..", "%2e", "/"] {
            assert_eq!(SessionId::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(format!("{:?}", SessionId::parse("secret").unwrap()), "SessionId(…)");
    }

    #[test]
    fn a_user_splits_at_the_first_backslash_and_stays_as_given() {
        for (text, directory, id) in [
            (r"LAB\anna", "LAB", "anna"),
            (r" Lab\Anna ", " Lab", "Anna "),
            (r"LAB\a\b", "LAB", r"a\b"),
            (r"\anna", "", "anna"),
            (r"LAB\", "LAB", ""),
            (r"\", "", ""),
        ] {
            assert_eq!(UserKey::parse(text), Ok(UserKey { directory, id }), "{text}");
            assert_eq!(UserKey { directory, id }.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_user_is_told_what_is_expected() {
        for text in ["", "anna", "LAB/anna", "anna@lab", r"'LAB\anna'"] {
            let error = UserKey::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} names no user")), "{error}");
            assert!(error.contains(r"DIRECTORY\ID"), "{error}");
        }
    }
}
