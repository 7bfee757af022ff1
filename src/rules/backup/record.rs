//! The record of a schedule's backups. The status keeps the part that must survive a restart.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Candidate, LastBackup, LastFailure, LastRun, Status, to_second},
    portal::Archive,
    rules::backup::{
        audit_trail::{AuditTrail, SAME_RUN},
        expected::Expected,
    },
    schedule::Storage,
};

/// A running backup counts as running for at most this long after the progress was read.
const RUNNING_LASTS: SignedDuration = SignedDuration::from_hours(2);

/// What this process has seen. It may be lost; then the operator reads the portal again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the history was read last, by the portal's clock.
    pub history_at: Option<Timestamp>,
    /// Since when the newest recorded archive is missing, and there is no newer one, by the operator's clock. A further
    /// read must confirm it.
    pub missing_since: Option<Timestamp>,
    /// The due time whose archive a read after its deadline did not list, and when, by the operator's clock. A further
    /// read must confirm it.
    pub missed_once: Option<(Timestamp, Timestamp)>,
    /// When a read of the history last failed.
    pub history_failed_at: Option<Timestamp>,
    /// When the progress was last requested.
    pub progress_asked_at: Option<Timestamp>,
    /// When the progress was last read.
    pub progress_at: Option<Timestamp>,
    /// A backup was running then.
    pub running: bool,
    /// When the last reported run was first seen to be over.
    pub over_at: Option<Timestamp>,
    /// The newest of the listed archives that a person made, according to the audit trail.
    pub manual: BTreeSet<String>,
    /// The failed run for which the audit trail was read.
    pub explained: Option<String>,
    /// The due time whose run was dropped, and why.
    pub dropped: Option<(Timestamp, &'static str)>,
    /// The last due time for which all evidence was read after its deadline.
    pub settled: Option<Timestamp>,
}

impl Seen {
    /// Whether the history was read at this time or later. A read in the future comes from a wrong clock and does not
    /// count.
    pub fn read_since(&self, time: Timestamp, now: Timestamp) -> bool {
        self.history_at.is_some_and(|at| at >= time && at <= now)
    }
}

/// The record.
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
    /// `status.missedBackupTime`
    pub missed: Option<Timestamp>,
    /// `status.vanishedSince`
    pub vanished_since: Option<Timestamp>,
    /// `status.auditTrailFailingSince`
    pub trail_fails_since: Option<Timestamp>,
    /// The part that may be lost.
    pub seen: Seen,
}

impl Record {
    /// From the status, and from what this process has seen, if it has.
    pub fn of(status: &Status, seen: Option<&Seen>) -> Self {
        Self {
            last_backup: status.last_backup.clone(),
            candidate: status.candidate.clone(),
            backup_count: status.backup_count,
            last_failure: status.last_failure.clone(),
            last_run: status.last_run.clone(),
            missed: status.missed_backup_time.as_ref().map(|time| time.0),
            vanished_since: status.vanished_since.as_ref().map(|time| time.0),
            trail_fails_since: status.audit_trail_failing_since.as_ref().map(|time| time.0),
            seen: seen.cloned().unwrap_or_default(),
        }
    }

    /// Forgets what depends on the storage type.
    pub fn change_storage(&mut self) {
        self.candidate = None;
        (self.vanished_since, self.missed) = (None, None);
        (self.seen.missing_since, self.seen.missed_once) = (None, None);
        self.seen.history_at = None;
    }

    /// Writes the durable part into the status and returns the rest.
    pub fn keep(self, status: &mut Status) -> Seen {
        status.last_backup = self.last_backup;
        status.candidate = self.candidate;
        status.backup_count = self.backup_count;
        status.last_failure = self.last_failure;
        status.last_run = self.last_run;
        status.missed_backup_time = self.missed.map(to_second);
        status.vanished_since = self.vanished_since.map(to_second);
        status.audit_trail_failing_since = self.trail_fails_since.map(to_second);
        self.seen
    }

    /// Whether an archive counts: it is in the schedule's storage, not known to be made by a person, and not from the
    /// future.
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

    /// The newest confirmed archive, if it is in this storage.
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

    /// Whether a confirmed archive was made at this time or later.
    pub fn covers(&self, expected: &Expected, time: Timestamp) -> bool {
        self.last_backup(expected.storage_type)
            .is_some_and(|backup| backup.created_on.0 >= time)
    }

    /// The message of a failure of the schedule in force, unless an archive was made since.
    pub fn failure(&self, expected: &Expected) -> Option<&str> {
        let failure = self.last_failure.as_ref()?;
        let since = failure.time.0 >= expected.since;
        let archive = self.newest(expected).is_some_and(|made| made >= failure.time.0);
        (since && !archive).then_some(failure.message.as_str())
    }

    /// Like [`Self::has_run_since`], but also true for a run of unknown age; the audit trail then shows its time.
    pub fn may_have_run_since(&self, time: Timestamp) -> bool {
        let run = self.last_run.as_ref();
        run.is_some_and(|run| run.first_seen.is_none()) || self.has_run_since(time)
    }

    /// Whether a backup was running at the last recent read of the progress.
    pub fn is_running(&self, now: Timestamp) -> bool {
        let lately = |at: Timestamp| at <= now && now.duration_since(at) <= RUNNING_LASTS;
        self.seen.running && self.seen.progress_at.is_some_and(lately)
    }

    /// Whether the newest recorded archive disappeared before its time, at two reads.
    pub fn vanished(&self) -> bool {
        self.vanished_since.is_some()
    }

    /// Whether only one read has missed the newest recorded archive.
    pub fn is_missing_once(&self) -> bool {
        self.seen.missing_since.is_some() && !self.vanished()
    }

    /// Whether only one read after its deadline has missed the archive of this due time.
    pub fn is_missed_once(&self, due: Timestamp) -> bool {
        self.missed != Some(due) && self.seen.missed_once.is_some_and(|(of, _)| of == due)
    }

    /// Whether the last reported run was first seen at this time or later.
    pub fn has_run_since(&self, time: Timestamp) -> bool {
        let run = self.last_run.as_ref().and_then(|run| run.first_seen.as_ref());
        run.is_some_and(|seen| seen.0 >= time)
    }
}
