//! Keeps every `DocSpaceBackupSchedule` and its portal in step: the watches, and the four steps of [`mod@reconcile`].

mod act;
mod context;
mod discovery;
mod error;
pub mod fetch;
mod index;
mod invalid;
mod log;
mod metrics;
mod observe;
pub mod patch;
mod publish;
mod reconcile;
mod run;
mod secrets;
mod settings;

pub use crate::controller::{
    metrics::Metrics,
    run::{Clients, Namespaces, StartError, Told, run},
    settings::Settings,
};
