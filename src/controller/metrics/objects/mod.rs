//! Prometheus series of the objects, generated at each scrape from the newest version of each. So nothing is stored,
//! and the series end with their object.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
    registry::Unit,
};

use crate::{
    api::{DocSpaceBackupSchedule, condition},
    controller::{index::Index, watched::Guarded},
    rules::backup::expected::Expected,
};

/// The states of a condition.
const STATES: [&str; 3] = ["True", "False", "Unknown"];

/// The series of all objects.
#[derive(Debug)]
pub struct Series(pub Arc<OnceLock<Arc<Index>>>);

impl Collector for Series {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let objects = self.0.get().map(|objects| objects.all()).unwrap_or_default();
        encode(&objects, Timestamp::now(), encoder)
    }
}

/// An object; `None` if it cannot be parsed, which counts as stalled.
type Known<'a> = Option<&'a DocSpaceBackupSchedule>;

/// A metric with at most one value for each object.
struct Gauge {
    name: &'static str,
    help: &'static str,
    in_seconds: bool,
    value: fn(Known, Timestamp) -> Option<i64>,
}

const GAUGES: [Gauge; 9] = [
    Gauge {
        name: "ready",
        help: "Whether the portal's schedule equals the manifest (condition Ready).",
        in_seconds: false,
        value: |object, _| Some(is_true(object, "Ready").into()),
    },
    Gauge {
        name: "stalled",
        help: "Whether the object needs your action (condition Stalled).",
        in_seconds: false,
        value: |object, _| Some((object.is_none() || is_true(object, "Stalled")).into()),
    },
    Gauge {
        name: "suspended",
        help: "Whether spec.suspend stops all calls to the portal.",
        in_seconds: false,
        value: |object, _| Some(object?.spec.suspend.into()),
    },
    Gauge {
        name: "last_backup_timestamp",
        help: "Unix time when the newest confirmed archive was made.",
        in_seconds: true,
        value: |object, _| second(Some(&object?.status.as_ref()?.last_backup.as_ref()?.created_on)),
    },
    Gauge {
        name: "next_backup_timestamp",
        help: "Unix time when the portal starts its next backup.",
        in_seconds: true,
        value: |object, _| second(object?.status.as_ref()?.next_backup_time.as_ref()),
    },
    Gauge {
        name: "expected_interval",
        help: "Time between the next two due times of the schedule in force.",
        in_seconds: true,
        value: |object, now| {
            let object = object?;
            let times = Expected::of(object, object.status.as_ref()?).ok()?.times;
            let next = times.next(now)?;
            Some(times.next(next)?.as_second() - next.as_second())
        },
    },
    Gauge {
        name: "deadline_timestamp",
        help: "Unix time by which an archive must exist for the first backup due after the newest confirmed archive, or after \
            the schedule came into force if that is later.",
        in_seconds: true,
        value: |object, _| {
            let object = object?;
            let status = object.status.as_ref()?;
            let expected = Expected::of(object, status).ok()?;
            let proved = status.last_backup.as_ref().map(|last| last.created_on.0);
            let after = proved.map_or(expected.since, |proved| proved.max(expected.since));
            let due = expected.times.next(after)?;
            Some(due.checked_add(expected.deadline).ok()?.as_second())
        },
    },
    Gauge {
        name: "key_expiry_timestamp",
        help: "Unix time when the API key expires.",
        in_seconds: true,
        value: |object, _| second(object?.status.as_ref()?.api_key.as_ref()?.expires_at.as_ref()),
    },
    Gauge {
        name: "archives",
        help: "Number of archives in the portal's history when it was last read.",
        in_seconds: false,
        value: |object, _| object?.status.as_ref()?.backup_count.map(Into::into),
    },
];

fn encode(
    objects: &[Arc<Guarded>],
    now: Timestamp,
    mut encoder: DescriptorEncoder,
) -> Result<(), std::fmt::Error> {
    for gauge in &GAUGES {
        let unit = gauge.in_seconds.then_some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, unit, MetricType::Gauge)?;
        for object in objects {
            if let Some(value) = (gauge.value)(known(object), now) {
                of(&mut metric, object, None, value)?;
            }
        }
    }
    let help = "Condition BackupFresh: 1 for its current status, 0 for the other statuses.";
    let mut metric = encoder.encode_descriptor("fresh", help, None, MetricType::Gauge)?;
    for object in objects {
        let status = known(object).and_then(|object| object.status.as_ref());
        let fresh = condition(status, "BackupFresh").map_or("Unknown", |fresh| fresh.status.as_str());
        for state in STATES {
            of(&mut metric, object, Some(state), (fresh == state).into())?;
        }
    }
    Ok(())
}

fn known(object: &Guarded) -> Known<'_> {
    object.object.as_ref().ok()
}

/// One line: the value of an object.
fn of(
    metric: &mut MetricEncoder,
    object: &Guarded,
    status: Option<&'static str>,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let meta = object.meta();
    let labels = [
        ("namespace", meta.namespace.as_deref().unwrap_or_default()),
        ("name", meta.name.as_deref().unwrap_or_default()),
        ("status", status.unwrap_or_default()),
    ];
    let labels = if status.is_some() {
        &labels[..]
    } else {
        &labels[..2]
    };
    metric.encode_family(&labels)?.encode_gauge(&value)
}

fn is_true(object: Known, kind: &str) -> bool {
    let status = object.and_then(|object| object.status.as_ref());
    condition(status, kind).is_some_and(|condition| condition.status == "True")
}

fn second(time: Option<&Time>) -> Option<i64> {
    time.map(|time| time.0.as_second())
}

#[cfg(test)]
mod tests;
