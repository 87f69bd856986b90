//! One row of a session list, with the user's name.

use std::borrow::Cow;

use serde::Deserialize;

use super::text::{text, text_if_any, text_or_null};

/// One row of a session list, with the user's name.
#[derive(Deserialize)]
pub struct NamedSession<'a> {
    /// Empty when missing or null.
    #[serde(
        rename = "UserDirectory",
        alias = "userDirectory",
        default,
        borrow,
        deserialize_with = "text_or_null"
    )]
    pub user_directory: Cow<'a, str>,
    /// Empty when missing or null.
    #[serde(rename = "UserId", alias = "userId", default, borrow, deserialize_with = "text_or_null")]
    pub user_id: Cow<'a, str>,
    /// None when missing or null, as many versions have it.
    #[serde(rename = "UserName", alias = "userName", default, borrow, deserialize_with = "text_if_any")]
    pub user_name: Option<Cow<'a, str>>,
    /// A secret: whoever has it can take the session over.
    #[serde(rename = "SessionId", alias = "sessionId", borrow, deserialize_with = "text")]
    pub session_id: Cow<'a, str>,
}
