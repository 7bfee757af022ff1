//! Whether a schedule produces archives: the condition BackupFresh. Pure, like `decide`.
//!
//! 1. [`next_question`] names the evidence to ask for now, cheapest first, and the time of the next check.
//! 2. [`evidence`] takes the answers into the [`record`]; the status keeps what must survive a restart.
//! 3. [`judge`] names the first reason that fits.
//!
//! Due times follow from the schedule and its zone alone ([`expected`]). The portal's lastBackupTime only says that a
//! run was queued (trap 5); it is used to save calls.

pub mod audit_trail;
pub mod evidence;
pub mod expected;
pub mod next_question;
pub mod reason;
pub mod record;

use jiff::Timestamp;

use crate::{
    rules::{
        backup::{
            expected::{Expected, Unexpected},
            reason::Freshness,
            record::Record,
        },
        last_queued::LastQueued,
        status::conditions::ConditionState,
    },
    schedule::timetable::Timetable,
};

fn judged(freshness: Freshness, message: impl Into<String>) -> ConditionState {
    ConditionState::new(freshness.status(), freshness.to_string(), message)
}

/// The first reason that fits. `last` is the lastBackupTime that the portal showed last.
pub fn judge(
    expected: Result<&Expected, Unexpected>,
    record: &Record,
    last: LastQueued,
    now: Timestamp,
) -> ConditionState {
    use Freshness::*;
    let expected = match expected {
        Ok(expected) => expected,
        Err(Unexpected::NotInForce) => {
            return judged(NotDueYet, "No schedule is in force, so no backup is due");
        }
        Err(Unexpected::ZoneUnknown) => {
            let message = "Due times are unknown because the portal's time zone is unknown (status.timeZone)";
            return judged(NoEvidence, message);
        }
    };
    let passed = expected.deadline_passed(now);
    let belongs = |created_on: Timestamp| passed.is_some_and(|due| created_on >= due);
    let last_backup = record.last_backup(expected.storage_type);
    let candidate = record.candidate.as_ref();

    if let Some(failure) = record.failure(expected) {
        let message = format!("The last backup failed: {failure}");
        return judged(Failed, message);
    }
    if record.vanished() {
        return judged(
            Vanished,
            "The newest archive was listed and disappeared before its time; the file may still exist. On PostgreSQL, \
             DocSpace's cleaner deletes every archive except DataStore's within 15 minutes; use MySQL or MariaDB for \
             DocSpace's database",
        );
    }
    if let Some(backup) = last_backup.filter(|backup| belongs(backup.created_on.0)) {
        let found = "The portal listed the archive of the last due backup twice, half an hour apart";
        return judged(BackupFound, with_warning(found, backup.warning.as_deref()));
    }
    if record.is_running(now) {
        return judged(Running, "A backup is running");
    }
    if let Some(candidate) = candidate.filter(|candidate| belongs(candidate.created_on.0)) {
        let once = "The portal listed a new archive once; the archive counts when it is still listed half an hour later";
        return judged(Confirming, with_warning(once, candidate.warning.as_deref()));
    }
    let start = match last {
        LastQueued::Never => first_start(&expected.times, now),
        LastQueued::NoSchedule | LastQueued::At(_) => FirstStart::InTime,
    };
    match start {
        FirstStart::Never => return judged(NeverStarts, NEVER_STARTS),
        FirstStart::Late(first) => return judged(StartsLate, format!("{STARTS_LATE} {first}")),
        FirstStart::InTime | FirstStart::NotCarriedOver(_) => {}
    }
    if !expected.storage_type.can_back_up() {
        return judged(StorageCannotBackUp, STORAGE_CANNOT_BACK_UP);
    }
    let Some(due) = expected.missed(now) else {
        if let FirstStart::NotCarriedOver(first) = start {
            return judged(NotDueYet, format!("{NOT_CARRIED_OVER} {first}"));
        }
        return judged(
            NotDueYet,
            "No due backup of the schedule in force has reached its deadline (backupDeadline) yet",
        );
    };
    if record.is_missed_once(due) {
        return judged(
            NoEvidence,
            "The portal's history did not list an archive of the last due backup at one check after the deadline; the \
             operator reads it again",
        );
    }
    if let Some(why) = record
        .seen
        .dropped
        .filter(|(of, _)| *of == due)
        .map(|(_, why)| why)
    {
        return judged(Dropped, why);
    }
    if !record.seen.read_since(due + expected.deadline, now) {
        return judged(
            NoEvidence,
            "It is unknown whether the last due backup was made: the portal's history was not read after the deadline; see \
             condition Ready",
        );
    }
    let queued = last.time().is_some_and(|last| last >= due);
    judged(Overdue, if queued { OVERDUE_QUEUED } else { OVERDUE })
}

/// The portal's first start after a write, which resets its clock (trap 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// At the schedule's next time.
    InTime,
    /// Only then, because the portal does not carry a day that February lacks over into March after a write.
    NotCarriedOver(Timestamp),
    /// Only then; the portal skips times that the schedule names.
    Late(Timestamp),
    /// Not at all.
    Never,
}

/// The portal's first start if it was written at `now`.
pub fn first_start(times: &Timetable, now: Timestamp) -> FirstStart {
    let Some(first) = times.portal_starts(None, now) else {
        return FirstStart::Never;
    };
    let skips = |next: Option<Timestamp>| next.is_some_and(|next| next < first);
    match times.next(now) {
        next if !skips(next) => FirstStart::InTime,
        Some(next) if times.is_carried_over(next) && !skips(times.next(next)) => {
            FirstStart::NotCarriedOver(first)
        }
        _ => FirstStart::Late(first),
    }
}

fn with_warning(text: &str, warning: Option<&str>) -> String {
    warning.map_or_else(|| text.into(), |warning| format!("{text}. Warning: {warning}"))
}

/// For an hour that the portal never reaches (trap 2).
pub const NEVER_STARTS: &str = "\
    The portal accepted the schedule but does not start it at this hour: after every write, DocSpace (seen in 3.7.2) \
    counts from the start of the UTC day, and its clock reaches this hour only after UTC midnight. Choose an earlier \
    cronParams.hour, one that the portal's clock reaches before UTC midnight";
/// For an hour that the portal reaches only at another time of the year (trap 2); followed by the first start.
const STARTS_LATE: &str = "\
    The portal accepted the schedule but skips its next times: after every write, DocSpace (seen in 3.7.2) counts from the \
    start of the UTC day, and its clock reaches this hour only after UTC midnight. Choose an earlier cronParams.hour, one \
    that the portal's clock reaches before UTC midnight. Otherwise the first backup starts at";
/// For a day of the month that February lacks; followed by the first start.
const NOT_CARRIED_OVER: &str = "\
    No due backup has reached its deadline yet. After a write, DocSpace does not carry a day that February lacks over into \
    March, so the first backup starts at";
/// For a storage type without a storage (trap 4).
pub const STORAGE_CANNOT_BACK_UP: &str = "\
    The portal accepts this storageType but can never back up to it, because it has no storage behind it (seen in \
    DocSpace 3.7.2). Choose ThirdPartyConsumer with module s3, Documents with a folderId, or Local with a filePath on a \
    standalone server";
const OVERDUE: &str = "The last due backup produced no archive within backupDeadline, and the portal does not show that it \
    started one; check that DocSpace's services backup and backup-background-tasks run (and backup-worker, where there is \
    one)";
const OVERDUE_QUEUED: &str = "The last due backup produced no archive within backupDeadline, although the portal queued it; \
    see the logs of DocSpace's services backup and backup-background-tasks (and backup-worker, where there is one)";

#[cfg(test)]
mod tests;
