//! The status. Times are in UTC; a field is absent while unknown.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Candidate, LastBackup, LastFailure, LastRun, shown_address};

/// What the operator last observed of the schedule and its backups. Times are in UTC; a field is absent while unknown.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Generation of the object that this status describes; -1 until the operator has handled the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the portal's schedule equals the manifest. Reconciling: the operator is working or retries automatically.
    /// Stalled: the object needs your action. Synced: portal and manifest are equal. BackupFresh: the last due backup
    /// produced an archive. CredentialsValid: the portal accepts the API key. Suspended: the operator makes no calls to the
    /// portal. An absent condition is not true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The schedule that the portal holds, in readable form with its time zone: EveryDay 03:00 UTC, EveryWeek Sunday 22:00
    /// Europe/Berlin, EveryMonth 31 03:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Outcome of the last call that created or deleted the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request: Option<LastRequest>,
    /// The schedule that this object last wrote or adopted, when and why. It proves that this object owns the portal's
    /// schedule. Once it is set, spec.dump cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The schedule that the portal held at the last check; absent when it held none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ShownSchedule>,
    /// Differences between manifest and portal, one line for each field: cronParams.hour: 3 wanted, 5 in the portal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<String>,
    /// The schedule that this object last replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ShownSchedule>,
    /// Storage parameters whose value in the portal is hidden although their values are usually shown (folderId, filePath,
    /// module, bucket, region), because an earlier value was secret. A value in the manifest itself is still shown.
    #[schemars(length(max = 5))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_params: Vec<String>,
    /// The portal accepted the applied schedule but shows a different one; absent once the portal shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// The portal's schedule differs from the applied one although neither the manifest nor a storage Secret changed; absent
    /// once the operator has corrected it, or the difference is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How often the operator corrected the schedule within the last 24 hours after somebody else had changed or removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Tally>,
    /// How often the operator restored the schedule in this calendar month (UTC) after the portal itself had removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removals: Option<Tally>,
    /// Time zone of the schedule's hour: an IANA name such as Europe/Berlin; UTC with dump: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The schedule that must produce backups, and since when; absent while no schedule is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<InForce>,
    /// When the portal starts its next backup, in UTC. In the past if that backup is due but has not started. Absent if the
    /// portal will not start any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_backup_time: Option<Time>,
    /// The newest confirmed archive: the portal listed it at two checks at least 30 minutes apart, and it is not known to be
    /// a person's manual backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<LastBackup>,
    /// When a second check found the newest archive missing in the portal's history before its time, with no newer one
    /// listed; UTC. Absent while that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vanished_since: Option<Time>,
    /// The due time of the last backup that two checks did not find after its deadline; UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_backup_time: Option<Time>,
    /// Since when the portal's audit trail cannot be read, by the portal's clock; UTC. For six hours the operator waits for
    /// it before it confirms an archive that a person may have made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_trail_failing_since: Option<Time>,
    /// Number of archives in the portal's history when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_count: Option<i32>,
    /// An archive that was listed once. It counts as a backup if a later check lists it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// The last known failure of a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// The run that the portal reported last, scheduled or manual. The operator keeps it to tell old runs from new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// The API key in use, as the portal reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyStatus>,
    /// The portal, as it reports itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<PortalStatus>,
    /// How many seconds the portal's clock is ahead of the operator's; absent while the two differ by at most 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_seconds: Option<i64>,
    /// Value of the annotation docspace.onlyoffice.com/requestedAt that the operator last handled. It handles at most one
    /// value in 2 seconds, the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// Outcome of a call that created or deleted the schedule.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// The call: CreateSchedule or DeleteSchedule.
    pub operation: Operation,
    /// When the answer arrived or the operator stopped waiting for it, by the operator's clock; UTC.
    pub time: Time,
    /// The portal's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The Host header, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// Whether the call was for the schedule of the whole installation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dump: bool,
    /// HTTP status code; absent when no answer arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i32>,
    /// The outcome in words.
    pub message: String,
    /// True if DocSpace may still carry out the call, or a write before a deletion that failed: its outcome is unknown. The
    /// operator does not write again for ten minutes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
}

impl Status {
    /// The last request, if its outcome is unknown.
    pub fn lost_request(&self) -> Option<&LastRequest> {
        self.last_request
            .as_ref()
            .filter(|request| request.outcome_unknown)
    }
}

impl LastRequest {
    /// The portal's address, for messages.
    pub fn address(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        Some(shown_address(url, self.host_header.as_deref()))
    }
}

/// A call that writes to the portal.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Operation {
    /// `POST backup/createbackupschedule`
    CreateSchedule,
    /// `DELETE backup/deletebackupschedule`
    DeleteSchedule,
}

