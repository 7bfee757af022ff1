//! Takes new evidence into the record.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Candidate, LastBackup, LastFailure, LastRun, StorageType, to_second},
    portal::{Archive, Expiry, Progress},
    rules::{
        backup::{
            audit_trail::{AuditTrail, SAME_RUN},
            expected::Expected,
            record::Record,
        },
        drift::APART,
        facts::{Asked, Facts},
    },
    schedule::{Storage, timetable::PASS},
};

/// An archive counts when it is still listed after this time, which includes a pass of the cleaner (trap 7).
pub const CONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// A failing audit trail is awaited for this time; then it counts as not available.
const TRAIL_PATIENCE: SignedDuration = SignedDuration::from_hours(6);
/// A run that progress shows for the first time began after the last read, if that was at most this long ago: progress
/// is read just before a due time and after the next pass of the portal's scheduler.
const READ_BEFORE: SignedDuration = SignedDuration::from_mins(30);
/// Older archives of people are not remembered: no more are named by one read of the trail.
const MOST_MANUAL: usize = 100;
/// Archives in DocSpace's temporary store expire after this long (trap 4).
const DATA_STORE_KEEPS: SignedDuration = SignedDuration::from_hours(24);

impl Record {
    /// Takes in the archives and the other evidence. `awaited` is since when an archive is awaited, if one is.
    pub fn absorb(&mut self, facts: &Facts<'_>, expected: &Expected, awaited: Option<Timestamp>) {
        let archives = match &facts.archives {
            Asked::NotYet => return,
            Asked::Failed(_) => {
                self.seen.history_failed_at = Some(facts.now);
                return;
            }
            Asked::Answered(archives) => archives,
        };
        let trail = facts.trail();
        self.forget_what_is_ahead(facts.now);
        self.absorb_trail(archives, facts);
        let eligible: Vec<_> = archives
            .iter()
            .filter(|archive| self.is_eligible(archive, expected, trail, facts.now))
            .collect();
        self.absorb_archives(archives, &eligible, facts, expected);
        let listed_since = |time| eligible.iter().any(|archive| archive.created_on >= time);
        if let Some(awaited) = awaited.filter(|awaited| !listed_since(*awaited)) {
            self.absorb_failure(facts, trail, awaited);
        }
        self.absorb_missed(
            facts,
            expected.missed(facts.now).filter(|due| !listed_since(*due)),
        );
        // Passing failures are asked again.
        let all_asked = matches!(
            (&facts.events, &facts.other),
            (Asked::Answered(_), Asked::Answered(_))
        );
        if let Some(missed) = expected.missed(facts.now)
            && all_asked
            && !listed_since(missed)
            && self.seen.settled != Some(missed)
        {
            self.seen.dropped = self.dropped(facts, expected, trail, missed);
            self.seen.settled = Some(missed);
        }
    }

    /// Takes in that the history lists no archive of this due time, whose deadline has passed.
    fn absorb_missed(&mut self, facts: &Facts<'_>, missed: Option<Timestamp>) {
        let Some(due) = missed else {
            (self.missed, self.seen.missed_once) = (None, None);
            return;
        };
        match self.seen.missed_once {
            Some((of, first)) if of == due => {
                if facts.local_now.duration_since(first).abs() >= APART {
                    self.missed = Some(due);
                }
            }
            _ => self.seen.missed_once = Some((due, facts.local_now)),
        }
    }

    /// Removes records from the future, left by a clock that was ahead.
    fn forget_what_is_ahead(&mut self, now: Timestamp) {
        let ahead = |time: Timestamp| time.duration_since(now) > SAME_RUN;
        self.last_backup.take_if(|backup| ahead(backup.created_on.0));
        self.candidate.take_if(|candidate| ahead(candidate.created_on.0));
        self.last_failure.take_if(|failure| ahead(failure.time.0));
        self.last_run
            .take_if(|run| run.first_seen.as_ref().is_some_and(|seen| ahead(seen.0)));
        self.seen.over_at.take_if(|over| ahead(*over));
    }

