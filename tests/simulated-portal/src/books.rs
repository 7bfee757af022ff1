//! What the server keeps of runs: archives, progress and audit events.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::tenant::Database;

/// Whether the file of an archive can be seen by the pod that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum File {
    /// It is there.
    #[default]
    Present,
    /// It is not: the next look at the history strikes the archive from the books (story datastore-expired).
    Missing,
    /// There is no storage behind the record, so nobody looks: not listed, not struck, never deleted (R 312,
    /// story cleaner-pass). CustomCloud always has none.
    NoStorage,
}

/// When an archive ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As a run writes it: DataStore's after a day; else never, which on PostgreSQL is `0001-01-01T00:00:00Z`
    /// and taken for long past by the cleaner (story cleaner-on-postgresql).
    #[default]
    AsWritten,
    /// Never: `0001-01-01T00:00:00`, whatever the database.
    Never,
    /// At an instant.
    At(Timestamp),
}

/// An archive in the books.
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
    /// When it ends.
    pub expires_on: Expiry,
    /// Whether the scheduler made it, or a person. The history does not tell; the cleaner asks.
    pub scheduled: bool,
    /// Whether it was charged for (getbackupscount).
    pub paid: bool,
    /// Whether its file is seen.
    pub file: File,
    /// Struck from the books for good.
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

    /// One that a person made.
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

    /// Whether the cleaner takes it for expired.
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
    /// Over, well or not.
    pub is_completed: bool,
    /// Per cent.
    pub progress: i32,
    /// The only sign of failure, where not empty.
    pub error: String,
    /// Files that could not be read.
    pub warning: Option<String>,
    /// Where the archive is to be had.
    pub link: String,
    /// The tenant that the run is for.
    pub tenant_id: i32,
    /// 0 queued, 1 running, 2 over, well or not (R 320, 322, 324).
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
    /// Grows with every event; 0 = the next number.
    pub id: u64,
    /// When.
    pub date: Timestamp,
    /// Who, by name.
    pub user: String,
    /// Who, by id.
    pub user_id: String,
    /// The number of the action, such as 5129 for ScheduledBackupFailed.
    pub action_id: u32,
    /// What it was done to: the tenant's id, −1 for the dump (R 507).
    pub target: Option<String>,
    /// The address that it came from; an event of a run has none.
    pub ip: Option<String>,
    /// The page that it came from.
    pub page: Option<String>,
}

/// How a time that never was is told.
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
