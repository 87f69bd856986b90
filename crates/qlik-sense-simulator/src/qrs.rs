//! The repository service's interface (QRS, port 4242).

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::Value;

use crate::faults::response::{self, FaultTarget};
use crate::site::Site;
use crate::{guard, objects};

/// Returns the router of the repository service.
pub(super) fn router(site: Arc<Site>) -> Router {
    let target = FaultTarget { endpoint: site.repository.clone(), node: None };
    Router::new()
        .route("/qrs/about", get(|| async { Json(objects::about()) }))
        .route("/qrs/proxyservice/full", get(proxy_services))
        .route("/qrs/virtualproxyconfig/full", get(virtual_proxies))
        .fallback(|| async { (StatusCode::NOT_FOUND, "No such path in the repository service.") })
        .with_state(site.clone())
        .layer(middleware::from_fn(guard::repository))
        .layer(middleware::from_fn_with_state(target, response::layer))
        .layer(middleware::from_fn_with_state(site, guard::delay))
}

async fn proxy_services(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    match filter(query.as_deref()) {
        None => Json(objects::proxy_services(&site)).into_response(),
        Some(_) => bad_filter(),
    }
}

async fn virtual_proxies(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let wanted = match filter(query.as_deref()) {
        None => None,
        Some(filter) => match prefixes(&filter) {
            Some(prefixes) => Some(prefixes),
            None => return bad_filter(),
        },
    };
    let virtual_proxies = site.virtual_proxies();
    let found = virtual_proxies
        .iter()
        .filter(|virtual_proxy| wanted.as_ref().is_none_or(|wanted| wanted.contains(&virtual_proxy.prefix)));
    let found: Vec<Value> = found.map(|virtual_proxy| objects::virtual_proxy(&site, virtual_proxy)).collect();
    Json(found).into_response()
}

fn bad_filter() -> Response {
    (
        StatusCode::BAD_REQUEST,
        "The simulated repository supports filters of the form prefix eq 'x' or prefix eq 'y' \
      on virtualproxyconfig only.",
    )
        .into_response()
}

fn filter(query: Option<&str>) -> Option<String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, value)| name.eq_ignore_ascii_case("filter") && !value.trim().is_empty())
        .map(|(_, value)| value.into_owned())
}

/// Returns the prefixes of `prefix eq 'x' or prefix eq 'y'`; `None` for any other filter.
fn prefixes(filter: &str) -> Option<Vec<String>> {
    let mut prefixes = Vec::new();
    let mut rest = filter.trim();
    loop {
        rest = word(word(rest, "prefix")?, "eq")?.strip_prefix('\'')?;
        let (prefix, after) = rest.split_once('\'')?;
        prefixes.push(prefix.to_owned());
        if after.trim().is_empty() {
            return Some(prefixes);
        }
        rest = word(after.trim_start(), "or")?;
    }
}

/// Returns the text after this word, in any case; `None` if the text begins with another word.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (found, rest) = text.split_once(' ')?;
    found.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_one_or_several_prefixes() {
        assert_eq!(prefixes("prefix eq ''"), Some(vec![String::new()]));
        let both = Some(vec!["sales".to_owned(), "a/b".to_owned()]);
        assert_eq!(prefixes("prefix eq 'sales' or prefix eq 'a/b'"), both);
        assert_eq!(prefixes(" Prefix EQ 'sales'  OR  prefix  eq 'a/b' "), both);
    }

    #[test]
    fn any_other_filter_is_refused() {
        for filter in [
            "prefix",
            "prefix eq sales",
            "prefix ne 'x'",
            "id eq 'x'",
            "prefix eq 'x' and prefix eq 'y'",
            "prefix eq 'x' or",
        ] {
            assert_eq!(prefixes(filter), None, "{filter}");
        }
    }
}
