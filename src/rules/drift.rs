//! What one check alone does not prove: that somebody changed the portal's schedule, or that the portal keeps an
//! accepted one from taking effect. Caches and replicas show old schedules for a while.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Drift, ShownSchedule, Unconfirmed, to_second},
    rules::reason::{Reason, Verdict},
    schedule::Held,
};

/// Two checks that show the same are at least this far apart.
pub const APART: SignedDuration = SignedDuration::from_secs(10);
/// When an accepted schedule that the portal does not show is looked for again, in seconds after the answer.
const CHECKS: [i64; 5] = [2, 5, 15, 30, 60];

/// What earlier checks saw of a drift.
#[derive(Clone, Debug, Default)]
pub struct SeenDrift<'a> {
    /// `status.drift`, and `status.observed`: what the portal held then.
    pub recorded: Option<(&'a Drift, Option<&'a ShownSchedule>)>,
    /// What this process saw at an earlier check.
    pub sighting: Option<Sighting>,
}

/// A different schedule in the portal that a further check must confirm.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// A digest of what the portal held; `None` for no schedule.
    pub held: Option<u64>,
    /// When, by the operator's clock.
    pub at: Timestamp,
    /// How often in a row something else was seen before.
    pub changes: u32,
}

impl SeenDrift<'_> {
    /// Whether the correction is decided and waits for a running backup.
    pub fn correction_waits(&self) -> bool {
        self.recorded.is_some_and(|(drift, _)| drift.correction_waits)
    }

    /// Whether the portal itself removed the schedule again.
    pub fn removed_by_portal(&self) -> bool {
        self.recorded.is_some_and(|(drift, _)| drift.removed_by_portal)
    }

    /// Whether the portal has not shown something else at each of the last checks.
    pub fn is_settling(&self) -> bool {
        const MANY: u32 = 3;
        self.sighting.as_ref().is_none_or(|seen| seen.changes < MANY)
    }

    /// Since when the status records what the portal holds now.
    pub fn recorded_since(&self, held: Option<&Held>) -> Option<Timestamp> {
        let (drift, then) = self.recorded?;
        is_shown_as(then, held).then_some(drift.since.0)
    }

    /// The verdict if only one check has shown what the portal holds now.
    pub fn unproven(&self, held: Option<&Held>, now: Timestamp) -> Option<Verdict> {
        let seen = self.sighting.as_ref().filter(|seen| seen.is_of(held));
        let first = [seen.map(|seen| seen.at), self.recorded_since(held)];
        let left = match (first.into_iter().flatten().min(), &self.sighting) {
            (Some(first), _) => APART - now.duration_since(first).abs(),
            // A portal that shows something else at every check must not cause check after check.
            (None, Some(seen)) => APART * (1 << (seen.changes + 1).min(7)),
            (None, None) => APART,
        };
        let message = "The portal's schedule differs from the applied one at one check; the operator checks again before it acts";
        left.is_positive().then(|| verifying(message, left))
    }
}

impl Sighting {
    /// What is kept after a check: the time of the first of those that showed the same.
    pub fn next(before: Option<Self>, held: Option<&Held>, now: Timestamp) -> Self {
        match before {
            Some(same) if same.is_of(held) => same,
            before => Self {
                held: held.map(|held| held.schedule.digest()),
                at: now,
                changes: before.map_or(0, |before| before.changes.saturating_add(1)),
            },
        }
    }

    /// Whether the portal held this then.
    pub fn is_of(&self, held: Option<&Held>) -> bool {
        self.held == held.map(|held| held.schedule.digest())
    }
}

/// The verdict while one check alone has shown another clock: who removed a schedule shows by the time.
pub fn at_a_doubted_time() -> Verdict {
    verifying(
        "The portal's schedule differs from the applied one, and the portal's clock from what it showed before; the operator \
         checks again before it acts",
        APART,
    )
}

fn is_shown_as(then: Option<&ShownSchedule>, held: Option<&Held>) -> bool {
    let now = held.map(Held::shown);
    let timeless = |shown: &ShownSchedule| ShownSchedule {
        last_backup_time: None,
        ..shown.clone()
    };
    then.map(timeless) == now.as_ref().map(timeless)
}

/// The verdict when the portal accepted a schedule and shows a different one: its checks are not over, or all have
/// failed. `unconfirmed` includes the last check.
pub fn not_shown(unconfirmed: &Unconfirmed, now: Timestamp) -> Verdict {
    let since = now.duration_since(unconfirmed.accepted_time.0);
    let done = usize::try_from(unconfirmed.checks).unwrap_or_default();
    let (last, next) = (CHECKS[CHECKS.len() - 1], CHECKS.get(done.saturating_sub(1)));
    let is_over = since.is_negative() || since.as_secs() >= last;
    if next.is_none() && is_over {
        return not_converging();
    }
    let left = SignedDuration::from_secs(*next.unwrap_or(&last)) - since;
    verifying(
        "The portal accepted the schedule but does not show it yet; the operator checks again for a minute",
        if left.is_positive() { left } else { APART },
    )
}

fn verifying(message: &str, left: SignedDuration) -> Verdict {
    Verdict {
        retry_after: Some(Duration::try_from(left).unwrap_or_default()),
        ..Verdict::new(Reason::Verifying, message)
    }
}

/// The verdict when the portal accepts a schedule and then shows a different one at every check.
fn not_converging() -> Verdict {
    Verdict::new(
        Reason::NotConverging,
        "The portal accepted the schedule and then returned a different one; correct the fields in status.difference. \
         The operator does not send the schedule again until the manifest or a storage Secret changes",
    )
}

/// A schedule that the portal accepted now, and that the first check did not show.
pub fn accepted_now(now: Timestamp) -> Unconfirmed {
    Unconfirmed {
        accepted_time: to_second(now),
        checks: 1,
    }
}

