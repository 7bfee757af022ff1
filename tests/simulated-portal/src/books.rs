//! The records that the server keeps of runs: archives, progress and audit events.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::tenant::Database;

/// Whether the answering pod can see the archive's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum File {
    /// The file exists.
    #[default]
    Present,
    /// The file is missing: the next read of the history removes the record (story datastore-expired).
    Missing,
    /// The record has no storage, so the file cannot be checked: not listed, record kept, never deleted (R 312, story
    /// cleaner-pass). CustomCloud never has a storage.
    NoStorage,
}

/// When an archive expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As a run writes it: after one day for DataStore, otherwise never. On PostgreSQL, never is `0001-01-01T00:00:00Z`,
    /// which the cleaner treats as a past date (story cleaner-on-postgresql).
    #[default]
    AsWritten,
    /// Never: `0001-01-01T00:00:00`, whatever the database.
    Never,
    /// At an instant.
    At(Timestamp),
}

/// The record of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// A UUID.
    pub id: String,
    /// The name that the history shows.
    pub file_name: String,
    /// DocSpace's number of the storage.
    pub storage_type: i32,
    /// The end of the run.
    pub created_on: Timestamp,
    /// When it expires.
    pub expires_on: Expiry,
    /// Whether the scheduler made it, or a person. The history does not show it; the cleaner uses it.
    pub scheduled: bool,
    /// Whether it was charged for (getbackupscount).
    pub paid: bool,
    /// Whether its file is visible.
    pub file: File,
    /// Whether the record was removed for good.
    pub removed: bool,
}

impl Archive {
    /// A scheduled archive in a local folder.
    pub fn scheduled(id: &str, created_on: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            file_name: format!("localhost_{}.tar.gz", created_on.strftime("%Y-%m-%d_%H-%M-%S")),
            storage_type: 3,
            created_on,
            expires_on: Expiry::AsWritten,
            scheduled: true,
            paid: false,
            file: File::Present,
            removed: false,
        }
    }

    /// A manual archive.
    pub fn manual(id: &str, created_on: Timestamp) -> Self {
        Self {
            scheduled: false,
            ..Self::scheduled(id, created_on)
        }
    }

    /// The same in another storage.
    pub fn in_storage(self, storage_type: i32) -> Self {
        Self { storage_type, ..self }
    }

    pub(crate) fn has_storage(&self) -> bool {
        self.file != File::NoStorage && self.storage_type != 2
    }

    /// Whether the cleaner treats it as expired.
    pub(crate) fn expired(&self, database: Database, now: Timestamp) -> bool {
        match self.expires_on {
            Expiry::Never => false,
            Expiry::At(end) => end <= now,
            Expiry::AsWritten if self.storage_type == 4 => {
                self.created_on + SignedDuration::from_hours(24) <= now
            }
            Expiry::AsWritten => database == Database::PostgreSql,
        }
    }

    pub(crate) fn json(&self, database: Database) -> Value {
        let expires_on = match self.expires_on {
            Expiry::Never => NEVER.to_owned(),
            Expiry::At(end) => date(database, end),
            Expiry::AsWritten if self.storage_type == 4 => {
                date(database, self.created_on + SignedDuration::from_hours(24))
            }
            Expiry::AsWritten if database == Database::PostgreSql => format!("{NEVER}Z"),
            Expiry::AsWritten => NEVER.to_owned(),
        };
        json!({
            "id": self.id,
            "fileName": self.file_name,
            "storageType": self.storage_type,
            "createdOn": date(database, self.created_on),
            "expiresOn": expires_on,
        })
    }
}

/// The running or last run, kept until the next one or a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has ended, successfully or not.
    pub is_completed: bool,
    /// Per cent.
    pub progress: i32,
    /// The error; the only sign of a failure if not empty.
    pub error: String,
    /// Warning, for example about unreadable files.
    pub warning: Option<String>,
    /// Link to the archive.
    pub link: String,
    /// The tenant that the run is for.
    pub tenant_id: i32,
    /// 0 queued, 1 running, 2 ended, successfully or not (R 320, 322, 324).
    pub status: i32,
    /// A UUID.
    pub task_id: String,
}

impl Progress {
    pub(crate) fn json(&self) -> Value {
        let mut body = json!({
            "isCompleted": self.is_completed,
            "progress": self.progress,
            "error": self.error,
            "link": self.link,
            "tenantId": self.tenant_id,
            "backupProgressEnum": 0,
            "status": self.status,
            "taskId": self.task_id,
        });
        if let Some(warning) = &self.warning {
            body["warning"] = json!(warning);
        }
        body
    }
}

/// An event of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Increases with every event; 0 = the next number.
    pub id: u64,
    /// When.
    pub date: Timestamp,
    /// The name of the user.
    pub user: String,
    /// The id of the user.
    pub user_id: String,
    /// The number of the action, such as 5129 for ScheduledBackupFailed.
    pub action_id: u32,
    /// The target: the tenant's id, or −1 for the dump (R 507).
    pub target: Option<String>,
    /// The caller's address; events of runs have none.
    pub ip: Option<String>,
    /// The caller's page.
    pub page: Option<String>,
}

/// The text of a time that means never.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00";

/// A stored time as an answer shows it: Z at the end on PostgreSQL, seconds and no Z on MariaDB.
pub(crate) fn date(database: Database, time: Timestamp) -> String {
    match database {
        Database::MariaDb => time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Database::PostgreSql => {
            let text = time.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}
