//! The schedule in force, and when its backups are due.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{DocSpaceBackupSchedule, ManagementPolicy, ShownSchedule, Status},
    rules::ownership::Ownership,
    schedule::{Storage, timetable::Timetable},
};

/// `spec.backupDeadline` where it is not set.
const DEFAULT_DEADLINE: SignedDuration = SignedDuration::from_hours(2);

/// The schedule in force: what backups are expected of it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Since when. What was due before does not count.
    pub since: Timestamp,
    /// Its times.
    pub times: Timetable,
    /// Where archives go, by DocSpace's name.
    pub storage_type: Storage,
    /// An archive that is not there this long after it was due is overdue.
    pub deadline: SignedDuration,
}

/// Why nothing can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// No schedule is in force: none was applied to this portal, or Observe and the portal holds none.
    NotInForce,
    /// The portal's time zone is not known yet, or not to this operator.
    ZoneUnknown,
}

impl Expected {
    /// What the status says is in force.
    ///
    /// # Errors
    /// Nothing can be expected, and why.
    pub fn of(object: &DocSpaceBackupSchedule, status: &Status) -> Result<Self, Unexpected> {
        let schedule = schedule_in_force(object, status).ok_or(Unexpected::NotInForce)?;
        let zone = status.time_zone.as_deref().ok_or(Unexpected::ZoneUnknown)?;
        let times = Timetable::new((&schedule.cron_params).into(), zone).ok_or(Unexpected::ZoneUnknown)?;
        let in_force = status.in_force.as_ref().ok_or(Unexpected::NotInForce)?;
        let deadline = object.spec.backup_deadline.map(std::time::Duration::from);
        Ok(Self {
            since: in_force.since.0,
            times,
            storage_type: Storage::shown(&schedule.storage_type),
            deadline: deadline
                .and_then(|deadline| deadline.try_into().ok())
                .unwrap_or(DEFAULT_DEADLINE),
        })
    }

    /// The last due time since the schedule came into force.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.latest(now).filter(|due| *due >= self.since)
    }

    /// The last due time of the schedule in force whose deadline has passed.
    pub fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        self.deadline_passed(now).filter(|due| *due >= self.since)
    }

    /// The last due time whose deadline has passed, also one before the schedule came into force.
    pub fn deadline_passed(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.latest(now - self.deadline)
    }
}

/// What was applied to the portal that the spec names now; with Observe, what the portal holds.
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
