//! Reading the conditions of objects, and changing objects for tests.

use docspace_backup_operator::api::{
    AppliedReason, DocSpaceBackupSchedule, ParamValue, StorageParam, StorageType,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The cron texts of stored rows with the schedule at an hour.
pub fn every_day(hour: u8) -> String {
    format!("0 0 {hour} ? * *")
}

/// One condition of an object.
pub fn condition<'a>(object: &'a DocSpaceBackupSchedule, kind: &str) -> Option<&'a Condition> {
    object
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// The reason of one condition of an object.
pub fn reason<'a>(object: &'a DocSpaceBackupSchedule, kind: &str) -> Option<&'a str> {
    condition(object, kind).map(|condition| condition.reason.as_str())
}

/// The message of one condition of an object.
pub fn message<'a>(object: &'a DocSpaceBackupSchedule, kind: &str) -> &'a str {
    condition(object, kind).map_or("", |condition| &condition.message)
}

/// A UTC time in the year that most portals of these tests use, from `11-23 13:15` (a Monday).
pub fn at(time: &str) -> Timestamp {
    format!("2026-{time}:00Z").parse().expect("a time")
}

/// The same object with a directory on the server for its archives, which manual backups use, too.
pub fn into_a_folder(mut object: DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
    object.spec.storage_type = StorageType::Local;
    object.spec.storage_params = vec![StorageParam {
        key: "filePath".into(),
        value: Some(ParamValue::Text("/app/onlyoffice/data/backup".into())),
        value_from: None,
    }];
    object
}

/// Whether Ready has this reason.
pub fn ready_reason_is(object: &DocSpaceBackupSchedule, reason: &str) -> bool {
    condition(object, "Ready").is_some_and(|ready| ready.reason == reason)
}

/// Whether Ready is True for the current generation of the object.
pub fn is_ready(object: &DocSpaceBackupSchedule) -> bool {
    is_observed(object) && condition(object, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether the status describes the current generation of the object.
pub fn is_observed(object: &DocSpaceBackupSchedule) -> bool {
    object
        .status
        .as_ref()
        .is_some_and(|status| status.observed_generation == object.metadata.generation)
}

/// Why the schedule was applied (status.applied.reason).
pub fn applied_reason(object: &DocSpaceBackupSchedule) -> Option<AppliedReason> {
    let applied = object.status.as_ref()?.applied.as_ref();
    applied.map(|applied| applied.reason)
}