    /// Notes which listed archives a person made, and since when the trail fails. Each readable trail judges again: an
    /// event is written with a delay, so an archive may first look like that of another run.
    fn absorb_trail(&mut self, archives: &[Archive], facts: &Facts<'_>) {
        let is_manual = |archive: &&Archive| match facts.trail() {
            Some(trail) if trail.is_manual(archive) => true,
            Some(trail) if trail.covers(archive) => false,
            _ => self.seen.manual.contains(&archive.id),
        };
        let mut manual: Vec<_> = archives.iter().filter(is_manual).collect();
        manual.sort_unstable_by_key(|archive| Reverse(archive.created_on));
        let newest = manual.into_iter().take(MOST_MANUAL);
        self.seen.manual = newest.map(|archive| archive.id.clone()).collect();
        match &facts.events {
            Asked::Answered(_) => self.trail_fails_since = None,
            Asked::Failed(_) => drop(self.trail_fails_since.get_or_insert(facts.now)),
            Asked::NotYet => {}
        }
    }

    /// Whether a failing trail may still show that a person made an archive.
    pub fn waits_for_the_trail(&self, now: Timestamp) -> bool {
        self.trail_fails_since
            .is_some_and(|since| now.duration_since(since).abs() < TRAIL_PATIENCE)
    }

