//! The spec. The request body of `createbackupschedule` is a valid part of it, field for field.
//!
//! `kubectl explain` prints these doc comments. `validation` holds the checks beyond the schema.

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{PortalSpec, SecretKeyRef, Status, validation};

/// The desired backup schedule of a DocSpace portal, and how the operator manages it. storageType, storageParams,
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
    doc = "A backup schedule of an ONLYOFFICE DocSpace portal: the desired schedule in spec, the portal's schedule and its backups in status.",
    validation = validation::dump_stays(),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        json_path = ".status.schedule",
        description = "The schedule that the portal holds, with its time zone"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the portal's schedule equals the manifest"
    ),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"BackupFresh\")].status",
        description = "Whether the last due backup produced an archive"
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
        description = "Message of the condition Ready"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Portal",
        type_ = "string",
        json_path = ".spec.portal.url",
        priority = 1,
        description = "Address of the portal"
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.nextBackupTime",
        priority = 1,
        description = "When the portal starts its next backup, in UTC"
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
    /// The portal that holds the schedule, and how the operator connects to it. Required.
    pub portal: PortalSpec,
    /// Where the portal stores archives. Required. Documents: a folder of the portal itself (needs folderId, a number).
    /// ThridpartyDocuments (DocSpace's spelling): a folder of a connected cloud (needs folderId, a text). CustomCloud:
    /// DocSpace accepts it but can never back up to it, because there is no storage behind it. Local: a directory on the
    /// server, standalone servers only (needs filePath). DataStore: DocSpace's temporary store; archives expire after one
    /// day. ThirdPartyConsumer: a cloud storage that is configured in the portal (needs module).
    pub storage_type: StorageType,
    /// Parameters of the storage as keys and values: at most 32, each key once. Documents and ThridpartyDocuments:
    /// folderId. Local: filePath. ThirdPartyConsumer: module; also bucket, region, serviceurl, forcepathstyle, usehttp, sse
    /// and ssekey for s3; bucket for googlecloud; public_container, private_container and region for rackspace.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub storage_params: Vec<StorageParam>,
    /// When the portal makes a backup. Required.
    pub cron_params: CronParams,
    /// Number of archives that the portal keeps, 1 to 30. Required. Within 15 minutes after the schedule is written, the
    /// portal deletes the oldest scheduled archives beyond this number, in every storage.
    #[schemars(range(min = 1, max = 30))]
    pub backups_stored: i32,
    /// If true, back up the whole installation with all its portals instead of this portal only; standalone servers only.
    /// It selects one of two separate schedules, so it cannot change once status.applied is set. Default: false.
    #[serde(default)]
    pub dump: bool,
    /// How often the operator checks the portal: a duration such as 15m or 1h30m, from 1m to 24h. Default: the operator's
    /// flag --interval, which is 15m unless set.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_duration"
    )]
    #[schemars(length(max = 32))]
    #[x_kube(validation = validation::interval_range())]
    pub interval: Option<Duration>,
    /// If true, the operator makes no call to the portal, and the schedule stays in the portal when this object is deleted.
    /// Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// Whether the operator writes to the portal. Enforce: keep the portal's schedule equal to the manifest. Observe: read
    /// the schedule, report differences, and never write. Default: Enforce.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What to do when the portal already holds a schedule that this object did not write. Safe: replace a different
    /// schedule, unless the portal would then delete archives. Always: replace it in any case; later writes may also delete
    /// archives. Never: adopt an equal schedule only, and do not replace a different one. Default: Safe.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What happens to the portal's schedule when this object is deleted. Delete: the operator deletes the schedule if it
    /// is still the one that this object applied; archives stay. Orphan: the schedule stays in the portal. Default: Delete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Time after which a due backup without an archive counts as overdue: a duration such as 2h or 90m, from 30m to 168h
    /// (7 days), measured from the due time. Default: 2h.
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
/// The text is no duration, or a number in it has more than six digits: kube's own parser panics on huge numbers.
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

/// Where the portal stores archives, by DocSpace's own names and spelling.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum StorageType {
    /// A folder of the portal itself; needs folderId, a number.
    Documents,
    /// A folder of a connected cloud; needs folderId.
    ThridpartyDocuments,
    /// DocSpace accepts it but can never back up to it: there is no storage behind it.
    CustomCloud,
    /// A directory on the server; needs filePath; standalone servers only.
    Local,
    /// DocSpace's temporary store: archives expire after one day.
    DataStore,
    /// A cloud storage that is configured in the portal; needs module.
    ThirdPartyConsumer,
}

/// One parameter of the storage: its key, and either a value or a reference to a Secret.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[x_kube(
    validation = validation::param_has_one_value(),
    validation = validation::param_is_not_hidden(),
    validation = validation::shown_param_is_no_secret()
)]
#[serde(rename_all = "camelCase")]
pub struct StorageParam {
    /// Name of the parameter as DocSpace defines it, for example folderId, filePath, module, bucket or region; at most 64
    /// characters. Required. tenantId is not allowed, because DocSpace sets it itself.
    #[schemars(length(max = 64))]
    #[x_kube(validation = validation::param_has_key(), validation = validation::param_is_not_tenant())]
    pub key: String,
    /// The value: a text of at most 1024 characters, or an integer. Set either value or valueFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ParamValue>,
    /// Source of a secret value. Set either value or valueFrom. Not allowed for folderId, filePath, module, bucket and
    /// region, because status shows their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// A text or an integer; DocSpace stores both as text.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(untagged)]
pub enum ParamValue {
    /// An integer.
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

/// Source of a value.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    /// The Secret in the same namespace that holds the value, and the key inside it. Required.
    pub secret_key_ref: SecretKeyRef,
}

/// When the portal makes a backup: in the portal's time zone, or in UTC with dump: true.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[x_kube(validation = validation::day_of_week(), validation = validation::day_of_month())]
pub struct CronParams {
    /// How often: EveryDay, EveryWeek or EveryMonth. Required.
    pub period: Period,
    /// Hour of the day, 0 to 23, in the portal's time zone (in UTC with dump: true). The backup starts within about 15
    /// minutes after the full hour. Required.
    #[schemars(range(min = 0, max = 23))]
    pub hour: i32,
    /// EveryWeek: day of the week, 1 (Sunday) to 7 (Saturday); required. EveryMonth: day of the month, 1 to 31; required. In
    /// a month without that day, 29 and 30 run on one of the first days of the next month, and 31 does not run. EveryDay:
    /// ignored, so the 0 of DocSpace's own example is valid. Default: none.
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
    /// Keep the portal's schedule equal to the manifest.
    #[default]
    Enforce,
    /// Read the schedule and report differences; never write.
    Observe,
}

/// What to do with a schedule that this object did not write.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum AdoptionPolicy {
    /// Replace a different schedule, unless the portal would then delete archives.
    #[default]
    Safe,
    /// Replace a different schedule, even if the portal then deletes archives.
    Always,
    /// Adopt an equal schedule only; do not replace a different one.
    Never,
}

/// What happens to the portal's schedule when the object is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Delete it if it is still the one that this object applied.
    #[default]
    Delete,
    /// Leave it in the portal.
    Orphan,
}

/// The keys of storage parameters whose values are shown. No manifest may take them from a Secret.
pub const SHOWN_KEYS: [&str; 5] = ["folderId", "filePath", "module", "bucket", "region"];

/// Whether this is such a key in any case, as the API server compares it: see `validation::shown_param_is_no_secret`.
pub fn is_shown_key(key: &str) -> bool {
    SHOWN_KEYS.iter().any(|shown| shown.eq_ignore_ascii_case(key))
}
