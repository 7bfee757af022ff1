//! What portals tell, as data: no HTTP.

use jiff::Timestamp;

use crate::schedule::Storage;

/// The running or the last run of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has ended, well or not.
    pub is_completed: bool,
    /// Per cent.
    pub progress: i64,
    /// Why it failed; the status is the same for success and failure.
    pub error: Option<String>,
    /// What the archive lacks: files that could not be read.
    pub warning: Option<String>,
    /// Id of the run.
    pub task_id: Option<String>,
}

/// A portal's settings; more of them are to be had with a good key than without one.
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
    /// Domain of the installation, under which its portals have their names; `localhost` on a standalone one that was
    /// not told otherwise. Given without a good key, too (R 800, 840).
    pub base_domain: Option<String>,
}

/// As whom the portal is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// With an API key.
    ApiKey(KeyInfo),
    /// With a session token, of which the portal says nothing.
    SessionToken,
}

/// An API key, as the portal describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, the same at every address of the portal.
    pub id: String,
    /// The name that it was given.
    pub name: String,
    /// What it may do; empty for everything.
    pub permissions: Vec<String>,
    /// When it expires; absent for never.
    pub expires_at: Option<Timestamp>,
}

/// An archive, as the history lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its id.
    pub id: String,
    /// Name of its file.
    pub file_name: String,
    /// DocSpace's number of the storage type.
    pub storage_type: Storage,
    /// The end of the run that made it.
    pub created_on: Timestamp,
    /// When it is deleted for its age.
    pub expires: Expiry,
}

/// When an archive is deleted for its age, by DocSpace's cleaner, which comes every 15 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not at all: year 1 without an offset, as MySQL and MariaDB give it (R 312).
    Never,
    /// When the cleaner comes next: year 1 with an offset, as PostgreSQL gives it. It is meant to be never, but the
    /// cleaner takes it for long past (trap 7, story cleaner-on-postgresql).
    AtNextCleaning,
    /// The first time that the cleaner comes from this time on; a day after its end in DocSpace's temporary store
    /// (trap 4, R 312). Until then it stays listed.
    At(Timestamp),
}

/// What the audit trail tells of backups, with DocSpace's numbers (R 503–510).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A backup that a person asked for has started.
    BackupStarted = 5041,
    /// A backup that a person asked for has been made.
    BackupCompleted = 5125,
    /// A backup that a person asked for has failed.
    BackupFailed = 5126,
    /// A backup of the schedule has started.
    ScheduledBackupStarted = 5127,
    /// A backup of the schedule has been made.
    ScheduledBackupCompleted = 5128,
    /// A backup of the schedule has failed.
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
    /// What it was done to: for a deleted schedule, the portal's number, or -1 for the dump's (R 507). Events of runs
    /// have none (R 503–510).
    pub target: Option<String>,
}

/// What a portal answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The portal's clock: its Date header.
    pub date: Option<Timestamp>,
}
