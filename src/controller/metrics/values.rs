//! What the metrics show of an object. It is kept, because a scrape must not read thousands of objects anew.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        metrics::conditions::{Conditions, STATES},
        watched::Guarded,
    },
    rules::backup::expected::Expected,
    schedule::timetable::Timetable,
};

/// What the metrics show of an object; times in seconds of Unix time.
#[derive(Clone, Debug)]
pub struct Values {
    /// Condition Ready is True.
    pub ready: bool,
    /// Condition Stalled is True, or the object cannot be parsed.
    pub stalled: bool,
    /// `spec.suspend`.
    pub suspended: Option<bool>,
    /// The status of condition BackupFresh.
    pub fresh: &'static str,
    /// All conditions.
    pub conditions: Conditions,
    /// When the newest confirmed archive was made.
    pub last_backup: Option<i64>,
    /// When the portal starts its next backup.
    pub next_backup: Option<i64>,
    /// By when an archive must exist.
    pub deadline: Option<i64>,
    /// When the API key expires.
    pub key_expiry: Option<i64>,
    /// The number of archives in the portal's history.
    pub archives: Option<i64>,
    times: Option<Timetable>,
}

impl Values {
    /// The values of an object.
    pub fn of(object: &Guarded) -> Self {
        match &object.object {
            Ok(object) => Self::of_valid(object),
            Err(_) => Self {
                ready: false,
                stalled: true,
                suspended: None,
                fresh: STATES[2],
                conditions: Conditions::default(),
                last_backup: None,
                next_backup: None,
                deadline: None,
                key_expiry: None,
                archives: None,
                times: None,
            },
        }
    }

    fn of_valid(object: &DocSpaceBackupSchedule) -> Self {
        let status = object.status.as_ref();
        let conditions = status.map(Conditions::of).unwrap_or_default();
        let second = |time: Option<&Time>| time.map(|time| time.0.as_second());
        let last = status.and_then(|status| status.last_backup.as_ref());
        let last = last.map(|last| &last.created_on);
        let key = status.and_then(|status| status.api_key.as_ref());
        let expected = status.and_then(|status| Expected::of(object, status).ok());
        let deadline = expected.as_ref().and_then(|expected| {
            let after = last.map_or(expected.since, |proved| proved.0.max(expected.since));
            let due = expected.times.next(after)?;
            Some(due.checked_add(expected.deadline).ok()?.as_second())
        });
        Self {
            ready: conditions.state("Ready") == Some("True"),
            stalled: conditions.state("Stalled") == Some("True"),
            suspended: Some(object.spec.suspend),
            fresh: conditions.state("BackupFresh").unwrap_or(STATES[2]),
            conditions,
            last_backup: second(last),
            next_backup: second(status.and_then(|status| status.next_backup_time.as_ref())),
            deadline,
            key_expiry: second(key.and_then(|key| key.expires_at.as_ref())),
            archives: status.and_then(|status| status.backup_count).map(Into::into),
            times: expected.map(|expected| expected.times),
        }
    }

    /// The time between the next two due times of the schedule in force, in seconds.
    pub fn interval(&self, now: Timestamp) -> Option<i64> {
        let times = self.times.as_ref()?;
        let next = times.next(now)?;
        Some(times.next(next)?.as_second() - next.as_second())
    }
}
