//! Prometheus series of the objects, generated at each scrape from the newest version of each. So the series end with
//! their object.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
    registry::Unit,
};

use crate::controller::{
    index::Index,
    key::Key,
    metrics::{conditions::STATES, values::Values},
};

/// The series of all objects.
#[derive(Debug)]
pub struct Series(pub Arc<OnceLock<Arc<Index>>>);

impl Collector for Series {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let objects = self.0.get().map(|objects| objects.values()).unwrap_or_default();
        encode(&objects, Timestamp::now(), encoder)
    }
}

/// A metric with at most one value for each object.
struct Gauge {
    name: &'static str,
    help: &'static str,
    in_seconds: bool,
    value: fn(&Values, Timestamp) -> Option<i64>,
}

const GAUGES: [Gauge; 9] = [
    Gauge {
        name: "ready",
        help: "Whether the portal's schedule equals the manifest (condition Ready).",
        in_seconds: false,
        value: |of, _| Some(of.ready.into()),
    },
    Gauge {
        name: "stalled",
        help: "Whether the object needs your action (condition Stalled).",
        in_seconds: false,
        value: |of, _| Some(of.stalled.into()),
    },
    Gauge {
        name: "suspended",
        help: "Whether spec.suspend stops all calls to the portal.",
        in_seconds: false,
        value: |of, _| of.suspended.map(Into::into),
    },
    Gauge {
        name: "last_backup_timestamp",
        help: "Unix time when the newest confirmed archive was made.",
        in_seconds: true,
        value: |of, _| of.last_backup,
    },
    Gauge {
        name: "next_backup_timestamp",
        help: "Unix time when the portal starts its next backup.",
        in_seconds: true,
        value: |of, _| of.next_backup,
    },
    Gauge {
        name: "expected_interval",
        help: "Time between the next two due times of the schedule in force.",
        in_seconds: true,
        value: Values::interval,
    },
    Gauge {
        name: "deadline_timestamp",
        help: "Unix time by which an archive must exist for the first backup due after the newest confirmed archive, or after \
            the schedule came into force if that is later.",
        in_seconds: true,
        value: |of, _| of.deadline,
    },
    Gauge {
        name: "key_expiry_timestamp",
        help: "Unix time when the API key expires.",
        in_seconds: true,
        value: |of, _| of.key_expiry,
    },
    Gauge {
        name: "archives",
        help: "Number of archives in the portal's history when it was last read.",
        in_seconds: false,
        value: |of, _| of.archives,
    },
];

fn encode(
    objects: &[(Key, Values)],
    now: Timestamp,
    mut encoder: DescriptorEncoder,
) -> Result<(), std::fmt::Error> {
    for gauge in &GAUGES {
        let unit = gauge.in_seconds.then_some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, unit, MetricType::Gauge)?;
        for (object, values) in objects {
            if let Some(value) = (gauge.value)(values, now) {
                line(&mut metric, object, &[], value)?;
            }
        }
    }
    let help = "Condition BackupFresh: 1 for its current status, 0 for the other statuses.";
    let mut metric = encoder.encode_descriptor("fresh", help, None, MetricType::Gauge)?;
    for (object, values) in objects {
        for state in STATES {
            line(
                &mut metric,
                object,
                &[("status", state)],
                (values.fresh == state).into(),
            )?;
        }
    }
    let help = "1 for each condition that is set, with its status and reason.";
    let mut metric = encoder.encode_descriptor("condition", help, None, MetricType::Gauge)?;
    for (object, values) in objects {
        for [kind, status, reason] in values.conditions.shown() {
            let labels = [("type", kind), ("status", status), ("reason", reason)];
            line(&mut metric, object, &labels, 1)?;
        }
    }
    Ok(())
}

/// One line: the value of an object, with these further labels.
fn line(
    metric: &mut MetricEncoder,
    object: &Key,
    further: &[(&'static str, &'static str)],
    value: i64,
) -> Result<(), std::fmt::Error> {
    let object = [("namespace", object.namespace()), ("name", object.name())];
    metric.encode_family(&(object, further))?.encode_gauge(&value)
}

#[cfg(test)]
mod tests;
