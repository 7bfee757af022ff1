//! When an object is checked again. Checks are spread, so that objects do not burst at the same time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, Status, condition},
    rules::{
        backup::{expected::Expected, next_question::next_look, record::Record},
        decide::deletion::DELETION_PATIENCE,
        facts::Facts,
        memory::{Failures, Memory},
        outcome::Kept,
        reason::{Class, Reason},
        status::{READY_LASTS, verified},
    },
};

/// The shortest interval between checks of a portal.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);
/// The longest interval between checks of a portal.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// A clock that jumped, or an archive that is missing, is checked again after this time.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// The wait after the first failure; doubled with each further one, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// After a start, objects whose backups are not in order are checked within this time; likewise a portal whose settings
/// or key could not be read.
const SOON: Duration = Duration::from_secs(15 * 60);

/// A deletion waits only five minutes for its portal, so a refusal is put to the proof sooner than another one.
const WHILE_DELETING: Duration = Duration::from_secs(30);

/// Checks of backups that are due at the same hour are spread over this time.
const GATHERING: Duration = Duration::from_secs(10);

/// The object's own interval between checks of its portal; limited here because an older CRD did not limit it.
pub fn own_interval(spec: &DocSpaceBackupScheduleSpec) -> Option<Duration> {
    let own = spec.interval.filter(|interval| !interval.is_negative())?;
    Some(Duration::from(own).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
}

/// The inputs of a wait that are not facts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The interval between checks.
    pub interval: Duration,
    /// The operator's clock at the end of the reconcile.
    pub now: Timestamp,
    /// A random number for this wait, 0 to 1, to spread objects.
    pub chance: f64,
}

impl Pace {
    /// The wait, spread by ±10 %.
    fn spread(self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + self.chance / 5.0)
    }
}

/// The inputs of the wait until the next check.
pub struct Retry<'a> {
    /// Interval, time and random number.
    pub pace: Pace,
    /// The kstatus class of the verdict.
    pub class: Class,
    /// The current row of failures.
    pub failures: Option<Failures>,
    /// What was done.
    pub outcome: &'a Kept,
    /// What was learnt.
    pub facts: &'a Facts<'a>,
    /// The object as reconciled.
    pub object: &'a DocSpaceBackupSchedule,
    /// Its new status.
    pub status: &'a Status,
    /// Its new record of backups.
    pub record: &'a Record,
    /// At how many checks in a row the portal's clock stood still.
    pub standstills: u32,
}

impl Retry<'_> {
    /// How long to wait.
    pub fn wait(&self) -> Duration {
        let verdict = &self.outcome.verdict;
        let asked_for = verdict.retry_after.unwrap_or_default().min(READY_LASTS);
        let wait = match (self.class, self.failures) {
            _ if verdict.reason == Reason::Verifying => asked_for,
            (Class::Stalled, _) if self.facts.deletion.is_some() => self.pace.spread(WHILE_DELETING),
            // The user must act, which triggers a check anyway.
            (Class::Stalled, _) => self
                .pace
                .spread(self.pace.interval.saturating_mul(2).min(LONGEST_INTERVAL)),
            (_, Some(failures)) => backoff(failures.count, self.pace),
            (_, None) => self.pace.spread(self.pace.interval),
        };
        // A portal that refuses a write for a day still answers reads.
        let wait = match self.outcome.request {
            Some(_) => wait,
            None => wait.max(asked_for),
        };
        // A deadline that passes needs no call.
        let wait = self.until_evidence().map_or(wait, |left| wait.min(left));
        let unread = self.facts.identity.as_ref();
        let wait = match unread.is_some_and(|identity| identity.is_to_be_repeated) {
            true => wait.min(SOON),
            false => wait,
        };
        let unproven = self.misses_once() || self.facts.clock.needs_second_check();
        let wait = if unproven { wait.min(SECOND_LOOK) } else { wait };
        self.until_released().map_or(wait, |left| wait.min(left))
    }

    /// Whether this reconcile's read of the history is the only one that missed an archive.
    fn misses_once(&self) -> bool {
        let due = || {
            Expected::of(self.object, self.status)
                .ok()?
                .missed(self.facts.now)
        };
        let missed_once = || due().is_some_and(|due| self.record.is_missed_once(due));
        self.facts.archives.answer().is_some() && (self.record.is_missing_once() || missed_once())
    }

    /// The time until a deletion stops waiting for its portal.
    fn until_released(&self) -> Option<Duration> {
        let since = self.facts.deletion.as_ref()?.since;
        let left = DELETION_PATIENCE - self.pace.now.duration_since(since);
        Some(
            Duration::try_from(left)
                .unwrap_or_default()
                .max(Duration::from_secs(1)),
        )
    }

    /// The time until new evidence is expected, by the portal's clock.
    fn until_evidence(&self) -> Option<Duration> {
        let expected = Expected::of(self.object, self.status).ok()?;
        let next = next_look(&expected, self.record, self.facts.now)?;
        let left: Duration = next.duration_since(self.facts.now).try_into().ok()?;
        // A portal clock that stands still must not cause check after check.
        let floor = match self.standstills {
            0 => Duration::ZERO,
            standstills => backoff(standstills, self.pace),
        };
        Some(left.max(floor) + GATHERING.mul_f64(self.pace.chance))
    }
}

/// The wait before the next retry: doubled with each failure, up to the interval.
fn backoff(failures: u32, pace: Pace) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(pace.interval).mul_f64(0.5 + pace.chance / 2.0)
}

/// The wait before Kubernetes is asked again for what it did not do. The look did not end, so it is still due.
pub fn after_kubernetes(memory: &mut Memory, pace: Pace) -> Duration {
    memory.next_look = None;
    memory.kubernetes_failures += 1;
    backoff(memory.kubernetes_failures, pace)
}

/// The wait after a start. For an object that was in order, it is spread over an interval, but no later than new
/// evidence is expected, and short if its backups are not in order. Others do not wait.
pub fn after_start(object: &DocSpaceBackupSchedule, pace: Pace) -> Duration {
    let Some(status) = object.status.as_ref().filter(|_| verified(object)) else {
        return Duration::ZERO;
    };
    let Pace {
        interval,
        now,
        chance,
    } = pace;
    let expected = Expected::of(object, status).ok();
    let record = Record::of(status, None);
    let fresh = condition(Some(status), "BackupFresh").is_some_and(|fresh| fresh.status == "True");
    let proved = expected.as_ref().is_none_or(|expected| {
        let passed = expected.deadline_passed(now);
        passed.is_none_or(|due| record.covers(expected, due)) && record.candidate.is_none()
    });
    let longest = if fresh && proved {
        interval
    } else {
        interval.min(SOON)
    };
    let spread = longest.mul_f64(chance);
    let next = expected.and_then(|expected| next_look(&expected, &record, now));
    let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
    left.map_or(spread, |left| spread.min(left))
}

#[cfg(test)]
mod tests;
