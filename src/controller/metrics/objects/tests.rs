use std::fmt;

use prometheus_client::{encoding::text, registry::Registry};
use serde_json::{Value, json};

use super::*;
use crate::controller::watched::Guarded;

/// These objects at noon of November 23.
#[derive(Debug)]
struct Noon(Vec<(Key, Values)>);

impl Collector for Noon {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let noon = "2026-11-23T12:00:00Z".parse().expect("a time");
        super::encode(&self.0, noon, encoder)
    }
}

fn shown(objects: Vec<Value>) -> String {
    let objects = objects.into_iter().map(|object| {
        let object: Guarded = serde_json::from_str(&object.to_string()).expect("an object, or none");
        (Key::of(&object), Values::of(&object))
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
        "condition{namespace=\"docspace\",name=\"nightly\",type=\"Ready\",status=\"True\",reason=\"Other\"} 1",
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
        ("condition", "1"),
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
