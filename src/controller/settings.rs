//! What the operator was told on its command line.

use std::{collections::BTreeSet, time::Duration};

/// What the operator was told on its command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a portal is looked at, where the object does not say.
    pub interval: Duration,
    /// Origins that Secrets may be sent to; empty for any.
    pub allowed_origins: BTreeSet<String>,
    /// Every Secret must say where it may be sent.
    pub require_origin_annotation: bool,
}
