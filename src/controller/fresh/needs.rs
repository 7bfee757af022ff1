//! Which evidence is asked for, cheapest first, at a rate that a portal does not notice; and when to look again.

use jiff::{SignedDuration, Timestamp};

use super::{absorb::CONFIRMED_AFTER, expected::Expected, record::Record, trail::is_eligible};
use crate::{
    controller::{facts::Facts, plan::Need},
    due::PASS,
    portal::Archive,
};

/// So long after it was due, or past its deadline, a backup is no longer looked for at every look,
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);
/// but so often.
const LATE_PACE: SignedDuration = SignedDuration::from_mins(60);
/// While nothing is awaited, the archives are counted so often.
const IDLE_PACE: SignedDuration = SignedDuration::from_hours(6);
/// What runs is looked at so long before a run is due, so that an old run is not taken for the new one.
const BEFOREHAND: SignedDuration = SignedDuration::from_mins(20);

/// Since when an archive is awaited that was not confirmed yet: the last due time, or a run that the portal queued
/// since the schedule is in force (a POST may bring one at once).
pub fn awaited(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Option<Timestamp> {
    let queued = facts
        .last_backup_time()
        .filter(|last| *last >= expected.since && *last <= facts.now);
    let open = |time: &Timestamp| !record.covers(expected, *time);
    expected.due(facts.now).filter(open).or(queued.filter(open))
}

/// What to ask for next; `None` when all that is worth a call is known.
pub fn need(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Option<Need> {
    let failed = matches!(facts.progress, Some(Err(_))) || matches!(facts.archives, Some(Err(_)));
    if failed || !facts.requested && !is_due(record.seen.failed_at, CONFIRMED_AFTER, facts.now) {
        return None;
    }
    match awaited(expected, record, facts) {
        Some(awaited) => need_while_awaited(expected, record, facts, awaited),
        None => need_while_idle(expected, record, facts),
    }
}

fn need_while_awaited(
    expected: &Expected,
    record: &Record,
    facts: &Facts<'_>,
    awaited: Timestamp,
) -> Option<Need> {
    let now = facts.now;
    let deadline = awaited + expected.deadline;
    let late = now >= deadline;
    let listed_once = record
        .candidate
        .as_ref()
        .filter(|candidate| candidate.created_on.0 >= awaited && !record.vanished());

    let failed = facts.run_error().is_some() && record.has_run_since(awaited);
    let failure_known = record
        .last_failure
        .as_ref()
        .is_some_and(|failure| failure.time.0 >= awaited);
    // The news is out; what may still come is no hurry.
    let slow = late || now >= awaited + PATIENCE || failure_known || record.vanished();
    let (progress_pace, history_pace) = if slow {
        (LATE_PACE, LATE_PACE)
    } else {
        (SignedDuration::ZERO, CONFIRMED_AFTER)
    };
    let may_run = matches!(facts.held, Some(Ok(Some(_)))) && listed_once.is_none();
    if facts.progress.is_none() && may_run && is_due(record.seen.progress_at, progress_pace, now) {
        return Some(Need::Progress);
    }
    if facts.is_running() && !late {
        return None;
    }
    if facts.archives.is_none() {
        let queued = facts.last_backup_time().filter(|last| *last >= awaited);
        let over = record.seen.over_at.filter(|over| *over >= awaited);
        let read = record.seen.history_at.filter(|at| *at >= awaited);
        let due = match (listed_once, read) {
            _ if facts.requested => true,
            (Some(candidate), _) => now.duration_since(candidate.first_listed.0) >= CONFIRMED_AFTER,
            (None, Some(at)) if late => at < deadline || is_due(Some(at), LATE_PACE, now),
            (None, None) if late => true,
            // A run has ended since the archives were listed.
            (None, read) if over.is_some_and(|over| read.is_none_or(|at| at < over)) => true,
            (None, read) => queued.is_some() && is_due(read.or(queued), history_pace, now),
        };
        return due.then_some(Need::Archives);
    }
    let Some(Ok(archives)) = &facts.archives else {
        return None;
    };
    let of_a_schedule = |archive: &&_| is_eligible(archive, expected, facts.trail());
    let found = archives
        .iter()
        .filter(of_a_schedule)
        .any(|archive| archive.created_on >= awaited);
    // What everything was asked of is not asked again.
    let settle = late && record.seen.settled != Some(awaited);
    if facts.events.is_none() && (found || settle || failed && !failure_known) {
        return Some(Need::Events);
    }
    (facts.other.is_none() && settle && !found).then_some(Need::OtherSchedule)
}

fn need_while_idle(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Option<Need> {
    let now = facts.now;
    let soon = expected
        .times
        .next(now)
        .filter(|next| next.duration_since(now) <= BEFOREHAND);
    let seen_before = |at: Timestamp| soon.is_none_or(|next| next.duration_since(at) <= BEFOREHAND);
    if facts.progress.is_none() && !record.seen.progress_at.is_some_and(seen_before) {
        return Some(Need::Progress);
    }
    let confirm = record.candidate.as_ref().is_some_and(|candidate| {
        !record.vanished() && now.duration_since(candidate.first_listed.0) >= CONFIRMED_AFTER
    });
    if facts.archives.is_none()
        && (facts.requested || confirm || is_due(record.seen.history_at, IDLE_PACE, now))
    {
        return Some(Need::Archives);
    }
    facts.archives.as_ref()?.as_ref().ok()?;
    if facts.events.is_none() && newest_unconfirmed(expected, record, facts).is_some() {
        return Some(Need::Events);
    }
    (facts.is_saas && facts.bill.is_none()).then_some(Need::Bill)
}

/// The newest archive of the schedule, where it is not the one that was confirmed last.
fn newest_unconfirmed<'a>(expected: &Expected, record: &Record, facts: &'a Facts<'_>) -> Option<&'a Archive> {
    let archives = facts.archives.as_ref()?.as_ref().ok()?.iter();
    let eligible = archives.filter(|archive| is_eligible(archive, expected, facts.trail()));
    let confirmed = record.last_backup.as_ref().map(|backup| &backup.id);
    eligible
        .max_by_key(|archive| archive.created_on)
        .filter(|archive| confirmed != Some(&archive.id))
}

fn is_due(last: Option<Timestamp>, pace: SignedDuration, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= pace)
}

/// Since when the audit trail is asked for: what may have been in the way of the awaited run, and what made the
/// archives that are not recorded yet.
pub fn trail_from(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Timestamp {
    const BEFORE: SignedDuration = SignedDuration::from_hours(24);
    let awaited = awaited(expected, record, facts).unwrap_or(facts.now);
    let newest = newest_unconfirmed(expected, record, facts);
    let from = newest.map_or(awaited, |newest| newest.created_on.min(awaited));
    from.checked_sub(BEFORE).unwrap_or(Timestamp::MIN)
}

/// When there will be something to learn or to say, by the portal's clock: a run is about to start or has had its
/// pass, a deadline passes, an archive may be confirmed.
pub fn next_look(expected: &Expected, record: &Record, now: Timestamp) -> Option<Timestamp> {
    let soon = SignedDuration::from_mins(5);
    let around = |due: Timestamp| [due - soon, due + PASS + soon, due + expected.deadline];
    let dues = expected
        .times
        .latest(now)
        .into_iter()
        .chain(expected.times.next(now));
    let candidate = record.candidate.as_ref().filter(|_| !record.vanished());
    let confirmed =
        candidate.and_then(|candidate| candidate.first_listed.0.checked_add(CONFIRMED_AFTER).ok());
    // A deadline of a day ago may pass only now.
    let passing = expected
        .times
        .next(now - expected.deadline)
        .map(|due| due + expected.deadline);
    dues.flat_map(around)
        .chain(confirmed)
        .chain(passing)
        .filter(|time| *time > now)
        .min()
}
