//! What is shipped beside the program: Grafana's dashboards and provisioning, and the alert rules they go with.
//!
//! Grafana itself is not started: its dashboards are read by its own SDK, and every expression is sent to
//! Debian's Prometheus, which scrapes the exporter.

mod alert_rules;
mod dashboards;
mod expressions;
mod history;
mod sdk;
mod shipped;
mod variables;
