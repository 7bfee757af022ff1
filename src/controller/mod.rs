//! Keeps every portal equal to its `DocSpaceBackupSchedule`: the watches, and the four steps of [`mod@reconcile`].

mod act;
mod changes;
mod context;
mod discovery;
mod error;
pub mod fetch;
mod filing;
pub mod finalizer;
mod index;
mod invalid;
mod key;
mod left_behind;
mod log;
mod metrics;
mod observe;
pub mod patch;
pub mod preview;
mod publish;
mod queue;
mod reconcile;
mod requests;
mod run;
mod secrets;
mod settings;
mod turns;
mod watched;
mod watches;

pub use crate::controller::{
    changes::PAGE,
    error::Error,
    index::{Filed, Index, Source},
    key::Key,
    metrics::Metrics,
    requests::Requests,
    run::{Clients, Namespaces, StartError, Told, run},
    settings::{OriginPolicy, Settings},
    watched::{Guarded, Metadata},
};
