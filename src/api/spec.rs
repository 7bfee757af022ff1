//! What the user writes. The request body of `createbackupschedule` is a valid part of it, field for field.
//!
//! Descriptions are what `kubectl explain` prints; what the API server checks beyond the schema is in `rules`.

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{PortalSpec, SecretKeyRef, Status, validation};

/// A backup schedule that a DocSpace portal shall hold, and how the operator looks after it. storageType, storageParams,
/// cronParams, backupsStored and dump are the request body of DocSpace's createbackupschedule, field for field.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "docspace.onlyoffice.com",
    version = "v1alpha1",
    kind = "DocSpaceBackupSchedule",
    plural = "docspacebackupschedules",
    shortname = "dsbs",
    category = "docspace",
    namespaced,
    derive = "PartialEq",
    status = "Status",
    doc = "A backup schedule of an ONLYOFFICE DocSpace portal: what the portal shall hold, and whether it does.",
    validation = validation::dump_stays(),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        json_path = ".status.schedule",
        description = "When the portal makes a backup, as it holds the schedule"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the portal holds what the manifest says"
    ),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"BackupFresh\")].status",
        description = "Whether archives come of it"
    ),
    printcolumn(
        name = "Last Backup",
        type_ = "date",
        json_path = ".status.lastBackup.createdOn",
        description = "When the newest confirmed archive was made"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "The message of the condition Ready"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Portal",
        type_ = "string",
        json_path = ".spec.portal.url",
        priority = 1,
        description = "The portal's address"
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.nextBackupTime",
        priority = 1,
        description = "When the portal makes a backup next, in UTC"
    )
)]
#[x_kube(
    validation = validation::documents_have_folder(),
    validation = validation::documents_folder_is_number(),
    validation = validation::thirdparty_has_folder(),
    validation = validation::thirdparty_folder_is_text(),
    validation = validation::local_has_path(),
    validation = validation::local_path_has_length(),
    validation = validation::consumer_has_module(),
    validation = validation::consumer_module_is_lower_case()
)]
#[serde(rename_all = "camelCase")]
pub struct DocSpaceBackupScheduleSpec {
    /// The portal that shall hold the schedule, and what the operator needs to reach it. Required.
    pub portal: PortalSpec,
    /// Where the archives go. Required. Documents: a folder of the portal itself (needs folderId, a number).
    /// ThridpartyDocuments, spelt as DocSpace spells it: a folder of a connected cloud (needs folderId, a text).
    /// CustomCloud: accepted by DocSpace, and can never back up, because there is no storage behind it. Local: a
    /// directory of the server, standalone servers only (needs filePath). DataStore: DocSpace's temporary store, archives
    /// are gone after a day. ThirdPartyConsumer: a cloud store that is set up in the portal (needs module).
    pub storage_type: StorageType,
    /// What the storage needs, as a list of keys and values; at most 32, each key once. Documents: folderId.
    /// ThridpartyDocuments: folderId. Local: filePath. ThirdPartyConsumer: module, and for s3 bucket, region, serviceurl,
    /// forcepathstyle, usehttp, sse, ssekey, for googlecloud bucket, for rackspace public_container, private_container,
    /// region. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub storage_params: Vec<StorageParam>,
    /// When the portal makes a backup. Required.
    pub cron_params: CronParams,
    /// How many archives the portal keeps, 1 to 30. Required. The portal deletes the oldest scheduled archives beyond that
    /// number, whatever storage they are in, within 15 minutes of the schedule being written.
    #[schemars(range(min = 1, max = 30))]
    pub backups_stored: i32,
    /// Back up the whole installation, all of its portals (standalone servers only), in place of this portal. A portal has
    /// one schedule of each kind, so this cannot change once the schedule is in the portal. Default: false.
    #[serde(default)]
    pub dump: bool,
    /// How often the portal is looked at: a duration such as 15m or 1h30m, from 1m to 24h. Default: the operator's own
    /// setting (--interval, 15m unless set).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_duration"
    )]
    #[schemars(length(max = 32))]
    #[x_kube(validation = validation::interval_range())]
    pub interval: Option<Duration>,
    /// Leave the portal alone: no call is made while this is true, and deleting the object leaves the schedule in the
    /// portal. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// Whether the operator writes to the portal. Enforce: keep the portal's schedule as the manifest says. Observe: read,
    /// report the difference, never write. Default: Enforce.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What to do with a schedule that the portal holds before this object has written one. Safe: take over a different
    /// schedule, unless the portal would then delete archives. Always: take it over even so, and let any later write delete
    /// archives, too. Never: adopt an equal schedule only. Default: Safe.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What happens to the portal's schedule when this object is deleted. Delete: it is deleted, where it still is as this
    /// object wrote it; archives stay. Orphan: it stays in the portal. Default: Delete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// How long after its due time a backup may take to appear before it counts as overdue: a duration such as 2h or 90m,
    /// from 30m to 168h (7 days). Default: 2h.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_duration"
    )]
    #[schemars(length(max = 32), extend("default" = "2h"))]
    #[x_kube(validation = validation::deadline_range())]
    pub backup_deadline: Option<Duration>,
}

