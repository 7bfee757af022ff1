//! Whether archives come of a schedule: the condition BackupFresh. Pure, as `decide` is.
//!
//! 1. [`next_question`] says which evidence is to be asked for now, cheapest first, and when to look again.
//! 2. [`evidence`] takes what was learnt into the [`record`]; status keeps what must survive a restart.
//! 3. [`judge`] names the first of the reasons that fits.
//!
//! A due time is one that the schedule itself names in its zone ([`expected`]), whatever the portal makes of it: lastBackupTime
//! only says that the portal has queued a run (trap 5), and saves calls.

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
    ConditionState {
        status: freshness.status(),
        reason: freshness.to_string(),
        message: message.into(),
    }
}

/// The first reason that fits. `last` is what the portal showed last.
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
            let message = "When backups are due cannot be told, as the portal's time zone is not known (status.timeZone)";
            return judged(NoEvidence, message);
        }
    };
    let passed = expected.deadline_passed(now);
    let belongs = |created_on: Timestamp| passed.is_some_and(|due| created_on >= due);
    let last_backup = record.last_backup(expected.storage_type);
    let candidate = record.candidate.as_ref();

    if let Some(failure) = record.failure(expected) {
        let message = format!("The last backup failed. The portal says: {failure}");
        return judged(Failed, message);
    }
    if record.vanished() {
        return judged(
            Vanished,
            "The newest archive was listed, and is no longer before its time; the file may still exist. On PostgreSQL, \
             DocSpace's cleaner deletes every archive but DataStore's within 15 minutes; MySQL or MariaDB keeps them",
        );
    }
    if let Some(backup) = last_backup.filter(|backup| belongs(backup.created_on.0)) {
        let found = "The portal has listed the archive of the last due backup twice, half an hour apart";
        return judged(BackupFound, with_warning(found, backup.warning.as_deref()));
    }
    if record.is_running(now) {
        return judged(Running, "A backup is under way");
    }
    if let Some(candidate) = candidate.filter(|candidate| belongs(candidate.created_on.0)) {
        let once =
            "The portal has listed a new archive once; it counts when it is still listed half an hour later";
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
            "No backup of the schedule in force has passed its deadline (backupDeadline) yet",
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
            "Whether the last due backup was made is not known: the portal's history was not read since its deadline passed",
        );
    }
    let queued = last.time().is_some_and(|last| last >= due);
    judged(Overdue, if queued { OVERDUE_QUEUED } else { OVERDUE })
}

/// Whether the portal's clock, which every write starts anew, does not come to the schedule's next time.
pub fn never_starts(times: &Timetable, now: Timestamp) -> bool {
    let starts = times.portal_starts(None, now);
    let next = times.next(now);
    starts.is_none_or(|starts| next.is_some_and(|next| starts > next))
}

fn with_warning(text: &str, warning: Option<&str>) -> String {
    warning.map_or_else(|| text.into(), |warning| format!("{text}. Warning: {warning}"))
}

/// What to choose instead of an hour that is never reached (trap 2).
pub const NEVER_STARTS: &str = "\
    The portal accepted the schedule and does not start it at this hour: after every write DocSpace (known of 3.7.2) \
    counts from the beginning of the UTC day, and its clock comes to this hour only after UTC midnight. Choose an \
    earlier cronParams.hour: one that the portal's clock shows before UTC midnight";
/// What to choose instead of a storage that is none (trap 4).
pub const STORAGE_CANNOT_BACK_UP: &str = "\
    The portal accepts this storageType and can never back up to it: there is no storage behind it (known of DocSpace \
    3.7.2). Choose ThirdPartyConsumer with module s3, Documents with a folderId, or Local with a filePath on a \
    standalone server";
const OVERDUE: &str = "No archive came of the last due backup within backupDeadline, and the portal does not tell that it \
    has started one; see that DocSpace's backup services run";
const OVERDUE_QUEUED: &str = "No archive came of the last due backup within backupDeadline, though the portal has queued \
    it; see the logs of DocSpace's backup services";

#[cfg(test)]
mod tests;
