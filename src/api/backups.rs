//! Archives, runs and failures in the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An archive that the portal listed twice.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastBackup {
    /// Its id in the portal's history.
    pub id: String,
    /// Name of its file.
    pub file_name: String,
    /// When the run that made it ended; UTC.
    pub created_on: Time,
    /// Storage type of the archive, by DocSpace's name.
    pub storage_type: String,
    /// The portal's warning about the archive, for example that some files could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// An archive that the portal listed once.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its id in the portal's history.
    pub id: String,
    /// When the portal first listed it; UTC.
    pub first_listed: Time,
    /// When the run that made it ended; UTC.
    pub created_on: Time,
    /// The portal's warning about the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A backup that failed.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct LastFailure {
    /// Time of the failure in the audit trail; otherwise when the operator first saw the failed run. UTC.
    pub time: Time,
    /// The portal's own message, or a note that it gave none.
    pub message: String,
}

/// A run of a backup, scheduled or manual.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Id of the run in the portal.
    pub id: String,
    /// When the portal first reported the run; UTC. Absent if the run may be older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
}
