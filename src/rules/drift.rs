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
