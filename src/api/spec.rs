//! What the user writes. The request body of `createbackupschedule` is a valid part of it, field for field.

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Status;

/// A backup schedule that a DocSpace portal shall hold, and how the operator looks after it.
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
    doc = "A backup schedule of an ONLYOFFICE DocSpace portal: what the portal shall hold, and whether it does."
)]
#[serde(rename_all = "camelCase")]
pub struct DocSpaceBackupScheduleSpec {
    /// The portal that shall hold the schedule, and what the operator needs to reach it.
    pub portal: PortalSpec,
    /// Where the archives go.
    pub storage_type: StorageType,
    /// What the storage needs, as a list of keys and values; which keys depends on storageType.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_params: Vec<StorageParam>,
    /// When the portal makes a backup.
    pub cron_params: CronParams,
    /// How many archives the portal keeps, 1 to 30; it deletes the oldest beyond that number.
    pub backups_stored: i32,
    /// Back up the whole installation (standalone servers only) in place of this portal. Default: false.
    #[serde(default)]
    pub dump: bool,
    /// How often the portal is looked at, as a duration of 1m to 24h. Default: the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Leave the portal alone: no call is made while this is true. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// Whether the operator writes to the portal. Default: Enforce.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What to do with a schedule that the portal holds already. Default: Safe.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What happens to the portal's schedule when this object is deleted. Default: Delete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// How long after its due time a backup may take to appear, as a duration of 30m or more. Default: 2h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_deadline: Option<Duration>,
}

/// The portal that shall hold the schedule, and what the operator needs to reach it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PortalSpec {
    /// Address of the portal: `https://…`, or `http://…` inside a cluster; without user, query or fragment.
    pub url: String,
    /// Host header to send, where it differs from the URL's host: DocSpace picks the portal by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// The Secret with the API key (`sk-…`) or session token, in the same namespace.
    pub api_key_secret_ref: ApiKeySecretRef,
    /// The Secret with the certificates (PEM) of a private CA, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// A key of a Secret that holds an API key.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ApiKeySecretRef {
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret. Default: apiKey.
    #[serde(default = "api_key")]
    pub key: String,
}

/// A key of a Secret that holds CA certificates.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct CaSecretRef {
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret. Default: ca.crt.
    #[serde(default = "ca_crt")]
    pub key: String,
}

/// A key of a Secret.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret.
    pub key: String,
}

fn api_key() -> String {
    "apiKey".into()
}

fn ca_crt() -> String {
    "ca.crt".into()
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
#[serde(rename_all = "camelCase")]
pub struct StorageParam {
    /// Name of the parameter, as DocSpace knows it: folderId, filePath, module, bucket, region, …
    pub key: String,
    /// The value, a text or a whole number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ParamValue>,
    /// Where the value is kept, when it is a secret.
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
    /// A key of a Secret in the same namespace.
    pub secret_key_ref: SecretKeyRef,
}

/// When the portal makes a backup: on its wall clock, or in UTC for a dump.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct CronParams {
    /// How often.
    pub period: Period,
    /// Hour of the day, 0 to 23, on the portal's wall clock (UTC for a dump).
    pub hour: i32,
    /// EveryWeek: 1 (Sunday) to 7. EveryMonth: 1 to 31. EveryDay: ignored.
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
