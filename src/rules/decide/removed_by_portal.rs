//! Who removed the schedule: somebody, who is put right, or the portal itself over a bill (trap 6), which is told. Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    api::Tally,
    rules::{
        facts::{Asked, Bill, Facts},
        plan::{Need, Step},
        reason::{Reason, Verdict},
    },
};

/// DocSpace's own cloud gives so many free backups a calendar month (story quota-used-up); the API tells no number.
pub const FREE_BACKUPS: i64 = 2;

/// Who removed the schedule.
#[derive(Debug)]
pub enum Remover {
    /// The portal itself: it went after it came due, and nobody is known to have deleted it.
    Portal,
    /// A person or a program.
    Somebody,
    /// It is not known yet; what to do first.
    Unsettled(Step),
}

/// Who removed the schedule that the portal no longer holds.
pub fn remover(facts: &Facts<'_>) -> Remover {
    if facts.removed_by_portal {
        return Remover::Portal;
    }
    if !came_due(facts) {
        return Remover::Somebody;
    }
    match &facts.deleted {
        Asked::NotYet => Remover::Unsettled(Step::Ask(Need::Deletion)),
        Asked::Answered(Some(true)) => Remover::Somebody,
        // Without the trail nobody can be blamed.
        Asked::Answered(Some(false) | None) => Remover::Portal,
        Asked::Failed(_) if facts.requested || fails_long(facts) => Remover::Portal,
        Asked::Failed(error) => Remover::Unsettled(Step::refuse(error)),
    }
}

/// A trail that fails for long is as good as none.
fn fails_long(facts: &Facts<'_>) -> bool {
    const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
    let since = facts.failing_since;
    since.is_some_and(|since| facts.local_now.duration_since(since) >= PATIENCE)
}

/// Whether the portal's scheduler came to the schedule since it was last seen there.
fn came_due(facts: &Facts<'_>) -> bool {
    let (Ok(expected), Some(last), Some(applied)) =
        (&facts.expected, facts.seen_last_backup_time, facts.applied)
    else {
        return false;
    };
    let starts = expected.times.portal_starts(last, applied.time.0);
    starts.is_some_and(|starts| starts <= facts.now)
}

/// What stands against restoring it. It is restored once a calendar month: each time, the portal's owner gets a mail.
pub fn hold(facts: &Facts<'_>) -> Option<Step> {
    let this_month = |tally: &&Tally| month(tally.last_time.0) == month(facts.now);
    if facts.removals.filter(this_month).is_none() || facts.requested {
        return None;
    }
    if facts.bill.is_not_yet() {
        return Some(Step::Ask(Need::Bill));
    }
    let message = format!(
        "The portal removed the schedule when it came due, and again after it was restored; {}. It is restored \
         next month, when the manifest changes, or when the annotation docspace.onlyoffice.com/requestedAt is set",
        likely_cause(facts.bill.answer())
    );
    Some(Step::refuse(Verdict::new(Reason::RemovedByPortal, message)))
}

/// Why the portal does such a thing.
fn likely_cause(bill: Option<&Bill>) -> String {
    match bill {
        Some(Bill { free, paid: false }) => format!(
            "it does so when the free backups of the month are used up ({free} were made) and paid backup is off: see \
             the payments page of the portal"
        ),
        Some(Bill { paid: true, .. }) => {
            "paid backup is on, so it may have found no means to pay: see the payments page of the portal"
                .into()
        }
        None => {
            "it does so when the free backups of the month are used up, or a paid one cannot be paid".into()
        }
    }
}

/// The calendar month, as DocSpace counts: in UTC (story quota-used-up).
pub fn month(time: Timestamp) -> (i16, i8) {
    let date = TimeZone::UTC.to_datetime(time).date();
    (date.year(), date.month())
}
