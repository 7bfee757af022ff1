//! The schedule in force, and when its backups are due.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{DocSpaceBackupSchedule, ManagementPolicy, ShownSchedule, Status},
    rules::{clock::TOLERANCE, last_queued::LastQueued, ownership::Ownership},
    schedule::{Storage, timetable::Timetable},
};

/// The default of `spec.backupDeadline`.
const DEFAULT_DEADLINE: SignedDuration = SignedDuration::from_hours(2);
/// The longest `spec.backupDeadline`; limited here because an older CRD did not limit it.
const LONGEST_DEADLINE: SignedDuration = SignedDuration::from_hours(168);

/// The schedule in force, with the backups that it must produce.
#[derive(Clone, Debug)]
pub struct Expected {
    /// When it came into force. Earlier due times do not count.
    pub since: Timestamp,
    /// Its due times.
    pub times: Timetable,
    /// Where archives go.
    pub storage_type: Storage,
    /// An archive that is missing this long after the due time is overdue.
    pub deadline: SignedDuration,
    /// The portal's first start since the last write, which it has not reached yet. Earlier due times do not count.
    pub first_start: Option<Timestamp>,
}

/// Why no backup is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// No schedule is in force: none was applied to this portal, or with Observe the portal holds none.
    NotInForce,
    /// The portal's time zone is not known yet, or this operator does not know it.
    ZoneUnknown,
}

impl Expected {
    /// The schedule in force according to the status.
    ///
    /// # Errors
    /// Why no backup is expected.
    pub fn of(object: &DocSpaceBackupSchedule, status: &Status) -> Result<Self, Unexpected> {
        let schedule = schedule_in_force(object, status).ok_or(Unexpected::NotInForce)?;
        let zone = status.time_zone.as_deref().ok_or(Unexpected::ZoneUnknown)?;
        let times = Timetable::new((&schedule.cron_params).into(), zone).ok_or(Unexpected::ZoneUnknown)?;
        let in_force = status.in_force.as_ref().ok_or(Unexpected::NotInForce)?;
        let deadline = object.spec.backup_deadline.map(std::time::Duration::from);
        let since = in_force.since.0.max(earliest(object, status));
        let written = status.applied.as_ref().map_or(since, |applied| applied.time.0);
        let written = written.max(since);
        let first_start = match LastQueued::shown(status.observed.as_ref()) {
            LastQueued::Never => times.portal_starts(None, written),
            LastQueued::NoSchedule | LastQueued::At(_) => None,
        };
        Ok(Self {
            since,
            first_start: first_start.filter(|first| *first > written),
            times,
            storage_type: Storage::shown(&schedule.storage_type),
            deadline: deadline.map_or(DEFAULT_DEADLINE, |deadline| {
                SignedDuration::try_from(deadline).map_or(LONGEST_DEADLINE, |own| own.min(LONGEST_DEADLINE))
            }),
        })
    }

    /// The last due time since the schedule came into force.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.latest(now).filter(|due| self.counts(*due))
    }

    /// The last due time of the schedule in force whose deadline has passed.
    pub fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        self.deadline_passed(now).filter(|due| self.counts(*due))
    }

    fn counts(&self, due: Timestamp) -> bool {
        due >= self.since && self.first_start.is_none_or(|first| due >= first)
    }

    /// The last due time whose deadline has passed, also one before the schedule came into force.
    pub fn deadline_passed(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.latest(now - self.deadline)
    }
}

/// Before this, no backup can be expected: before the object existed, if the clocks of portal and operator agree now. A
/// portal whose clock was wrong at the first check may have said otherwise.
fn earliest(object: &DocSpaceBackupSchedule, status: &Status) -> Timestamp {
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.filter(|_| status.clock_offset_seconds.is_none());
    created.map_or(Timestamp::MIN, |created| {
        created.0.checked_sub(TOLERANCE).unwrap_or(Timestamp::MIN)
    })
}

/// The schedule applied to the portal that the spec names now; with Observe, the portal's schedule.
pub fn schedule_in_force<'a>(
    object: &DocSpaceBackupSchedule,
    status: &'a Status,
) -> Option<&'a ShownSchedule> {
    match object.spec.management_policy {
        ManagementPolicy::Observe => status.observed.as_ref(),
        ManagementPolicy::Enforce => {
            let ours = Ownership::of(object, status).ours();
            ours.map(|applied| &applied.schedule)
        }
    }
}
