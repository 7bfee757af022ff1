//! The settings from the command line.

use std::{collections::BTreeSet, time::Duration};

/// The settings from the command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The default of `spec.interval`.
    pub interval: Duration,
    /// Origins to which Secrets may be sent; empty for any.
    pub allowed_origins: BTreeSet<String>,
    /// Whether every Secret must name the origins to which it may be sent.
    pub require_origin_annotation: bool,
}