/// Reads a duration as Go and kubectl write it, such as 1h30m.
///
/// # Errors
/// It is none, or has a number of more than six digits: kube's own reading panics on huge ones.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text
        .split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits.len() > 6)
    {
        return Err(format!("{text}: too many digits; write for example 15m"));
    }
    text.parse()
        .map_err(|error| format!("{text}: {error}; write for example 15m"))
}

fn some_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse_duration(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}

/// Where archives go, by DocSpace's own names (its spelling, too).
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum StorageType {
    /// A folder of the portal itself; needs folderId, a number.
    Documents,
    /// A folder of a connected cloud; needs folderId.
    ThridpartyDocuments,
    /// Accepted by DocSpace, and can never back up: there is no storage behind it.
    CustomCloud,
    /// A directory of the server; needs filePath; standalone servers only.
    Local,
    /// DocSpace's temporary store: archives are gone after a day.
    DataStore,
    /// A cloud store that is set up in the portal; needs module.
    ThirdPartyConsumer,
}

/// One parameter of the storage: its key, and either a value or a reference to a Secret.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[x_kube(validation = validation::param_has_one_value(), validation = validation::shown_param_is_no_secret())]
#[serde(rename_all = "camelCase")]
pub struct StorageParam {
    /// Name of the parameter, as DocSpace knows it: folderId, filePath, module, bucket, region and so on; at most 64
    /// characters. Required. Not tenantId, which DocSpace sets itself.
    #[schemars(length(max = 64))]
    #[x_kube(validation = validation::param_has_key(), validation = validation::param_is_not_tenant())]
    pub key: String,
    /// The value, a text of at most 1024 characters or a whole number. Either this or valueFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ParamValue>,
    /// Where the value is kept, when it is a secret. Either this or value. Not for folderId, filePath, module, bucket and
    /// region, whose values status shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// A text or a whole number; DocSpace keeps both as text.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(untagged)]
pub enum ParamValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl JsonSchema for ParamValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParamValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 1024})
    }
}

/// Where a value is kept.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    /// A key of a Secret in the same namespace. Required.
    pub secret_key_ref: SecretKeyRef,
}

/// When the portal makes a backup: on its wall clock, or in UTC for a dump.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[x_kube(validation = validation::day_of_week(), validation = validation::day_of_month())]
pub struct CronParams {
    /// How often: EveryDay, EveryWeek or EveryMonth. Required.
    pub period: Period,
    /// Hour of the day, 0 to 23, on the portal's wall clock (in UTC with dump: true); the backup starts within some 15
    /// minutes after it. Required.
    #[schemars(range(min = 0, max = 23))]
    pub hour: i32,
    /// EveryWeek: day of the week, 1 (Sunday) to 7 (Saturday), required. EveryMonth: day of the month, 1 to 31, required;
    /// in a shorter month 29 and 30 come on the first days of the next, and 31 is left out. EveryDay: ignored, so 0 as in
    /// DocSpace's own example will do. Default: none.
    #[schemars(range(min = 0, max = 31))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i32>,
}

/// How often a backup is made.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Period {
    /// Every day.
    EveryDay,
    /// On one day of the week.
    EveryWeek,
    /// On one day of the month.
    EveryMonth,
}

/// Whether the operator writes to the portal.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum ManagementPolicy {
    /// Keep the portal's schedule as the manifest says.
    #[default]
    Enforce,
    /// Read and report the difference; never write.
    Observe,
}

/// What to do with a slot that this object does not own yet.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum AdoptionPolicy {
    /// Take over a different schedule, unless that would delete archives.
    #[default]
    Safe,
    /// Take over a different schedule, even if the portal then deletes archives.
    Always,
    /// Adopt an equal schedule only.
    Never,
}

/// What happens to the portal's schedule when the object is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Delete it, where it still is as this object wrote it.
    #[default]
    Delete,
    /// Leave it in the portal.
    Orphan,
}

/// The keys of storage parameters whose values are shown. No manifest may take them from a Secret.
pub const SHOWN_KEYS: [&str; 5] = ["folderId", "filePath", "module", "bucket", "region"];
