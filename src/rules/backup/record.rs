//! What is recorded of a schedule's backups: in the status what must survive a restart.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Candidate, LastBackup, LastFailure, LastRun, Status, condition},
    portal::Archive,
    rules::backup::{
        audit_trail::{AuditTrail, SAME_RUN},
        expected::Expected,
        reason::Freshness,
    },
    schedule::Storage,
};

/// What is known of a run that is under way holds no longer than this.
const RUNNING_LASTS: SignedDuration = SignedDuration::from_hours(2);

/// What was seen since the operator started. It may be lost: then the portal is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the history was read last, by the portal's clock.
    pub history_at: Option<Timestamp>,
    /// The newest recorded archive was not listed then, nor a newer one.
    pub vanished: bool,
    /// When it could not be read last.
    pub history_failed_at: Option<Timestamp>,
    /// When the progress was asked for last,
    pub progress_asked_at: Option<Timestamp>,
    /// and when it was read.
    pub progress_at: Option<Timestamp>,
    /// A run was under way then.
    pub running: bool,
    /// When the run that was told of last was first seen to be over.
    pub over_at: Option<Timestamp>,
    /// Archives that the audit trail has shown to be a person's, while they are listed.
    pub manual: BTreeSet<String>,
    /// Since when the audit trail fails.
    pub trail_fails_since: Option<Timestamp>,
    /// The failed run of which the audit trail was asked.
    pub explained: Option<String>,
    /// The due time whose run was dropped, and why.
    pub dropped: Option<(Timestamp, &'static str)>,
    /// The due time whose deadline has passed, and of which everything was asked then.
    pub settled: Option<Timestamp>,
}

impl Seen {
    /// Whether the history was read at this time or later; a time that lies ahead is of a clock that was wrong.
    pub fn read_since(&self, time: Timestamp, now: Timestamp) -> bool {
        self.history_at.is_some_and(|at| at >= time && at <= now)
    }
}

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// `status.lastBackup`
    pub last_backup: Option<LastBackup>,
    /// `status.candidate`
    pub candidate: Option<Candidate>,
    /// `status.backupCount`
    pub backup_count: Option<i32>,
    /// `status.lastFailure`
    pub last_failure: Option<LastFailure>,
    /// `status.lastRun`
    pub last_run: Option<LastRun>,
    /// What may be lost.
    pub seen: Seen,
}

impl Record {
    /// What the status records; after a start, nothing else.
    pub fn of(status: &Status, seen: Option<&Seen>) -> Self {
        let fresh = condition(Some(status), "BackupFresh");
        let recalled = || Seen {
            vanished: fresh.is_some_and(|fresh| fresh.reason == Freshness::Vanished.to_string()),
            ..Seen::default()
        };
        Self {
            last_backup: status.last_backup.clone(),
            candidate: status.candidate.clone(),
            backup_count: status.backup_count,
            last_failure: status.last_failure.clone(),
            last_run: status.last_run.clone(),
            seen: seen.cloned().unwrap_or_else(recalled),
        }
    }

    /// What is judged by the storage is judged anew.
    pub fn change_storage(&mut self) {
        self.candidate = None;
        (self.seen.vanished, self.seen.history_at) = (false, None);
    }

    /// Writes what must survive a restart.
    pub fn keep(self, status: &mut Status) -> Seen {
        status.last_backup = self.last_backup;
        status.candidate = self.candidate;
        status.backup_count = self.backup_count;
        status.last_failure = self.last_failure;
        status.last_run = self.last_run;
        self.seen
    }

    /// Whether an archive counts: of the schedule's storage, not known to be a person's, and not of a clock that was
    /// ahead.
    pub fn is_eligible(
        &self,
        archive: &Archive,
        expected: &Expected,
        trail: Option<&AuditTrail>,
        now: Timestamp,
    ) -> bool {
        archive.storage_type == expected.storage_type
            && archive.created_on.duration_since(now) <= SAME_RUN
            && !self.seen.manual.contains(&archive.id)
            && trail.is_none_or(|trail| !trail.is_manual(archive))
    }

    /// The newest confirmed archive, where it is in this storage.
    pub fn last_backup(&self, storage_type: Storage) -> Option<&LastBackup> {
        self.last_backup
            .as_ref()
            .filter(|backup| Storage::shown(&backup.storage_type) == storage_type)
    }

    /// When the newest recorded archive was made.
    pub fn newest(&self, expected: &Expected) -> Option<Timestamp> {
        let confirmed = self.last_backup(expected.storage_type);
        let confirmed = confirmed.map(|backup| backup.created_on.0);
        let candidate = self.candidate.as_ref().map(|candidate| candidate.created_on.0);
        confirmed.max(candidate)
    }

    /// Whether an archive was confirmed that was made at this time or later.
    pub fn covers(&self, expected: &Expected, time: Timestamp) -> bool {
        self.last_backup(expected.storage_type)
            .is_some_and(|backup| backup.created_on.0 >= time)
    }

    /// What a failure says since which no archive was made, of the schedule in force.
    pub fn failure(&self, expected: &Expected) -> Option<&str> {
        let failure = self.last_failure.as_ref()?;
        let since = failure.time.0 >= expected.since;
        let archive = self.newest(expected).is_some_and(|made| made >= failure.time.0);
        (since && !archive).then_some(failure.message.as_str())
    }

    /// The same, or it was over when it was told of first: then the audit trail tells whether it was since.
    pub fn may_have_run_since(&self, time: Timestamp) -> bool {
        let run = self.last_run.as_ref();
        run.is_some_and(|run| run.first_seen.is_none()) || self.has_run_since(time)
    }

    /// Whether a run was under way when that was looked at, lately.
    pub fn is_running(&self, now: Timestamp) -> bool {
        let lately = |at: Timestamp| at <= now && now.duration_since(at) <= RUNNING_LASTS;
        self.seen.running && self.seen.progress_at.is_some_and(lately)
    }

    /// Whether the newest recorded archive is gone before its time.
    pub fn vanished(&self) -> bool {
        self.seen.vanished
    }

    /// Whether the run that the portal told of last was first seen at this time or later.
    pub fn has_run_since(&self, time: Timestamp) -> bool {
        let run = self.last_run.as_ref().and_then(|run| run.first_seen.as_ref());
        run.is_some_and(|seen| seen.0 >= time)
    }
}