/// The schedule that this object last wrote or adopted. It is valid only for the object with this uid and address.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// When the operator saw this schedule in the portal; UTC.
    pub time: Time,
    /// Why it was applied: Created (first write), Changed (written after a change of the manifest or of a storage Secret),
    /// Corrected (written again after somebody had changed or removed it), Recreated (restored after the portal itself had
    /// removed it), Adopted (already equal in the portal).
    pub reason: AppliedReason,
    /// Generation of the object that the schedule comes from.
    pub generation: i64,
    /// The uid of the object that wrote or adopted the schedule.
    pub uid: String,
    /// The portal's address.
    pub url: String,
    /// The Host header, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// The schedule that was written or adopted; values from Secrets read (hidden).
    pub schedule: ShownSchedule,
    /// Where the values of storage parameters from Secrets came from.
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["param".into()]))]
    pub secrets: Vec<SecretVersion>,
}

/// Where the value of a storage parameter came from.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// Name of the parameter.
    pub param: String,
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret.
    pub key: String,
    /// The Secret's resourceVersion. It also changes with the Secret's metadata.
    pub resource_version: String,
}

/// The portal accepted the applied schedule but shows a different one.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Unconfirmed {
    /// When the portal accepted the schedule; UTC.
    pub accepted_time: Time,
    /// At how many checks since then the portal showed a different schedule.
    pub checks: i32,
}

/// The portal's schedule differs from the applied one although neither the manifest nor a storage Secret changed.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When a check first showed this difference, by the operator's clock; UTC. The operator acts on it after a further
    /// check.
    pub since: Time,
    /// The correction was requested (requestedAt) or decided, and waits for a further check or for a running backup to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub correction_waits: bool,
    /// The portal itself removed the schedule, after the operator had restored it once in this month.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed_by_portal: bool,
}

impl Applied {
    /// The portal's address, for messages.
    pub fn address(&self) -> String {
        shown_address(&self.url, self.host_header.as_deref())
    }
}

/// Why a schedule was applied.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum AppliedReason {
    /// First write.
    Created,
    /// Written after a change of the manifest or of a storage Secret.
    Changed,
    /// Written again after somebody had changed or removed it.
    Corrected,
    /// Restored after the portal itself had removed it, for example for billing reasons.
    Recreated,
    /// Already equal in the portal.
    Adopted,
}

/// A schedule as status shows it; values that may be secret read (hidden).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownSchedule {
    /// Storage type by DocSpace's name, or its number if DocSpace has no name for it.
    pub storage_type: String,
    /// When a backup is made.
    pub cron_params: ShownCron,
    /// Number of archives that the portal keeps.
    pub backups_stored: i64,
    /// Whether the schedule backs up the whole installation instead of this portal only.
    pub dump: bool,
    /// When the portal last queued a backup, in UTC; absent for never. It does not prove that the backup succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_time: Option<Time>,
    /// Parameters of the storage, without the ones that DocSpace adds itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_params: Vec<ShownParam>,
}

/// When a backup is made, as status shows it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ShownCron {
    /// EveryDay, EveryWeek or EveryMonth, or DocSpace's number if it has no name for the period.
    pub period: String,
    /// Hour of the day in the portal's time zone (in UTC with dump: true).
    pub hour: i64,
    /// Day of the week (1 is Sunday) or day of the month; 0 for EveryDay.
    pub day: i64,
}

/// A parameter of the storage, as status shows it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ShownParam {
    /// Name of the parameter, for example folderId, filePath, module, bucket or region.
    pub key: String,
    /// Value of the parameter, or (hidden).
    pub value: String,
}

/// The schedule that must produce backups: the applied one, or the portal's own with managementPolicy: Observe.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// Since when; UTC. Earlier due times do not count. It changes whenever one of the other fields changes.
    pub since: Time,
    /// The schedule with its time zone: EveryDay 03:00 Europe/Berlin.
    pub schedule: String,
    /// Storage type.
    pub storage_type: String,
    /// Whether the schedule backs up the whole installation.
    #[serde(default)]
    pub dump: bool,
    /// The portal's address.
    pub url: String,
    /// The Host header, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
}

/// How often something happened, and when last.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Number of times.
    pub count: i32,
    /// The last time; UTC.
    pub last_time: Time,
}

/// The API key in use.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// Id of the key in the portal. Objects whose keys have the same text and id use the same portal, whatever its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the key in the portal.
    pub name: String,
    /// When the key expires, in UTC; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A portal, as it reports itself.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct PortalStatus {
    /// Version of DocSpace, read from a file of the installation; it may be outdated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether DocSpace is a standalone installation.
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

/// Truncates to whole seconds, the precision of times in the Kubernetes API.
pub fn to_second(time: Timestamp) -> Time {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Trunc);
    Time(time.round(whole).unwrap_or(time))
}
