//! What the operator says. Times are UTC; a field is absent while unknown.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator knows about the schedule. Times are in UTC; a field is absent while unknown.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation of the object that this status speaks of; -1 until the operator has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the portal holds what the manifest says. Reconciling: it goes on by itself. Stalled: it waits for somebody.
    /// Synced: portal and manifest are equal. BackupFresh: an archive came of the last backup that was due. CredentialsValid:
    /// the portal takes the API key. Suspended: nothing is done. One that is not there is not true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The schedule as the portal holds it, for people, with the time zone that the hour is read in: EveryDay 03:00 UTC,
    /// EveryWeek Sunday 22:00 Europe/Berlin, EveryMonth 31 03:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The outcome of the last call that created or deleted the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request: Option<LastRequest>,
    /// What makes the portal's schedule this object's own: what was written or adopted, when and why. Once it is there,
    /// spec.dump cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// What the portal holds now; absent when it holds no schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ShownSchedule>,
    /// What differs between manifest and portal, a line for each field: cronParams.hour: 3 wanted, 5 in the portal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<String>,
    /// The schedule that this object last wrote over, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ShownSchedule>,
    /// Of the storage parameters whose values are shown (folderId, filePath, module, bucket, region) those that are not, because
    /// a value was secret once. What the manifest itself says is shown.
    #[schemars(length(max = 5))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_params: Vec<String>,
    /// How often, within the last 24 hours, a schedule that somebody else had changed or removed was put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Tally>,
    /// How often, within this calendar month (UTC), a schedule that the portal itself had removed was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removals: Option<Tally>,
    /// The time zone that the hour is read in: an IANA name such as Europe/Berlin; UTC with dump: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The schedule that backups are expected of, and since when; absent while none is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<InForce>,
    /// When the portal itself starts its next backup, in UTC; in the past when it is due and not started. Absent when none
    /// starts as things are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_backup_time: Option<Time>,
    /// The newest confirmed archive: listed at two looks at least 30 minutes apart, and not known to be made by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<LastBackup>,
    /// How many archives the portal listed when it was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_count: Option<i32>,
    /// An archive that was listed, and is looked for again before it counts as a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// The last backup that is known to have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// The run that the portal told of last, by a schedule or a person, so that an old one is not taken for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// The API key in use, as the portal describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyStatus>,
    /// The portal, as it describes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<PortalStatus>,
    /// The value of the annotation docspace.onlyoffice.com/requestedAt that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// The outcome of a call that created or deleted the schedule.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// What was asked of the portal: CreateSchedule or DeleteSchedule.
    pub operation: Operation,
    /// When the answer came, or was given up; UTC.
    pub time: Time,
    /// HTTP status code; absent when no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i32>,
    /// What came of it, in words.
    pub message: String,
    /// Whether DocSpace may still carry it out: it is not repeated for ten minutes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
}

/// A call that writes.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Operation {
    /// `POST backup/createbackupschedule`
    CreateSchedule,
    /// `DELETE backup/deletebackupschedule`
    DeleteSchedule,
}

/// What makes the portal's schedule this object's own: it counts for the object with this uid, at this address.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// When the portal was seen to hold it; UTC.
    pub time: Time,
    /// How it came about: Created (first written), Changed (written after a change of the manifest or of a storage
    /// Secret), Corrected (put back after somebody had changed or removed it), Recreated (restored after the portal itself
    /// had removed it), Adopted (found equal in the portal).
    pub reason: AppliedReason,
    /// The generation of the object that it was taken from.
    pub generation: i64,
    /// The uid of the object that wrote or adopted it.
    pub uid: String,
    /// The portal's address.
    pub url: String,
    /// The Host header, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// What was written or adopted; values that the manifest takes from Secrets read (hidden).
    pub schedule: ShownSchedule,
}

/// How a schedule became this object's own.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum AppliedReason {
    /// First written.
    Created,
    /// Written after a change of the manifest or of a storage Secret.
    Changed,
    /// Put back after somebody had changed or removed it.
    Corrected,
    /// Restored after the portal itself had removed it (trap 6).
    Recreated,
    /// Found equal in the portal.
    Adopted,
}

/// A schedule as it is shown; storage parameters that may be secret read (hidden).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownSchedule {
    /// Where archives go: DocSpace's name of the storage type, or the number where it has none.
    pub storage_type: String,
    /// When a backup is made.
    pub cron_params: ShownCron,
    /// How many archives the portal keeps.
    pub backups_stored: i64,
    /// Whether it backs up the whole installation in place of the portal.
    pub dump: bool,
    /// When the portal last queued a backup, which does not say that it made one; UTC, absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_time: Option<Time>,
    /// Parameters of the storage, without those that DocSpace adds itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_params: Vec<ShownParam>,
}

/// When a backup is made, as shown.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ShownCron {
    /// EveryDay, EveryWeek or EveryMonth, or DocSpace's number where it has no name.
    pub period: String,
    /// Hour of the day on the portal's wall clock (in UTC with dump: true).
    pub hour: i64,
    /// Day of the week (1 is Sunday) or of the month; 0 for EveryDay.
    pub day: i64,
}

/// A parameter of the storage, as shown.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ShownParam {
    /// Its name: folderId, filePath, module, bucket, region and so on.
    pub key: String,
    /// Its value, or (hidden).
    pub value: String,
}

/// The schedule that backups are expected of: what was applied, or with managementPolicy Observe what the portal holds.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// Since when; UTC. Backups that were due before do not count. It moves when one of the other fields does.
    pub since: Time,
    /// The schedule's times, with the zone that the hour is read in: EveryDay 03:00 Europe/Berlin.
    pub schedule: String,
    /// Where archives go.
    pub storage_type: String,
    /// Whether it backs up the whole installation.
    #[serde(default)]
    pub dump: bool,
    /// The portal's address.
    pub url: String,
    /// The Host header, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
}

/// An archive that the portal listed twice.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastBackup {
    /// Its id in the portal's history.
    pub id: String,
    /// Name of its file.
    pub file_name: String,
    /// The end of the run that made it; UTC.
    pub created_on: Time,
    /// Where it is: DocSpace's name of the storage type.
    pub storage_type: String,
    /// What the portal says that it lacks, such as files that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// An archive that the portal listed once.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its id in the portal's history.
    pub id: String,
    /// When it was listed first; UTC.
    pub first_listed: Time,
    /// The end of the run that made it; UTC.
    pub created_on: Time,
    /// What the portal says that it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A backup that failed.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct LastFailure {
    /// When it was told; UTC.
    pub time: Time,
    /// What the portal says, in its own words.
    pub message: String,
}

/// A run of a backup, whoever started it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Its id in the portal.
    pub id: String,
    /// When it was told of first; UTC. Absent when it may be older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
}

/// How often something happened lately.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How often.
    pub count: i32,
    /// When last; UTC.
    pub last_time: Time,
}

/// The API key in use.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// Its id in the portal. Objects whose keys have the same text and id are at the same portal, whatever its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that it was given in the portal.
    pub name: String,
    /// When it expires; UTC, absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A portal, as it describes itself.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct PortalStatus {
    /// Version of DocSpace. It comes from a file of the installation and may be stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is a standalone installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standalone: Option<bool>,
    /// Name of the portal inside its installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// One of a status' conditions.
pub fn condition<'a>(status: Option<&'a Status>, kind: &str) -> Option<&'a Condition> {
    status?
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// The API keeps times to the second.
pub fn to_second(time: Timestamp) -> Time {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Trunc);
    Time(time.round(whole).unwrap_or(time))
}
