//! When an object is looked at again. Looks are spread, so that objects do not gang up.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{DocSpaceBackupSchedule, Status, condition},
    rules::{
        backup::{expected::Expected, next_question::next_look, record::Record},
        decide::deletion::DELETION_PATIENCE,
        facts::Facts,
        memory::Failures,
        outcome::Kept,
        reason::Class,
        status::READY_LASTS,
    },
};

/// A portal is looked at no more often than this,
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);
/// and no less often than this.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The first try after a failure; doubled with each, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Where backups are not in order, a start brings a look within this time.
const SOON: Duration = Duration::from_secs(15 * 60);

/// Objects whose backups are due at the same hour are spread over this time.
const GATHERING: Duration = Duration::from_secs(10);

/// How long a wait is, beside what the facts say.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often the portal is looked at.
    pub interval: Duration,
    /// By the operator's clock, at the end of the look.
    pub now: Timestamp,
    /// A number drawn for this wait, 0 to 1: objects do not gang up.
    pub chance: f64,
}

impl Pace {
    /// The wait, spread by a tenth either way.
    fn spread(self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + self.chance / 5.0)
    }
}

/// What the next look depends on.
pub struct Retry<'a> {
    /// The interval, the time and the draw.
    pub pace: Pace,
    /// The row of failures that this look is one of.
    pub failures: Option<Failures>,
    /// What was done.
    pub outcome: &'a Kept,
    /// What was learnt.
    pub facts: &'a Facts<'a>,
    /// The object as it was looked at.
    pub object: &'a DocSpaceBackupSchedule,
    /// Its status now.
    pub status: &'a Status,
    /// What is recorded of its backups now.
    pub record: &'a Record,
    /// At how many looks in a row the portal's clock has stood still.
    pub standstills: u32,
}

impl Retry<'_> {
    /// How long to wait.
    pub fn wait(&self) -> Duration {
        let wait = match self.failures {
            Some(failures) => backoff(failures.count, self.pace),
            // Somebody must act, which brings a look of its own.
            None if self.outcome.verdict.reason.rule().class == Class::Stalled => self
                .pace
                .spread(self.pace.interval.saturating_mul(2).min(LONGEST_INTERVAL)),
            None => self.pace.spread(self.pace.interval),
        };
        // A long wait is for writes; a look that is due tells that Ready no longer holds.
        let longest = if self.outcome.request.is_some() {
            LONGEST_INTERVAL
        } else {
            READY_LASTS
        };
        let asked_for = self.outcome.verdict.retry_after.unwrap_or_default().min(longest);
        let wait = self.until_evidence().map_or(wait, |left| wait.min(left));
        let wait = wait.max(asked_for);
        self.until_released().map_or(wait, |left| wait.min(left))
    }

    /// A deletion does not wait for its portal for ever.
    fn until_released(&self) -> Option<Duration> {
        let left = DELETION_PATIENCE - self.pace.now.duration_since(self.facts.deleted_at?);
        Some(
            Duration::try_from(left)
                .unwrap_or_default()
                .max(Duration::from_secs(1)),
        )
    }

    /// By the portal's clock.
    fn until_evidence(&self) -> Option<Duration> {
        let expected = Expected::of(self.object, self.status).ok()?;
        let next = next_look(&expected, self.record, self.facts.now)?;
        let left: Duration = next.duration_since(self.facts.now).try_into().ok()?;
        // A clock that stands still brings no look after look.
        let floor = match self.standstills {
            0 => Duration::ZERO,
            standstills => backoff(standstills, self.pace),
        };
        Some(left.max(floor) + GATHERING.mul_f64(self.pace.chance))
    }
}

/// The wait before the next try: doubled with each failure up to the interval.
pub fn backoff(failures: u32, pace: Pace) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(pace.interval).mul_f64(0.5 + pace.chance / 2.0)
}

/// The wait after a start, when the object was in order and has a record: over an interval, but no later than something
/// can be learnt of its backups, and soon where there is bad news.
pub fn after_start(object: &DocSpaceBackupSchedule, status: &Status, pace: Pace) -> Duration {
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
