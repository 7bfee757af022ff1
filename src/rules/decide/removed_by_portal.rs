//! Who removed the schedule: somebody (the operator restores it), or the portal over a bill (trap 6). Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    api::Tally,
    rules::{
        facts::{Asked, Bill, Facts},
        last_queued::LastQueued,
        plan::{Need, Step},
        reason::{Reason, Verdict},
    },
};

/// Free backups a calendar month in DocSpace's own cloud (story quota-used-up). The API does not show the number.
pub const FREE_BACKUPS: i64 = 2;

/// Who removed the schedule.
#[derive(Debug)]
pub enum Remover {
    /// The portal itself: the schedule disappeared after it was due, without a known deletion.
    Portal,
    /// A person or a program.
    Somebody,
    /// Not known yet; what to do first.
    Unsettled(Step),
}

/// Who removed the schedule from the portal.
pub fn remover(facts: &Facts<'_>) -> Remover {
    if facts.drift.removed_by_portal() {
        return Remover::Portal;
    }
    if !came_due(facts) {
        return Remover::Somebody;
    }
    match &facts.deleted {
        Asked::NotYet => Remover::Unsettled(Step::Ask(Need::Deletion)),
        Asked::Answered(Some(true)) => Remover::Somebody,
        // Without the trail, no deletion is known.
        Asked::Answered(Some(false) | None) => Remover::Portal,
        Asked::Failed(_) if facts.requested || fails_long(facts) => Remover::Portal,
        Asked::Failed(error) => Remover::Unsettled(Step::refuse(error)),
    }
}

/// A trail that fails for long counts as not available.
fn fails_long(facts: &Facts<'_>) -> bool {
    const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
    let since = facts.failing_since;
    since.is_some_and(|since| facts.local_now.duration_since(since) >= PATIENCE)
}

/// Whether the schedule was due on the portal since it was last seen.
fn came_due(facts: &Facts<'_>) -> bool {
    let (Ok(expected), Some(applied)) = (&facts.expected, facts.ownership.ours()) else {
        return false;
    };
    if facts.last_queued == LastQueued::NoSchedule {
        return false;
    }
    let starts = expected
        .times
        .portal_starts(facts.last_queued.time(), applied.time.0);
    starts.is_some_and(|starts| starts <= facts.now)
}

/// What a restoration waits for. It happens once a calendar month, because each one sends the portal's owner a mail.
pub fn hold(facts: &Facts<'_>) -> Option<Step> {
    let this_month = |tally: &&Tally| month(tally.last_time.0) == month(facts.now);
    if facts.removals.filter(this_month).is_none() || facts.requested {
        return None;
    }
    if facts.bill.is_not_yet() {
        return Some(Step::Ask(Need::Bill));
    }
    let message = format!(
        "The portal removed the schedule when it was due, and again after the operator restored it; {}. The operator \
         restores it next month, when the manifest changes, or when the annotation \
         docspace.onlyoffice.com/requestedAt is set",
        likely_cause(facts.bill.answer())
    );
    Some(Step::refuse(Verdict::new(Reason::RemovedByPortal, message)))
}

/// The likely reason of the removal.
fn likely_cause(bill: Option<&Bill>) -> String {
    match bill {
        Some(Bill { free, paid: false }) => format!(
            "it does so when the free backups of the month are used up ({free} were made) and paid backup is off: see \
             the portal's payments page"
        ),
        Some(Bill { paid: true, .. }) => {
            "paid backup is on, so the portal may have found no means to pay: see the portal's payments page"
                .into()
        }
        None => {
            "it does so when the free backups of the month are used up, or when a paid one cannot be paid: see the \
             portal's payments page"
                .into()
        }
    }
}

/// The calendar month, as DocSpace counts: in UTC (story quota-used-up).
pub fn month(time: Timestamp) -> (i16, i8) {
    let date = TimeZone::UTC.to_datetime(time).date();
    (date.year(), date.month())
}
