//! Types of the protocols: virtual proxy, user, session id.

use std::fmt;
use std::sync::Arc;

/// The longest prefix that Qlik accepts, in characters.
const MAX_PREFIX: usize = 100;

/// A virtual proxy, identified by its prefix: the first part of its users' URLs.
///
/// Qlik stores prefixes in lower case; the default virtual proxy has the empty one. `sales`, `/sales`, `/sales/`
/// and `/Sales` give the same value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualProxy {
    /// The path in users' URLs: `/`, or `/` and the prefix.
    path: Arc<str>,
}

/// Why a text is not a valid prefix.
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
    /// Parses a prefix, with or without slashes around it, in any case.
    ///
    /// # Errors
    /// When the prefix is longer than Qlik accepts, or would change the path of a request.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let prefix = text.trim_matches('/').to_lowercase();
        let length = prefix.chars().count();
        if length > MAX_PREFIX {
            return Err(PrefixError::TooLong(length));
        }
        if let Some(found) = prefix.chars().find(|c| !is_allowed(*c)) {
            return Err(PrefixError::Character(found));
        }
        if !prefix.is_empty()
            && let Some(found) = prefix.split('/').find(|s| matches!(*s, "" | "." | ".."))
        {
            return Err(PrefixError::Segment(found.to_owned()));
        }
        Ok(Self { path: format!("/{prefix}").into() })
    }

    /// Returns the prefix as Qlik stores it, without slashes around it; empty for the default virtual proxy.
    pub fn prefix(&self) -> &str {
        self.path.trim_start_matches('/')
    }

    /// Returns the path in users' URLs: `/` for the default virtual proxy, `/prefix` for the others.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The characters of a prefix, slashes included.
fn is_allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/".contains(c)
}

impl Default for VirtualProxy {
    /// Returns the default virtual proxy, whose prefix is empty.
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

/// A user of Qlik Sense as in a session. The case of both parts is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey<'a> {
    pub directory: &'a str,
    pub id: &'a str,
}

/// The error for a text that names no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no user, expected DIRECTORY\\ID such as LAB\\anna (quoted where a shell reads it; cmd.exe of \
     Windows accepts double quotes only)"
)]
pub struct UserError(String);

impl<'a> UserKey<'a> {
    /// Parses `DIRECTORY\ID`: splits at the first backslash and keeps both parts unchanged. Either may be empty, as
    /// in a session; the id may contain more backslashes.
    ///
    /// # Errors
    /// When there is no backslash, or the text is in single quotes.
    pub fn parse(text: &'a str) -> Result<Self, UserError> {
        // cmd.exe passes single quotes on, and no user would match them.
        let is_quoted = text.starts_with('\'') && text.ends_with('\'');
        match text.split_once('\\') {
            Some((directory, id)) if !is_quoted => Ok(Self { directory, id }),
            _ => Err(UserError(text.to_owned())),
        }
    }

    /// Returns whether this is an anonymous visitor: directory `NONE`, id `anonymous` and a GUID that is new for each
    /// visit.
    pub fn is_anonymous(&self) -> bool {
        self.directory == "NONE" && self.id.starts_with("anonymous")
    }
}

impl fmt::Display for UserKey<'_> {
    /// Writes `DIRECTORY\ID`, as [`UserKey::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\\{}", self.directory, self.id)
    }
}

/// The id of a session, valid in the path of a request. It is a secret: `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId<'a>(&'a str);

/// Why a text is not a valid session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionIdError {
    #[error("a session id cannot be empty")]
    Empty,
    /// `.` or `..`, which a URL's path resolves away.
    #[error(
        "{0:?} is no usable session id: in the path of a URL it stands for another path; expected an id from a \
         session list (only the inactivity timeout can end a session with this one)"
    )]
    Dots(String),
}

impl<'a> SessionId<'a> {
    /// Accepts any text but an empty one, `.` and `..`.
    ///
    /// # Errors
    /// When the text is one of these.
    pub fn parse(text: &'a str) -> Result<Self, SessionIdError> {
        match text {
            "" => Err(SessionIdError::Empty),
            "." | ".." => Err(SessionIdError::Dots(text.to_owned())),
            _ => Ok(Self(text)),
        }
    }

    /// Returns the id itself: for a request only.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The user in whose name requests are sent: the `X-Qlik-User` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QlikUser {
    pub directory: String,
    pub id: String,
}

impl QlikUser {
    /// Returns the same user as a key.
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
    fn a_prefix_that_would_change_the_path_of_a_request_is_refused() {
        assert_eq!(VirtualProxy::parse("a b"), Err(PrefixError::Character(' ')));
        assert_eq!(VirtualProxy::parse("a%2f"), Err(PrefixError::Character('%')));
        assert_eq!(VirtualProxy::parse("a?x"), Err(PrefixError::Character('?')));
        assert_eq!(VirtualProxy::parse("a/../b"), Err(PrefixError::Segment("..".into())));
        assert_eq!(VirtualProxy::parse("a//b"), Err(PrefixError::Segment(String::new())));
        assert_eq!(VirtualProxy::parse(&"x".repeat(101)), Err(PrefixError::TooLong(101)));
    }

    #[test]
    fn only_a_visitor_without_login_is_anonymous() {
        assert!(UserKey { directory: "NONE", id: "anonymous4711" }.is_anonymous());
        assert!(!UserKey { directory: "LAB", id: "anonymous4711" }.is_anonymous());
        assert!(!UserKey { directory: "NONE", id: "anna" }.is_anonymous());
    }

    #[test]
    fn a_text_that_names_another_path_is_no_session_id() {
        assert_eq!(SessionId::parse(""), Err(SessionIdError::Empty));
        for text in [".", ".."] {
            let error = SessionId::parse(text).unwrap_err();
            assert_eq!(error, SessionIdError::Dots(text.to_owned()));
            let message = error.to_string();
            assert!(message.contains("stands for another path"), "{message}");
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
    fn the_error_for_a_text_that_names_no_user_shows_the_expected_form() {
        for text in ["", "anna", "LAB/anna", "anna@lab", r"'LAB\anna'"] {
            let error = UserKey::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} names no user")), "{error}");
            assert!(error.contains(r"DIRECTORY\ID"), "{error}");
        }
    }
}
