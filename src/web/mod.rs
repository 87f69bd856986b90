//! The HTTP side: routes and what each answers. Nothing that could change a Qlik site is reachable.

mod listener;
mod metrics;
mod probe;
mod service_discovery;
mod status;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::collect::Collector;
use crate::config::{Config, UserSettings};
use crate::exposition::Encoders;

pub use listener::{bind, serve};

/// What the handlers work with. Shared by all connections.
pub struct App {
    pub collector: Arc<Collector>,
    pub users: Arc<UserSettings>,
    /// Taken off Prometheus' own scrape timeout.
    pub timeout_offset: Duration,
    /// When the configuration in force was read.
    pub configured_at: SystemTime,
    pub encoders: Encoders,
    /// Where the metrics of all sites are.
    pub telemetry_path: String,
}

impl App {
    pub fn new(config: &Config, collector: Arc<Collector>, telemetry_path: &str) -> Self {
        Self {
            collector,
            users: Arc::new(config.users.clone()),
            timeout_offset: config.scrape.timeout_offset,
            configured_at: SystemTime::now(),
            encoders: Encoders::default(),
            telemetry_path: telemetry_path.to_owned(),
        }
    }
}

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    let fixed = |name, value| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(status::page))
        .route(status::STYLE_PATH, get(status::style))
        .route(&app.telemetry_path, get(metrics::all))
        .route("/probe", get(probe::one_site))
        .route("/sd", get(service_discovery::sites))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(|| async { "ready\n" }))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("content-security-policy", status::SECURITY_POLICY))
        .with_state(app)
}

/// Plain text in UTF-8.
fn text(body: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body)
}
