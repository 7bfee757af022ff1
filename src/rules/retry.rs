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
        outcome::Deed,
        reason::Class,
        status::READY_LASTS,
    },
};

/// The first try after a failure; doubled with each, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Where backups are not in order, a start brings a look within this time.
const SOON: Duration = Duration::from_secs(15 * 60);

/// Objects whose backups are due at the same hour are spread over this time.
const GATHERING: Duration = Duration::from_secs(10);

/// What the next look depends on.
pub struct Pace<'a> {
    /// How often the portal is looked at.
    pub interval: Duration,
    /// The row of failures that this look is one of.
    pub failures: Option<Failures>,
    /// What was done.
    pub deed: &'a Deed,
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

impl Pace<'_> {
    /// How long to wait.
    pub fn wait(&self) -> Duration {
        let wait = match self.failures {
            Some(failures) => backoff(failures.count, self.interval),
            // Somebody must act, which brings a look of its own.
            None if self.deed.verdict.reason.rule().class == Class::Stalled => {
                spread(self.interval.saturating_mul(2).min(LONGEST_INTERVAL))
            }
            None => spread(self.interval),
        };
        // A long wait is for writes; a look that is due tells that Ready no longer holds.
        let longest = if self.deed.request.is_some() {
            LONGEST_INTERVAL
        } else {
            READY_LASTS
        };
        let asked_for = self.deed.verdict.retry_after.unwrap_or_default().min(longest);
        let wait = self.until_evidence().map_or(wait, |left| wait.min(left));
        let wait = wait.max(asked_for);
        self.until_released().map_or(wait, |left| wait.min(left))
    }

    /// A deletion does not wait for its portal for ever.
    fn until_released(&self) -> Option<Duration> {
        let left = DELETION_PATIENCE - Timestamp::now().duration_since(self.facts.deleted_at?);
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
            standstills => backoff(standstills, self.interval),
        };
        Some(left.max(floor) + GATHERING.mul_f64(fastrand::f64()))
    }
}

/// The wait before the next try: doubled with each failure up to the interval.
pub fn backoff(failures: u32, interval: Duration) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(interval).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The wait after a start, when the object was in order and has a record: over an interval, but no later than something
/// can be learnt of its backups, and soon where there is bad news.
pub fn after_start(
    object: &DocSpaceBackupSchedule,
    status: &Status,
    interval: Duration,
    now: Timestamp,
) -> Duration {
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
    let spread = longest.mul_f64(fastrand::f64());
    let next = expected.and_then(|expected| next_look(&expected, &record, now));
    let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
    left.map_or(spread, |left| spread.min(left))
}

/// The interval, spread by a tenth either way.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() / 5.0)
}

/// A portal is looked at no more often than this,
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// and no less often than this.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
