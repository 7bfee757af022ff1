//! The data of portals, without HTTP.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{portal::redact::Unread, schedule::Storage, shares::Share};

/// The times that a portal's clock may show, because times are calculated from them: the years 1970 to 2999.
pub const PLAUSIBLE: std::ops::Range<Timestamp> =
    Timestamp::UNIX_EPOCH..Timestamp::constant(32_503_680_000, 0);

/// The running or the last run of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has ended, well or not.
    pub is_completed: bool,
    /// Per cent.
    pub progress: i64,
    /// Why it failed; the status is the same for success and failure.
    pub error: Option<String>,
    /// Files that are missing in the archive because they could not be read.
    pub warning: Option<String>,
    /// Id of the run.
    pub task_id: Option<String>,
}

/// A portal's settings; a valid key gives more of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortalSettings {
    /// IANA name of the portal's time zone; absent when the key was not accepted (R 813).
    pub time_zone: Option<String>,
    /// Version of DocSpace, from a file of the installation: may be stale.
    pub version: Option<String>,
    /// Whether it is a standalone installation.
    pub standalone: Option<bool>,
    /// Name of the portal inside its installation.
    pub alias: Option<String>,
    /// Base domain of the installation's portals; `localhost` by default on a standalone one. Also given without a
    /// valid key (R 800, 840).
    pub base_domain: Option<String>,
}

/// The kind of key that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey(KeyInfo),
    /// A session token; the portal does not describe it.
    SessionToken,
}

/// An API key, as the portal describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, the same at every address of the portal.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether its permissions cover writes.
    pub may_write: bool,
    /// When it expires; `None` means never.
    pub expires_at: Option<Timestamp>,
}

/// An archive of the history.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its id.
    pub id: String,
    /// Name of its file.
    pub file_name: Unread,
    /// DocSpace's number of the storage type.
    pub storage_type: Storage,
    /// The end of the run that made it.
    pub created_on: Timestamp,
    /// When DocSpace deletes it because of its age.
    pub expires: Expiry,
}

/// When DocSpace's cleaner, which runs every 15 minutes, deletes an archive because of its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not at all: year 1 without an offset, as MySQL and MariaDB give it (R 312).
    Never,
    /// At the next pass: year 1 with an offset, as PostgreSQL gives it. It should mean never, but the cleaner treats it
    /// as expired (trap 7, story cleaner-on-postgresql).
    AtNextCleaning,
    /// At the first pass from this time on; a day after the end of the run in DocSpace's temporary store (trap 4,
    /// R 312). Until then the archive stays listed.
    At(Timestamp),
}

/// The backup actions of the audit trail, with DocSpace's numbers (R 503–510).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A manual backup started.
    BackupStarted = 5041,
    /// A manual backup completed.
    BackupCompleted = 5125,
    /// A manual backup failed.
    BackupFailed = 5126,
    /// A scheduled backup started.
    ScheduledBackupStarted = 5127,
    /// A scheduled backup completed.
    ScheduledBackupCompleted = 5128,
    /// A scheduled backup failed.
    ScheduledBackupFailed = 5129,
    /// The schedule was deleted through the API, also when there was none; not by DocSpace's scheduler (R 507).
    ScheduledBackupDeleted = 5130,
}

impl AuditAction {
    /// DocSpace's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackupStarted => "BackupStarted",
            Self::BackupCompleted => "BackupCompleted",
            Self::BackupFailed => "BackupFailed",
            Self::ScheduledBackupStarted => "ScheduledBackupStarted",
            Self::ScheduledBackupCompleted => "ScheduledBackupCompleted",
            Self::ScheduledBackupFailed => "ScheduledBackupFailed",
            Self::ScheduledBackupDeleted => "ScheduledBackupDeleted",
        }
    }
}

/// An event of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened; cut to whole seconds on MySQL and MariaDB.
    pub date: Timestamp,
    /// The target: for a deleted schedule the portal's number, or -1 for the dump's (R 507). Events of runs have none
    /// (R 503–510).
    pub target: Option<i64>,
}

/// An answer of a portal.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The requested value.
    pub value: T,
    /// The portal's clock: the Date header of this answer, which is DocSpace's own.
    pub date: Option<Timestamp>,
    /// The room that a large value takes, held for as long as the value lives.
    pub room: Option<Arc<Share>>,
}
