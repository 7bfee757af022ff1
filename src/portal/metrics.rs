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

/// DocSpace's own, as recorded, and those of redirects and proxies that messages explain.
const STATUSES: &[u16] = &[
    200, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 407, 415, 429, 500, 502, 503, 504,
];

/// The calls to all portals.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<Labels, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
}

/// The result of a call, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// The HTTP status of the answer, if DocSpace or a proxy in front of it uses that.
    Answered(u16),
    /// Another HTTP status, so that a portal cannot make a series of each number.
    Other,
    /// The failure, if no answer came.
    Failed(Failure),
}

impl CallResult {
    /// The result; a call without a failure was answered with 200.
    pub fn new(status: Option<u16>, failure: Option<Failure>) -> Self {
        match (status, failure) {
            (None, Some(failure)) => Self::Failed(failure),
            (status, _) => match status.unwrap_or(200) {
                status if STATUSES.contains(&status) => Self::Answered(status),
                _ => Self::Other,
            },
        }
    }
}

impl EncodeLabelValue for CallResult {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self {
            Self::Answered(status) => status.encode(encoder),
            Self::Other => "other".encode(encoder),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_makes_no_series_of_each_number() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        for status in 100..1000 {
            metrics.count(
                Call::Schedule,
                CallResult::new(Some(status), None),
                Duration::ZERO,
            );
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
        let series = text.lines().filter(|line| line.starts_with("portal_calls_total"));
        assert_eq!(series.count(), STATUSES.len() + 1);
        let others = 900 - STATUSES.len();
        let other = format!(r#"portal_calls_total{{operation="Schedule",code="other"}} {others}"#);
        assert!(text.contains(&other), "{text}");
    }
}