    /// Takes in the running or last run.
    pub fn absorb_progress(&mut self, progress: Option<&Progress>, now: Timestamp) {
        let lately = |at: Timestamp| at <= now && now.duration_since(at) <= READ_BEFORE;
        let read_before = self.seen.progress_at.replace(now).is_some_and(lately);
        let was_running = std::mem::replace(
            &mut self.seen.running,
            progress.is_some_and(|run| !run.is_completed),
        );
        let running = self.seen.running;
        let is_new = progress
            .and_then(|run| run.task_id.as_ref())
            .filter(|id| self.last_run.as_ref().is_none_or(|run| run.id != **id));
        if let Some(id) = is_new {
            // Otherwise the run may have begun at any time.
            let first_seen = read_before.then(|| to_second(now));
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
        let may_be_manual = self.waits_for_the_trail(now);

        if let Some(mut candidate) = self.candidate.take() {
            candidate.first_listed = candidate.first_listed.min(to_second(now));
            match find(&candidate.id) {
                Some(archive)
                    if !may_be_manual && now.duration_since(candidate.first_listed.0) >= CONFIRMED_AFTER =>
                {
                    self.last_backup = Some(confirmed(archive, candidate.warning, expected));
                }
                Some(_) => self.candidate = Some(candidate),
                // Listed, but made by a person or in another storage than the schedule in force.
                None if is_listed(&candidate.id) => {}
                None => self.candidate = Some(candidate),
            }
        }
        // A vanished archive proves nothing once there is a new candidate.
        let gone = |backup: &mut LastBackup| !is_listed(&backup.id);
        if let Some(archive) = eligible.iter().max_by_key(|archive| archive.created_on)
            && let created_on = to_second(archive.created_on)
            && self
                .newest(expected)
                .is_none_or(|recorded| created_on.0 > recorded)
        {
            if self.vanished() {
                self.last_backup.take_if(gone);
            }
            self.candidate = Some(Candidate {
                id: archive.id.clone(),
                first_listed: to_second(now),
                created_on,
                warning: warning(archive, facts),
            });
        }
        let recorded = match (&self.candidate, self.last_backup(expected.storage_type)) {
            (Some(candidate), _) => Some((&candidate.id, candidate.created_on.0)),
            (None, Some(backup)) => Some((&backup.id, backup.created_on.0)),
            (None, None) => None,
        };
        let expired = |made: Timestamp| {
            expected.storage_type == Storage::Known(StorageType::DataStore)
                && now.duration_since(made) >= DATA_STORE_KEEPS
        };
        if recorded.is_some_and(|(id, made)| !is_listed(id) && !expired(made)) {
            let since = *self.seen.missing_since.get_or_insert(facts.local_now);
            if facts.local_now.duration_since(since).abs() >= APART {
                self.vanished_since.get_or_insert(now);
            }
        } else {
            (self.seen.missing_since, self.vanished_since) = (None, None);
        }
    }

    /// Takes in a failure from the trail, or a run's error. A readable trail outweighs progress, which does not tell
    /// scheduled runs from manual ones.
    fn absorb_failure(&mut self, facts: &Facts<'_>, trail: Option<&AuditTrail>, awaited: Timestamp) {
        const NO_REASON: &str = "the portal gives no reason (seen in its audit trail); see the logs of DocSpace's \
            services backup and backup-background-tasks (and backup-worker, where there is one)";
        let told = trail.and_then(|trail| trail.failed.last().copied());
        let told = told.filter(|time| *time >= awaited);
        if trail.is_some() && (told.is_some() || !self.is_new_run(facts.now)) {
            self.seen.explained = self.last_run.as_ref().map(|run| run.id.clone());
        }
        let manual = trail.is_some_and(|trail| trail.manual_about(awaited));
        let run = self.last_run.as_ref().map(|run| &run.id);
        let is_cleared = facts.events.is_not_yet() && self.seen.explained.as_ref() == run;
        let is_of_this = match trail {
            Some(_) => told.is_some(),
            None => !is_cleared && !self.waits_for_the_trail(facts.now) && self.has_run_since(awaited),
        };
        let error = facts.run_error().filter(|_| is_of_this && !manual);
        let seen = self.last_run.as_ref().and_then(|run| run.first_seen.as_ref());
        let seen = seen.map(|seen| seen.0).filter(|_| error.is_some());
        let Some(time) = told.or(seen) else { return };
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

    /// Whether the last run is so new that its event may not be in the trail yet.
    fn is_new_run(&self, now: Timestamp) -> bool {
        let seen = self.last_run.as_ref().and_then(|run| run.first_seen.as_ref());
        seen.is_some_and(|seen| now.duration_since(seen.0) < SAME_RUN)
    }

    fn dropped(
        &self,
        facts: &Facts<'_>,
        expected: &Expected,
        trail: Option<&AuditTrail>,
        missed: Timestamp,
    ) -> Option<(Timestamp, &'static str)> {
        // A later run says nothing about this one.
        let next = expected.times.next(missed)?;
        let queued = facts
            .last_backup_time()
            .filter(|last| (missed..next).contains(last))?;
        if self.failure(expected).is_some() {
            return None;
        }
        if trail.is_some_and(|trail| trail.manual_at(queued)) {
            return Some((missed, MANUAL_IN_THE_WAY));
        }
        let other = facts.other.answer()?.as_ref()?.last_backup_time?;
        let same_pass = other.duration_since(queued).abs() < PASS;
        same_pass.then_some((missed, TWO_AT_ONE_HOUR))
    }
}

const MANUAL_IN_THE_WAY: &str = "The portal queued the backup and dropped it, because a backup started by a person was \
    running; the next backup starts at its time";
const TWO_AT_ONE_HOUR: &str = "The portal queued the backup and dropped it, because it runs one at a time and its other \
    schedule (dump true or false) starts at the same hour; give one of them another cronParams.hour";

fn confirmed(archive: &Archive, warning: Option<String>, expected: &Expected) -> LastBackup {
    LastBackup {
        id: archive.id.clone(),
        file_name: archive.file_name.read(),
        created_on: to_second(archive.created_on),
        storage_type: expected.storage_type.to_string(),
        warning,
    }
}

/// The portal's warning about an archive; its run has the same id (stories).
fn warning(archive: &Archive, facts: &Facts<'_>) -> Option<String> {
    const AT_RISK: &str = "DocSpace's cleaner treats the archive as expired and deletes it within 15 minutes (expiresOn \
        ends in Z, as on PostgreSQL); keep DocSpace's database in MySQL or MariaDB";
    let run = facts.progress.answer().and_then(Option::as_ref);
    let run = run.filter(|run| run.task_id.as_ref() == Some(&archive.id));
    let said = run.and_then(|run| run.warning.clone());
    match (said, archive.expires) {
        (Some(said), Expiry::AtNextCleaning) => Some(format!("{said}; {AT_RISK}")),
        (None, Expiry::AtNextCleaning) => Some(AT_RISK.into()),
        (said, _) => said,
    }
}
