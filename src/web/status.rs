//! `/`: the status page. It shows the last answers with their age and queries nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::responses::{BUSY, unavailable};
use super::state::{ActiveConfig, WebState};
use crate::collector::{Expiry, PairSnapshot, SiteSnapshot};
use crate::config::{UserLabel, UserSettings};
use crate::exposition::users::{Hasher, SiteUsers};
use qlik_sense::credentials::now;

/// The path of the page's stylesheet.
pub const STYLE_PATH: &str = "/-/style.css";

/// The policy of all pages: nothing from other hosts, no scripts, no frames.
pub const SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The number of users at the limit that the page names.
const MOST_NAMED: usize = 50;

/// Days before its expiry from which a certificate is a warning; the alert has the same.
const EXPIRES_SOON: i64 = 30;

const DAY: i64 = 24 * 60 * 60;

pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("status.css"))
}

pub async fn page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response {
    let deadline = state.active().deadline(&headers);
    let shown = state.clone();
    match state.encoders.run(deadline, move || render(&shown)).await {
        Some(page) => page.into_response(),
        None => unavailable(BUSY),
    }
}

fn render(state: &WebState) -> Markup {
    let active = state.active();
    let sites = state.collector.last_known(&active.policy.keep);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Qlik session exporter" }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                h1 { "Qlik session exporter" }
                p {
                    "Version " (env!("CARGO_PKG_VERSION")) ". "
                    "Last answers of the proxy services. This page sends no queries. "
                    a href=(state.telemetry_path) { (state.telemetry_path) } " · "
                    a href="/sd" { "/sd" }
                }
                @for site in &sites { (self::site(site, &active)) }
            }
        }
    }
}

fn site(site: &SiteSnapshot, active: &ActiveConfig) -> Markup {
    let users = SiteUsers::new(&site.pairs, &active.users);
    let probe = format!("/probe?target={}&debug=true", utf8_percent_encode(&site.name, NON_ALPHANUMERIC));
    html! {
        h2 { "Site " (site.name) " " small { a href=(probe) { "query now" } } }
        @if let Some(users) = &users { (users_at_limit(site, users, &active.users)) }
        (repository(site))
        table {
            thead {
                tr {
                    th { "Proxy service" } th { "Virtual proxy" }
                    th.number { "Sessions" } th.number { "Anonymous" } th.number { "Users" }
                    th.number { "Answered" } th { "State" }
                }
            }
            tbody { @for pair in &site.pairs { (row(pair)) } }
            @if let Some(users) = &users { (total(site, users)) }
        }
        (certificates(&site.expiries))
    }
}

/// Lists the users at the limit, with the names that `users.label` allows.
fn users_at_limit(site: &SiteSnapshot, users: &SiteUsers<'_>, settings: &UserSettings) -> Markup {
    let hasher = match &settings.label {
        UserLabel::Hashed(key) => Some(Hasher::new(key)),
        UserLabel::Plain | UserLabel::Off => None,
    };
    let reached = match settings.label {
        UserLabel::Off => Vec::new(),
        UserLabel::Plain | UserLabel::Hashed(_) => users.reached_limit(),
    };
    html! {
        p { (lower_bound(site)) (users.at_limit()) @if users.at_limit() == 1 { " user" } @else { " users" } " with " (settings.session_limit) " sessions or more" @if reached.is_empty() { "." } @else { ":" } }
        @if !reached.is_empty() {
            ul.down {
                @for (user, sessions) in reached.iter().take(MOST_NAMED) {
                    li {
                        @match &hasher {
                            Some(hasher) => { (hasher.hash(*user).collect::<String>()) }
                            None => { (user.directory) "\\" (user.id) }
                        }
                        ": " (sessions) " sessions"
                    }
                }
                @if reached.len() > MOST_NAMED { li { "and " (reached.len() - MOST_NAMED) " more" } }
            }
        }
    }
}

/// Returns the prefix of figures that are lower bounds, because not all pairs answered.
fn lower_bound(site: &SiteSnapshot) -> String {
    let down = site.pairs.iter().filter(|pair| pair.tally().is_none()).count();
    match (down, site.pairs.len()) {
        (0, _) => String::new(),
        (1, all) => format!("1 of {all} is down: at least "),
        (_, all) => format!("{down} of {all} are down: at least "),
    }
}

fn repository(site: &SiteSnapshot) -> Markup {
    let Some(repository) = &site.discovery else { return Markup::default() };
    html! {
        p {
            "Repository: "
            @match (&repository.last_error, repository.up) {
                (Some(error), _) => { span.down { (error.reason().as_str()) ": " (error) } }
                (None, true) => { span.up { "up" } }
                (None, false) => { "not queried yet" }
            }
            @if let Some(version) = &site.topology.version { ", version " (version) }
        }
    }
}

fn row(pair: &PairSnapshot) -> Markup {
    let tally = pair.tally();
    let error = pair.answer().and_then(|answer| answer.outcome.as_ref().err());
    let last_success = pair.history.last_success.and_then(|at| at.elapsed().ok());
    html! {
        tr {
            td { (pair.proxy.name) " " small { (pair.proxy.host) ":" (pair.proxy.port) } }
            td { (pair.virtual_proxy) }
            td.number { @if let Some(tally) = tally { (tally.sessions()) } }
            td.number { @if let Some(tally) = tally { (tally.anonymous()) } }
            td.number { @if let Some(tally) = tally { (tally.user_count()) } }
            td.number { @if let Some(answer) = pair.answer() { (answer.at.elapsed().as_secs()) " s ago" } }
            @match (error, tally) {
                (Some(error), _) => {
                    td.down {
                        (error.reason().as_str()) ": " (error)
                        @if let Some(ago) = last_success { "; last good answer " (ago.as_secs()) " s ago" }
                    }
                }
                (None, Some(_)) => { td.up { "up" } }
                (None, None) => { td { "not queried yet" } }
            }
        }
    }
}

fn total(site: &SiteSnapshot, users: &SiteUsers<'_>) -> Markup {
    let tallies: Vec<_> = site.pairs.iter().filter_map(PairSnapshot::tally).collect();
    html! {
        tfoot {
            tr {
                td colspan="2" { "Site " small { (lower_bound(site)) } }
                td.number { (tallies.iter().map(|tally| tally.sessions()).sum::<u64>()) }
                td.number { (tallies.iter().map(|tally| tally.anonymous()).sum::<u64>()) }
                td.number { (users.distinct()) }
                td colspan="2" {}
            }
        }
    }
}

fn certificates(expiries: &[Expiry]) -> Markup {
    let now = now();
    html! {
        table.narrow {
            thead { tr { th { "Certificate" } th.number { "Days left" } } }
            tbody {
                @for expiry in expiries {
                    tr {
                        td { (expiry.certificate) @if let Some(proxy) = &expiry.proxy { " " (proxy) } }
                        @match (expiry.not_after - now).div_euclid(DAY) {
                            days @ ..0 => { td.number.down { "expired " (-days) " days ago" } }
                            days @ 0..EXPIRES_SOON => { td.number.soon { (days) } }
                            days => { td.number { (days) } }
                        }
                    }
                }
            }
        }
    }
}
