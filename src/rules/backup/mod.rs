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
    if last == LastQueued::Never && never_starts(&expected.times, now) {
        return judged(NeverStarts, NEVER_STARTS);
    }
    if !expected.storage_type.can_back_up() {
        return judged(StorageCannotBackUp, STORAGE_CANNOT_BACK_UP);
    }
    let Some(due) = expected.missed(now) else {
        return judged(
            NotDueYet,
            "No due backup of the schedule in force has reached its deadline (backupDeadline) yet",
        );
    };
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

/// Whether the portal misses the schedule's next time, because every write resets its clock (trap 2).
pub fn never_starts(times: &Timetable, now: Timestamp) -> bool {
    let starts = times.portal_starts(None, now);
    let next = times.next(now);
    starts.is_none_or(|starts| next.is_some_and(|next| starts > next))
}

fn with_warning(text: &str, warning: Option<&str>) -> String {
    warning.map_or_else(|| text.into(), |warning| format!("{text}. Warning: {warning}"))
}

/// For an hour that the portal never reaches (trap 2).
pub const NEVER_STARTS: &str = "\
    The portal accepted the schedule but does not start it at this hour: after every write, DocSpace (seen in 3.7.2) \
    counts from the start of the UTC day, and its clock reaches this hour only after UTC midnight. Choose an earlier \
    cronParams.hour, one that the portal's clock reaches before UTC midnight";
/// For a storage type without a storage (trap 4).
pub const STORAGE_CANNOT_BACK_UP: &str = "\
    The portal accepts this storageType but can never back up to it, because it has no storage behind it (seen in \
    DocSpace 3.7.2). Choose ThirdPartyConsumer with module s3, Documents with a folderId, or Local with a filePath on a \
    standalone server";
const OVERDUE: &str = "The last due backup produced no archive within backupDeadline, and the portal does not show that it \
    started one; check that DocSpace's backup services run";
const OVERDUE_QUEUED: &str = "The last due backup produced no archive within backupDeadline, although the portal queued it; \
    see the logs of DocSpace's backup services";

#[cfg(test)]
mod tests;
