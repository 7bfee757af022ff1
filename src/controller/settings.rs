//! The settings from the command line.

use std::{collections::BTreeSet, time::Duration};

use kube::core::Selector;

use crate::portal::AllowedOrigin;

/// The settings from the command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only objects whose labels match are handled; the default selects all.
    pub selector: Selector,
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

impl Settings {
    /// The selector for requests; none if it selects everything.
    pub fn labels(&self) -> Option<String> {
        (!self.selector.selects_all()).then(|| self.selector.to_string())
    }
}
