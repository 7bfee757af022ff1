//! What is recorded of a schedule's backups, and how new evidence is taken in.

use jiff::{SignedDuration, Timestamp};

use super::{Expected, Freshness};
use crate::{
    api::{Candidate, LastBackup, LastFailure, LastRun, Status},
    controller::{
        decide::Facts,
        report::{condition, to_second},
    },
    portal::{Archive, Expiry, Progress},
    schedule::storage_name,
};

/// An archive counts when it is listed again after this long: a pass of the cleaner is among it (trap 7).
pub const CONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// An event of a run's end and the archive that it made are no further apart: the trail is written with a delay.
const SAME_RUN: SignedDuration = SignedDuration::from_mins(15);
/// Archives in DocSpace's temporary store expire after this long (trap 4).
const DATA_STORE_KEEPS: SignedDuration = SignedDuration::from_hours(24);

/// What the audit trail tells of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Runs that a person started: when they started, and when they ended well or not.
    pub manual_started: Vec<Timestamp>,
    /// Of these, ended well.
    pub manual_completed: Vec<Timestamp>,
    /// Of these, failed.
    pub manual_failed: Vec<Timestamp>,
    /// Scheduled runs that ended well.
    pub completed: Vec<Timestamp>,
    /// Scheduled runs that failed.
    pub failed: Vec<Timestamp>,
}

