//! The settings from the command line.

use std::{collections::BTreeSet, time::Duration};

use crate::portal::AllowedOrigin;

/// The settings from the command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The default of `spec.interval`.
    pub interval: Duration,
    /// Where Secrets may be sent.
    pub origins: OriginPolicy,
}

/// Where Secrets may be sent.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    /// Origins to which Secrets may be sent; empty for any.
    pub allowed: BTreeSet<AllowedOrigin>,
    /// Whether every Secret must name the origins to which it may be sent.
    pub require_annotation: bool,
}
