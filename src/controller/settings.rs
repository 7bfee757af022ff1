//! What the command line asks of the controller.

use std::{collections::BTreeSet, time::Duration};

/// What the command line asks of the controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a portal is checked, where the object does not say.
    pub interval: Duration,
    /// Where Secrets may be sent.
    pub origins: OriginPolicy,
}

/// Where Secrets may be sent.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    /// The only origins; empty for any.
    pub allowed: BTreeSet<String>,
    /// Every Secret must name its origins in an annotation.
    pub require_annotation: bool,
}
