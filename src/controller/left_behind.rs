//! A schedule that may remain in a portal although its object is gone: an Event, a log line and the metric.

use crate::{
    controller::{key::Key, metrics::Metrics},
    rules::note::Note,
};

/// Logs and counts it; returns the Event.
pub fn left_behind(metrics: &Metrics, object: &Key, portal: &str, why: &str) -> Note {
    metrics.left_behind();
    tracing::warn!(
        name = object.name(),
        namespace = object.namespace(),
        portal,
        why,
        "a schedule may remain in the portal"
    );
    Note::warning(
        "ScheduleLeftBehind",
        format!("A schedule may remain in the portal {portal}: {why}. Delete it there if nobody needs it"),
    )
}