/// What was seen since the operator started. It may be lost: then the portal is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the history was read last, by the portal's clock.
    pub history_at: Option<Timestamp>,
    /// The newest recorded archive was not listed then, nor a newer one.
    pub vanished: bool,
    /// When the progress was read last.
    pub progress_at: Option<Timestamp>,
    /// A run was under way then.
    pub running: bool,
    /// When the run that was told of last was first seen to be over.
    pub over_at: Option<Timestamp>,
    /// When one of these calls failed last.
    pub failed_at: Option<Timestamp>,
    /// The due time whose run was dropped, and why.
    pub dropped: Option<(Timestamp, &'static str)>,
    /// The awaited time whose deadline has passed, and of which everything was asked then.
    pub settled: Option<Timestamp>,
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

    /// Writes what must survive a restart.
    pub fn keep(self, status: &mut Status) -> Seen {
        status.last_backup = self.last_backup;
        status.candidate = self.candidate;
        status.backup_count = self.backup_count;
        status.last_failure = self.last_failure;
        status.last_run = self.last_run;
        self.seen
    }

    /// The newest confirmed archive, where it is in this storage.
    pub fn last_backup(&self, storage_type: &str) -> Option<&LastBackup> {
        self.last_backup
            .as_ref()
            .filter(|backup| backup.storage_type == storage_type)
    }

    /// When the newest recorded archive was made.
    fn newest(&self, expected: &Expected) -> Option<Timestamp> {
        let confirmed = self.last_backup(&expected.storage_type);
        let confirmed = confirmed.map(|backup| backup.created_on.0);
        let candidate = self.candidate.as_ref().map(|candidate| candidate.created_on.0);
        confirmed.max(candidate)
    }

    /// Whether an archive was confirmed that was made at this time or later.
    pub fn covers(&self, expected: &Expected, time: Timestamp) -> bool {
        self.last_backup(&expected.storage_type)
            .is_some_and(|backup| backup.created_on.0 >= time)
    }

    /// What a failure says since which no archive was made, of the schedule in force.
    pub fn failure(&self, expected: &Expected) -> Option<&str> {
        let failure = self.last_failure.as_ref()?;
        let since = failure.time.0 >= expected.since;
        let archive = self.newest(expected).is_some_and(|made| made >= failure.time.0);
        (since && !archive).then_some(failure.message.as_str())
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

    /// Takes in the archives, and what was learnt beside them. `awaited` is since when an archive is waited for, if one
    /// is.
    pub fn absorb(&mut self, facts: &Facts<'_>, expected: &Expected, awaited: Option<Timestamp>) {
        if matches!(facts.progress, Some(Err(_))) || matches!(facts.archives, Some(Err(_))) {
            self.seen.failed_at = Some(facts.now);
        }
        let Some(Ok(archives)) = &facts.archives else {
            return;
        };
        let trail = facts.trail();
        let eligible: Vec<_> = archives
            .iter()
            .filter(|archive| is_eligible(archive, expected, trail))
            .collect();
        self.absorb_archives(archives, &eligible, facts, expected);
        let Some(awaited) = awaited else { return };
        if eligible.iter().any(|archive| archive.created_on >= awaited) {
            return;
        }
        self.absorb_failure(facts, trail, awaited);
        if facts.now >= awaited + expected.deadline {
            self.seen.dropped = self.dropped(facts, expected, trail, awaited);
            self.seen.settled = Some(awaited);
        }
    }

    /// Takes in the running or last run.
    pub fn absorb_progress(&mut self, progress: Option<&Progress>, now: Timestamp) {
        let read_before = self.seen.progress_at.replace(now).is_some() || self.last_run.is_some();
        let was_running = std::mem::replace(
            &mut self.seen.running,
            progress.is_some_and(|run| !run.is_completed),
        );
        let running = self.seen.running;
        let is_new = progress
            .and_then(|run| run.task_id.as_ref())
            .filter(|id| self.last_run.as_ref().is_none_or(|run| run.id != **id));
        if let Some(id) = is_new {
            // The first that is ever told of, and is over, may be of any time.
            let first_seen = (read_before || running).then(|| to_second(now));
            self.last_run = Some(LastRun {
                id: id.clone(),
                first_seen,
            });
        }
        if !running && (was_running || is_new.is_some()) {
            self.seen.over_at = Some(now);
        }
    }

    fn absorb_archives(
        &mut self,
        archives: &[Archive],
        eligible: &[&Archive],
        facts: &Facts<'_>,
        expected: &Expected,
    ) {
        let now = facts.now;
        self.seen.history_at = Some(now);
        self.backup_count = i32::try_from(archives.len()).ok();
        let find = |id: &str| eligible.iter().find(|archive| archive.id == id);
        let is_listed = |id: &str| archives.iter().any(|archive| archive.id == id);

        if let Some(candidate) = self.candidate.take() {
            match find(&candidate.id) {
                Some(archive) if now.duration_since(candidate.first_listed.0) >= CONFIRMED_AFTER => {
                    self.last_backup = Some(confirmed(archive, candidate.warning, expected));
                }
                Some(_) => self.candidate = Some(candidate),
                // Known by now to be a person's, or in another storage than the schedule in force.
                None if is_listed(&candidate.id) => {}
                None => self.candidate = Some(candidate),
            }
        }
        let newest = eligible.iter().max_by_key(|archive| archive.created_on);
        if let Some(archive) = newest
            && self
                .newest(expected)
                .is_none_or(|recorded| archive.created_on > recorded)
        {
            self.candidate = Some(Candidate {
                id: archive.id.clone(),
                first_listed: to_second(now),
                created_on: to_second(archive.created_on),
                warning: warning(archive, facts),
            });
        }
        let recorded = match (&self.candidate, self.last_backup(&expected.storage_type)) {
            (Some(candidate), _) => Some((&candidate.id, candidate.created_on.0)),
            (None, Some(backup)) => Some((&backup.id, backup.created_on.0)),
            (None, None) => None,
        };
        let expired = |made: Timestamp| {
            expected.storage_type == "DataStore" && now.duration_since(made) >= DATA_STORE_KEEPS
        };
        self.seen.vanished = recorded.is_some_and(|(id, made)| !is_listed(id) && !expired(made));
    }

    /// A run that ended with an error, or a failure that the trail tells; no error where a person's run may be meant.
    fn absorb_failure(&mut self, facts: &Facts<'_>, trail: Option<&Trail>, awaited: Timestamp) {
        const NO_REASON: &str =
            "nothing; its audit trail tells of a scheduled backup that failed, without a reason";
        let manual = trail.is_some_and(|trail| trail.manual_about(awaited));
        let error = facts
            .run_error()
            .filter(|_| !manual && self.has_run_since(awaited));
        let told = trail.and_then(|trail| trail.failed.iter().max().copied());
        let seen = self.last_run.as_ref().and_then(|run| run.first_seen.as_ref());
        let seen = seen.map(|seen| seen.0).filter(|_| error.is_some());
        let Some(time) = told.filter(|time| *time >= awaited).or(seen) else {
            return;
        };
        let message = error.unwrap_or(NO_REASON).to_owned();
        match &mut self.last_failure {
            Some(known) if known.time.0 >= awaited => {
                if error.is_some() {
                    known.message = message;
                }
            }
            _ => {
                let time = to_second(time);
                self.last_failure = Some(LastFailure { time, message });
            }
        }
    }

    fn dropped(
        &self,
        facts: &Facts<'_>,
        expected: &Expected,
        trail: Option<&Trail>,
        awaited: Timestamp,
    ) -> Option<(Timestamp, &'static str)> {
        let queued = facts.last_backup_time().filter(|last| *last >= awaited)?;
        if self.failure(expected).is_some() {
            return None;
        }
        if trail.is_some_and(|trail| trail.manual_at(queued)) {
            return Some((awaited, MANUAL_IN_THE_WAY));
        }
        let other = facts.other.as_ref()?.as_ref().ok()?.as_ref()?.last_backup_time?;
        let same_pass = other.duration_since(queued).abs() < crate::due::PASS;
        same_pass.then_some((awaited, TWO_AT_ONE_HOUR))
    }
}

const MANUAL_IN_THE_WAY: &str = "The portal queued the backup and dropped it, as a backup that a person had started was \
    under way; the next one comes at its time";
const TWO_AT_ONE_HOUR: &str = "The portal queued the backup and dropped it, as it runs one at a time and its other schedule \
    (dump true or false) starts at the same hour; give one of them another cronParams.hour";

impl Trail {
    /// A person's run started or ended about this time or later.
    fn manual_about(&self, time: Timestamp) -> bool {
        let all = [&self.manual_started, &self.manual_completed, &self.manual_failed];
        all.into_iter().flatten().any(|event| *event >= time - SAME_RUN)
    }

    /// A person's run was under way when one was queued, or began before the worker came to that.
    fn manual_at(&self, queued: Timestamp) -> bool {
        let started = self
            .manual_started
            .iter()
            .filter(|time| time.duration_since(queued) <= SAME_RUN);
        started.max().is_some_and(|started| {
            let ends = self.manual_completed.iter().chain(&self.manual_failed);
            let end = ends.filter(|end| *end >= started).min();
            end.is_none_or(|end| *end >= queued)
        })
    }

    /// Whether a person made the archive: the nearest end of a run is a manual one's.
    fn is_manual(&self, archive: &Archive) -> bool {
        let nearest = |ends: &[Timestamp]| {
            let apart = ends
                .iter()
                .map(|end| end.duration_since(archive.created_on).abs());
            apart.min().filter(|apart| *apart <= SAME_RUN)
        };
        match (nearest(&self.manual_completed), nearest(&self.completed)) {
            (Some(manual), Some(scheduled)) => manual < scheduled,
            (manual, _) => manual.is_some(),
        }
    }
}

/// Of the schedule's storage, and not known to be a person's.
pub(super) fn is_eligible(archive: &Archive, expected: &Expected, trail: Option<&Trail>) -> bool {
    storage_name(archive.storage_type) == expected.storage_type
        && trail.is_none_or(|trail| !trail.is_manual(archive))
}

fn confirmed(archive: &Archive, warning: Option<String>, expected: &Expected) -> LastBackup {
    LastBackup {
        id: archive.id.clone(),
        file_name: archive.file_name.clone(),
        created_on: to_second(archive.created_on),
        storage_type: expected.storage_type.clone(),
        warning,
    }
}

/// What the portal itself says of an archive: its run has the same id (stories).
fn warning(archive: &Archive, facts: &Facts<'_>) -> Option<String> {
    const AT_RISK: &str = "the portal's cleaner takes it for expired and deletes it within 15 minutes (expiresOn ends in \
        Z, as on PostgreSQL); keep DocSpace's database in MySQL or MariaDB";
    let run = facts
        .progress
        .as_ref()
        .and_then(|answer| answer.as_ref().ok()?.as_ref());
    let run = run.filter(|run| run.task_id.as_ref() == Some(&archive.id));
    let said = run.and_then(|run| run.warning.clone());
    match (said, archive.expires) {
        (Some(said), Expiry::AtNextCleaning) => Some(format!("{said}; {AT_RISK}")),
        (None, Expiry::AtNextCleaning) => Some(AT_RISK.into()),
        (said, _) => said,
    }
}
