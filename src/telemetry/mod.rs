//! The program's HTTP interface: metrics for Prometheus ([`server`]), liveness and readiness ([`health`]), which includes
//! the state of the [`watches`]. Each part of the program adds its metrics to the [`registry`].

mod health;
mod process;
mod server;
mod watches;

use prometheus_client::{metrics::info::Info, registry::Registry};

use crate::telemetry::process::OfProcess;

pub use crate::telemetry::{
    health::Health,
    server::{Listening, listen},
    watches::Watch,
};

/// The prefix of every metric but those of the process.
const PREFIX: &str = "docspace_backup";

/// A registry with the metrics of the process, the program's version, and what the program's parts register.
pub fn registry(register: impl FnOnce(&mut Registry)) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(OfProcess));
    let own = registry.sub_registry_with_prefix(PREFIX);
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    own.register("build", "The operator's version", version);
    register(own);
    registry
}
