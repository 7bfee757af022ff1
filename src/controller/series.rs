//! The objects as Prometheus sees them: made at each scrape from the newest of each, so that there is nothing to keep,
//! and an object's series go with it.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, core::DeserializeGuard};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
    registry::Unit,
};

use super::{fresh::expected::Expected, objects::Objects, slot::Guarded};
use crate::api::{DocSpaceBackupSchedule, condition};

/// The states of a condition.
const STATES: [&str; 3] = ["True", "False", "Unknown"];

/// The series of all objects.
#[derive(Debug)]
pub struct Series(pub Arc<OnceLock<Arc<Objects>>>);

impl Collector for Series {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let objects = self.0.get().map(|objects| objects.all()).unwrap_or_default();
        encode(&objects, Timestamp::now(), encoder)
    }
}

/// An object; `None` for one that cannot be parsed, which is stalled.
type Known<'a> = Option<&'a DocSpaceBackupSchedule>;

/// A metric that each object has a value of, or none.
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
    let DeserializeGuard(object) = object;
    object.as_ref().ok()
}

/// One line: an object's value.
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
mod tests {
    use std::fmt;

    use prometheus_client::{encoding::text, registry::Registry};
    use serde_json::{Value, json};

    use super::*;

    /// These objects at noon of November 23.
    #[derive(Debug)]
    struct Noon(Vec<Arc<Guarded>>);

    impl Collector for Noon {
        fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
            let noon = "2026-11-23T12:00:00Z".parse().expect("a time");
            super::encode(&self.0, noon, encoder)
        }
    }

    fn shown(objects: Vec<Value>) -> String {
        let objects = objects.into_iter().map(|object| {
            let object: Guarded = serde_json::from_value(object).expect("an object, or none");
            Arc::new(object)
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Noon(objects.collect())));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a text");
        text
    }

    fn object(period: &str, day: i64, status: Value) -> Value {
        let mut object = json!({
            "apiVersion": "docspace.onlyoffice.com/v1alpha1",
            "kind": "DocSpaceBackupSchedule",
            "metadata": {"name": "nightly", "namespace": "docspace", "uid": "me"},
            "spec": {
                "portal": {"url": "https://docs.example.com", "apiKeySecretRef": {"name": "key"}},
                "storageType": "DataStore",
                "cronParams": {"period": period, "hour": 3, "day": day},
                "backupsStored": 7,
            },
            "status": {
                "timeZone": "UTC",
                "inForce": {
                    "since": "2026-11-01T00:00:00Z", "schedule": "", "storageType": "DataStore",
                    "url": "https://docs.example.com",
                },
                "applied": {
                    "time": "2026-11-01T00:00:00Z", "reason": "Created", "generation": 1, "uid": "me",
                    "url": "https://docs.example.com",
                    "schedule": {
                        "storageType": "DataStore", "backupsStored": 7, "dump": false,
                        "cronParams": {"period": period, "hour": 3, "day": day},
                    },
                },
            },
        });
        for (key, value) in status.as_object().expect("a status") {
            object["status"][key] = value.clone();
        }
        object
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "Any", "message": "",
               "lastTransitionTime": "2026-11-23T00:00:00Z"})
    }

    #[test]
    fn an_object_is_told_of_as_its_status_says() {
        let status = json!({
            "conditions": [condition("Ready", "True"), condition("BackupFresh", "False")],
            "lastBackup": {
                "id": "1", "fileName": "a", "createdOn": "1970-01-01T00:01:40Z", "storageType": "DataStore",
            },
            "nextBackupTime": "1970-01-01T00:03:20Z",
            "backupCount": 3,
            "apiKey": {"name": "full", "expiresAt": "1970-01-01T00:05:00Z"},
        });
        let text = shown(vec![object("EveryWeek", 1, status)]);
        for line in [
            "ready{namespace=\"docspace\",name=\"nightly\"} 1",
            "stalled{namespace=\"docspace\",name=\"nightly\"} 0",
            "suspended{namespace=\"docspace\",name=\"nightly\"} 0",
            "last_backup_timestamp_seconds{namespace=\"docspace\",name=\"nightly\"} 100",
            "next_backup_timestamp_seconds{namespace=\"docspace\",name=\"nightly\"} 200",
            "expected_interval_seconds{namespace=\"docspace\",name=\"nightly\"} 604800",
            "key_expiry_timestamp_seconds{namespace=\"docspace\",name=\"nightly\"} 300",
            "archives{namespace=\"docspace\",name=\"nightly\"} 3",
            "fresh{namespace=\"docspace\",name=\"nightly\",status=\"True\"} 0",
            "fresh{namespace=\"docspace\",name=\"nightly\",status=\"False\"} 1",
            "fresh{namespace=\"docspace\",name=\"nightly\",status=\"Unknown\"} 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut unlooked = object("EveryDay", 0, json!({}));
        unlooked["status"] = json!({"conditions": [condition("Ready", "Unknown")]});
        let text = shown(vec![unlooked]);
        let told: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('{'))
            .map(|(name, rest)| (name, &rest[rest.len() - 1..]))
            .collect();
        let expected = [
            ("ready", "0"),
            ("stalled", "0"),
            ("suspended", "0"),
            ("fresh", "0"),
            ("fresh", "0"),
            ("fresh", "1"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_month_lasts_as_long_as_the_next_one_does() {
        // From December's 31st to January's.
        let text = shown(vec![object("EveryMonth", 31, json!({}))]);
        let line = format!(
            "expected_interval_seconds{{namespace=\"docspace\",name=\"nightly\"}} {}",
            31 * 86400
        );
        assert!(text.contains(&line), "{text}");
    }

    #[test]
    fn the_deadline_is_that_of_the_first_backup_after_the_proved_one_of_the_schedule_in_force() {
        // In force since November 1.
        for (last, deadline, told) in [
            (None, "2h", "2026-11-01T05:00:00Z"),
            (Some("2026-10-01T03:00:00Z"), "2h", "2026-11-01T05:00:00Z"),
            (Some("2026-11-20T03:00:07Z"), "2h", "2026-11-21T05:00:00Z"),
            (Some("2026-11-20T03:00:07Z"), "168h", "2026-11-28T03:00:00Z"),
        ] {
            let status = last.map_or(json!({}), |last| {
                json!({"lastBackup": {
                    "id": "1", "fileName": "a", "createdOn": last, "storageType": "DataStore",
                }})
            });
            let mut object = object("EveryDay", 0, status);
            object["spec"]["backupDeadline"] = json!(deadline);
            let told: Timestamp = told.parse().expect("a time");
            let line = format!(
                "deadline_timestamp_seconds{{namespace=\"docspace\",name=\"nightly\"}} {}",
                told.as_second()
            );
            let text = shown(vec![object]);
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }

    #[test]
    fn an_object_that_cannot_be_parsed_is_stalled() {
        let text = shown(vec![json!({
            "apiVersion": "docspace.onlyoffice.com/v1alpha1",
            "kind": "DocSpaceBackupSchedule",
            "metadata": {"name": "od\"d", "namespace": "docspace"},
            "spec": {"cronParams": 5},
        })]);
        for line in [
            "ready{namespace=\"docspace\",name=\"od\\\"d\"} 0",
            "stalled{namespace=\"docspace\",name=\"od\\\"d\"} 1",
            "fresh{namespace=\"docspace\",name=\"od\\\"d\",status=\"Unknown\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