/// A further check that showed a different schedule.
pub fn counted(unconfirmed: &Unconfirmed) -> Unconfirmed {
    Unconfirmed {
        // More than all of CHECKS says nothing new, and would be a write for each check.
        checks: unconfirmed.checks.saturating_add(1).min(CHECKS.len() as i32 + 1),
        ..unconfirmed.clone()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use vecmap::VecMap;

    use super::*;
    use crate::schedule::Schedule;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn held(hour: i64) -> Held {
        Held {
            schedule: Schedule {
                storage_type: 4.into(),
                params: VecMap::new(),
                period: 0,
                hour,
                day: 0,
                backups_stored: 7,
                dump: false,
            },
            last_backup_time: None,
        }
    }

    fn seen(hour: i64, before: SignedDuration, changes: u32) -> SeenDrift<'static> {
        SeenDrift {
            recorded: None,
            sighting: Some(Sighting {
                held: Some(held(hour).schedule.digest()),
                at: now() - before,
                changes,
            }),
        }
    }

    fn left(seen: &SeenDrift<'_>, hour: i64) -> Option<u64> {
        let verdict = seen.unproven(Some(&held(hour)), now())?;
        assert_eq!(verdict.reason, Reason::Verifying);
        Some(verdict.retry_after.expect("a time").as_secs())
    }

    #[test]
    fn two_checks_ten_seconds_apart_prove_a_drift() {
        assert_eq!(left(&SeenDrift::default(), 9), Some(10));
        assert_eq!(left(&seen(9, seconds(4), 0), 9), Some(6));
        assert_eq!(left(&seen(9, seconds(10), 0), 9), None);
        // Neither the operator's clock that was set back nor another process makes it wait longer.
        assert_eq!(left(&seen(9, seconds(-10), 0), 9), None);
        assert_eq!(left(&seen(9, seconds(-4), 0), 9), Some(6));
    }

    #[test]
    fn a_portal_that_shows_something_else_at_each_check_is_looked_at_less_and_less() {
        let waits: Vec<_> = (0..8)
            .map(|changes| left(&seen(9, seconds(60), changes), 8))
            .collect();
        let expected = [20, 40, 80, 160, 320, 640, 1280, 1280];
        assert_eq!(waits, expected.map(Some));
        let settling: Vec<_> = (0..5)
            .map(|changes| seen(9, seconds(0), changes).is_settling())
            .collect();
        assert_eq!(settling, [true, true, true, false, false]);
        assert!(SeenDrift::default().is_settling());
    }

    #[test]
    fn what_the_status_records_counts_if_the_portal_holds_the_same() {
        let drift = Drift {
            since: Time(now() - seconds(10)),
            correction_waits: true,
            removed_by_portal: false,
        };
        let mut shown = held(9).shown();
        shown.last_backup_time = Some(Time(now()));
        let seen = SeenDrift {
            recorded: Some((&drift, Some(&shown))),
            sighting: None,
        };
        assert!(seen.correction_waits() && !seen.removed_by_portal());
        assert_eq!(seen.recorded_since(Some(&held(9))), Some(now() - seconds(10)));
        assert_eq!(seen.recorded_since(Some(&held(8))), None);
        assert_eq!(seen.recorded_since(None), None);
        assert_eq!((left(&seen, 9), left(&seen, 8)), (None, Some(10)));
        let removed = Drift {
            correction_waits: false,
            removed_by_portal: true,
            ..drift.clone()
        };
        let seen = SeenDrift {
            recorded: Some((&removed, None)),
            sighting: None,
        };
        assert!(!seen.correction_waits() && seen.removed_by_portal());
        assert_eq!(seen.recorded_since(None), Some(now() - seconds(10)));
    }

    #[test]
    fn of_equal_sightings_the_first_is_kept() {
        let first = Sighting::next(None, Some(&held(9)), now());
        assert_eq!((first.at, first.changes), (now(), 0));
        let same = Sighting::next(Some(first.clone()), Some(&held(9)), now() + seconds(5));
        assert_eq!((same.at, same.changes), (now(), 0));
        let other = Sighting::next(Some(first), None, now() + seconds(5));
        assert_eq!(
            (other.at, other.changes, other.held),
            (now() + seconds(5), 1, None)
        );
    }

    #[test]
    fn an_accepted_schedule_has_five_checks_within_a_minute() {
        let unconfirmed = |checks| Unconfirmed {
            accepted_time: Time(now()),
            checks,
        };
        let told = |checks, after| {
            let verdict = not_shown(&unconfirmed(checks), now() + seconds(after));
            (verdict.reason, verdict.retry_after.map(|wait| wait.as_secs()))
        };
        let again = |wait| (Reason::Verifying, Some(wait));
        assert_eq!(told(1, 0), again(2));
        assert_eq!(told(2, 2), again(3));
        assert_eq!(told(3, 5), again(10));
        assert_eq!(told(4, 15), again(15));
        assert_eq!(told(5, 30), again(30));
        // All are done, and the minute is not over.
        assert_eq!(told(6, 40), again(20));
        assert_eq!(told(6, 60), (Reason::NotConverging, None));
        assert_eq!(
            told(6, -1),
            (Reason::NotConverging, None),
            "the clock was set back"
        );
        // Late, but not all are done.
        assert_eq!(told(3, 90), again(10));
        assert_eq!(told(5, 60), again(10));
        let counts = [1, 5, 6].map(|checks| counted(&unconfirmed(checks)).checks);
        assert_eq!(counts, [2, 6, 6]);
        assert_eq!(
            accepted_now(now() + SignedDuration::from_millis(7)),
            unconfirmed(1)
        );
    }
}
