//! Whether archives come of a schedule: the condition BackupFresh. Pure, as `decide` is.
//!
//! 1. [`needs`] says which evidence is to be asked for now, cheapest first, and when to look again.
//! 2. [`absorb`] takes what was learnt into the [`record`]; status keeps what must survive a restart.
//! 3. [`judge`] names the first of the reasons that fits.
//!
//! A due time is one that the schedule itself names in its zone ([`expected`]), whatever the portal makes of it: lastBackupTime
//! only says that the portal has queued a run (trap 5), and saves calls.

pub mod absorb;
pub mod expected;
pub mod needs;
pub mod record;
pub mod trail;

use jiff::Timestamp;

use self::{
    expected::{Expected, Unexpected},
    record::Record,
};
use crate::{due::Times, schedule::can_back_up};

/// Why BackupFresh is what it is. A closed list; docs/conditions.md says what to do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is explained where `judge` names it")]
pub enum Freshness {
    BackupFound,
    NotDueYet,
    Running,
    Confirming,
    NoEvidence,
    Overdue,
    Failed,
    Vanished,
    Dropped,
    NeverStarts,
    StorageCannotBackUp,
}

impl Freshness {
    /// The status of the condition.
    pub const fn status(self) -> &'static str {
        match self {
            Self::BackupFound => "True",
            Self::NotDueYet | Self::Running | Self::Confirming | Self::NoEvidence => "Unknown",
            Self::Overdue
            | Self::Failed
            | Self::Vanished
            | Self::Dropped
            | Self::NeverStarts
            | Self::StorageCannotBackUp => "False",
        }
    }
}

impl std::fmt::Display for Freshness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// The condition, in short and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The reason.
    pub freshness: Freshness,
    /// What it means here. Nothing in it varies between equal situations.
    pub message: String,
}

fn judged(freshness: Freshness, message: impl Into<String>) -> Judged {
    let message = message.into();
    Judged { freshness, message }
}

/// The first reason that fits. `held` is what the portal showed last: `None` for no schedule, else its lastBackupTime.
pub fn judge(
    expected: Result<&Expected, Unexpected>,
    record: &Record,
    held: Option<Option<Timestamp>>,
    now: Timestamp,
) -> Judged {
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
    let last_backup = record.last_backup(&expected.storage_type);
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
    if held == Some(None) && never_starts(&expected.times, now) {
        return judged(NeverStarts, NEVER_STARTS);
    }
    if !can_back_up(&expected.storage_type) {
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
    let queued = held.flatten().is_some_and(|last| last >= due);
    judged(Overdue, if queued { OVERDUE_QUEUED } else { OVERDUE })
}

/// Whether the portal's clock, which every write starts anew, does not come to the schedule's next time.
pub fn never_starts(times: &Times, now: Timestamp) -> bool {
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
