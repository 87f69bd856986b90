//! `/`: what the exporter knows now, for a person. It asks nobody: it shows the last answers with their
//! age.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

use super::App;
use super::app::Running;
use crate::collect::{Expiry, PairSnapshot, SiteSnapshot};
use crate::config::{UserLabel, UserSettings};
use crate::exposition::users::{Hashes, SiteUsers};

/// The page's only companion.
pub const STYLE_PATH: &str = "/-/style.css";

/// Nothing from elsewhere, no script, in no frame.
pub const SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Users that are named one by one.
const MOST_NAMED: usize = 50;

const DAY: i64 = 24 * 60 * 60;

pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("status.css"))
}

pub async fn page(State(app): State<Arc<App>>) -> Markup {
    let running = app.running();
    let sites = running.collector.last_known();
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
                p { "Version " (env!("CARGO_PKG_VERSION")) ". The last answers of the proxy services; opening this page asks nobody." }
                @for site in &sites { (self::site(site, &running)) }
                p {
                    a href=(app.telemetry_path) { (app.telemetry_path) } " · "
                    a href="/sd" { "/sd" } " · "
                    a href="/-/healthy" { "/-/healthy" } " · "
                    a href="/-/ready" { "/-/ready" }
                }
            }
        }
    }
}

fn site(site: &SiteSnapshot, running: &Running) -> Markup {
    let users = SiteUsers::new(&site.pairs, &running.users);
    html! {
        h2 { "Site " (site.name) }
        @if let Some(users) = &users {
            p { (users.distinct()) " users; " (users.at_limit()) " with " (running.users.session_limit) " sessions or more." }
            (reached_limit(users, &running.users))
        }
        table {
            thead {
                tr {
                    th { "Proxy service" } th { "Virtual proxy" } th { "Sessions" } th { "Users" } th { "Asked" } th { "State" }
                }
            }
            tbody { @for pair in &site.pairs { (row(pair)) } }
        }
        @if let Some(repository) = &site.repository {
            p {
                "Repository: "
                @match (&repository.last_error, repository.up) {
                    (Some(error), _) => { span.down { (error.reason().as_str()) ": " (error) } }
                    (None, true) => { span.up { "up" } }
                    (None, false) => { "not asked yet" }
                }
                @if let Some(version) = &site.topology.version { ", version " (version) }
                "."
            }
        }
        @if !site.expiries.is_empty() {
            p { "Certificates: " (site.expiries.iter().map(days_left).collect::<Vec<_>>().join("; ")) "." }
        }
    }
}

/// Who has reached the limit, by the names that the setting for labels allows.
fn reached_limit(users: &SiteUsers<'_>, settings: &UserSettings) -> Markup {
    let hashes = match &settings.label {
        UserLabel::Off => return Markup::default(),
        UserLabel::Hashed(key) => Some(Hashes::new(users, key)),
        UserLabel::Plain => None,
    };
    let reached = users.reached_limit();
    html! {
        @if !reached.is_empty() {
            ul.down {
                @for (user, sessions, place) in reached.iter().take(MOST_NAMED) {
                    li {
                        @match &hashes {
                            Some(hashes) => { (hashes.get(*place)) }
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

fn row(pair: &PairSnapshot) -> Markup {
    let tally = pair.tally();
    let error = pair.answer().and_then(|answer| answer.outcome.as_ref().err());
    html! {
        tr {
            td { (pair.proxy.name) " " small { (pair.proxy.host) ":" (pair.proxy.port) } }
            td { (pair.virtual_proxy) }
            td.number { @if let Some(tally) = tally { (tally.sessions()) } }
            td.number { @if let Some(tally) = tally { (tally.user_count()) } }
            td.number { @if let Some(answer) = pair.answer() { (seconds(answer.at.elapsed())) " ago" } }
            @match (error, tally) {
                (Some(error), _) => { td.down { (error.reason().as_str()) ": " (error) } }
                (None, Some(_)) => { td.up { "up" } }
                (None, None) => { td { "not asked yet" } }
            }
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

fn days_left(expiry: &Expiry) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    let days = (expiry.not_after - now).div_euclid(DAY);
    let name = expiry.proxy.as_deref().map_or_else(String::new, |proxy| format!(" {proxy}"));
    match days {
        ..0 => format!("{}{name} EXPIRED {} days ago", expiry.certificate, -days),
        _ => format!("{}{name} {days} days left", expiry.certificate),
    }
}
