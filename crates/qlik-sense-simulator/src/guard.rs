//! Checks of every request: the Xrfkey in parameter and header, and a user for the repository.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;

use crate::site::Site;

const KEY_LENGTH: usize = 16;
const KEY_HEADER: &str = "x-qlik-xrfkey";
const USER_HEADER: &str = "x-qlik-user";

/// Delays every response by the site's latency. Its content is that at the time of the request.
pub(super) async fn delay(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let latency = site.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    response
}

/// Checks a request to the proxy service: a user is optional.
pub(super) async fn proxy(request: Request, next: Next) -> Response {
    checked(request, next, false).await
}

/// Checks a request to the repository service, which requires a user.
pub(super) async fn repository(request: Request, next: Next) -> Response {
    checked(request, next, true).await
}

async fn checked(request: Request, next: Next, user_required: bool) -> Response {
    if !has_key_twice(request.uri().query().unwrap_or_default(), request.headers()) {
        let text = "XSRF prevention check failed. Possible XSRF discovered.";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    match user(request.headers()) {
        Ok(None) if user_required => {
            (StatusCode::FORBIDDEN, "No user: X-Qlik-User is missing.").into_response()
        }
        Ok(_) => next.run(request).await,
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

fn has_key_twice(query: &str, headers: &HeaderMap) -> bool {
    let parameter = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("xrfkey"))
        .map(|(_, value)| value);
    let header = headers.get(KEY_HEADER).map(|value| value.as_bytes());
    match (parameter, header) {
        (Some(parameter), Some(header)) => {
            parameter.as_bytes() == header
                && header.len() == KEY_LENGTH
                && header.iter().all(u8::is_ascii_alphanumeric)
        }
        _ => false,
    }
}

/// Parses `UserDirectory=LAB; UserId=anna`, both values URL-encoded, into directory and id.
fn user(headers: &HeaderMap) -> Result<Option<(String, String)>, &'static str> {
    let malformed = "X-Qlik-User is not of the form UserDirectory=...; UserId=...";
    let Some(value) = headers.get(USER_HEADER) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| malformed)?;
    let (mut directory, mut id) = (None, None);
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(malformed)?;
        let value = percent_decode(value.trim().as_bytes()).decode_utf8().map_err(|_| malformed)?;
        match name.trim().to_ascii_lowercase().as_str() {
            "userdirectory" => directory = Some(value.into_owned()),
            "userid" => id = Some(value.into_owned()),
            _ => return Err(malformed),
        }
    }
    match (directory, id) {
        (Some(directory), Some(id)) if !id.is_empty() => Ok(Some((directory, id))),
        _ => Err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn the_key_is_needed_in_parameter_and_header() {
        let key = headers(KEY_HEADER, "abcdefghij987654");
        assert!(has_key_twice("Xrfkey=abcdefghij987654", &key));
        assert!(has_key_twice("filter=x&xrfkey=abcdefghij987654", &key));
        assert!(!has_key_twice("Xrfkey=abcdefghij987655", &key));
        assert!(!has_key_twice("", &key));
        assert!(!has_key_twice("Xrfkey=abcdefghij987654", &HeaderMap::new()));
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_refused() {
        for key in ["", "abcdefghij98765", "abcdefghij9876543", "abcdefghij98765-"] {
            assert!(!has_key_twice(&format!("Xrfkey={key}"), &headers(KEY_HEADER, key)), "{key:?}");
        }
    }

    #[test]
    fn a_user_is_parsed_in_the_forms_that_clients_send() {
        let expected = Ok(Some(("LAB".to_owned(), "anna müller".to_owned())));
        for text in
            ["UserDirectory=LAB; UserId=anna%20m%C3%BCller", "userid=anna%20m%c3%bcller;userdirectory=LAB;"]
        {
            assert_eq!(user(&headers(USER_HEADER, text)), expected, "{text}");
        }
        assert_eq!(user(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_user_without_directory_or_id_is_malformed() {
        for text in [
            "",
            "anna",
            "UserDirectory=LAB",
            "UserId=anna",
            "UserDirectory=LAB; UserId=",
            "UserDirectory=LAB; UserId=%ff",
        ] {
            assert!(user(&headers(USER_HEADER, text)).is_err(), "{text:?}");
        }
    }
}
