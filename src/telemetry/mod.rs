//! What the program tells of itself over HTTP: metrics for Prometheus ([`server`]), and whether it is alive and ready
//! ([`health`]). The metrics are those that its parts put into the [`registry`].

mod health;
mod server;

use prometheus_client::{metrics::info::Info, registry::Registry};

pub use crate::telemetry::{
    health::{Health, Watch},
    server::{Listening, listen},
};

/// Every metric's name begins so.
const PREFIX: &str = "docspace_backup";

/// A registry that knows the program's version; its parts add what they count.
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The operator's version", version);
    registry
}
