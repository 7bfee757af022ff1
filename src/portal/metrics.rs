//! Metrics of calls to portals: number, result and duration.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::portal::{Failure, call::Call};

/// In seconds: an answer from the same cluster, one over the internet, and the time limits.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The calls to all portals.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<Labels, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
}

/// The result of a call, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// The HTTP status of the answer.
    Answered(u16),
    /// The failure, if no answer came.
    Failed(Failure),
}

impl CallResult {
    /// The result; a call without a failure was answered with 200.
    pub fn new(status: Option<u16>, failure: Option<Failure>) -> Self {
        match (status, failure) {
            (None, Some(failure)) => Self::Failed(failure),
            (status, _) => Self::Answered(status.unwrap_or(200)),
        }
    }
}

impl EncodeLabelValue for CallResult {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self {
            Self::Answered(status) => status.encode(encoder),
            Self::Failed(failure) => failure.encode(encoder),
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
struct Of {
    operation: Call,
}

#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
struct Labels {
    operation: Call,
    code: CallResult,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl Metrics {
    /// Counts a call.
    pub fn count(&self, operation: Call, code: CallResult, took: Duration) {
        self.calls.get_or_create(&Labels { operation, code }).inc();
        self.seconds
            .get_or_create(&Of { operation })
            .observe(took.as_secs_f64());
    }

    /// Registers the counts.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "portal_calls",
            "Calls to portals, by operation and HTTP status, or why no answer came",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "portal_call_duration",
            "How long calls to portals took",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}
