//! The program's HTTP interface: metrics for Prometheus ([`server`]), liveness and readiness ([`health`]), which includes
//! the state of the [`watches`]. Each part of the program adds its metrics to the [`registry`].

mod health;
mod server;
mod watches;

use prometheus_client::{metrics::info::Info, registry::Registry};

pub use crate::telemetry::{
    health::Health,
    server::{Listening, listen},
    watches::Watch,
};

/// The prefix of every metric.
const PREFIX: &str = "docspace_backup";

/// A registry with the program's version; the program's parts add their metrics.
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The operator's version", version);
    registry
}
