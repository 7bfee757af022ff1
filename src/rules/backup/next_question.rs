//! Which evidence to ask for, cheapest first and at a low rate; and when the next check is due.

use jiff::{SignedDuration, Timestamp};

use crate::{
    portal::Archive,
    rules::{
        backup::{audit_trail::SAME_RUN, evidence::CONFIRMED_AFTER, expected::Expected, record::Record},
        facts::Facts,
        plan::Need,
    },
    schedule::timetable::PASS,
};

/// This long after the due time (or the deadline, if earlier), a missing backup is no longer looked for at every check.
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);
/// The interval for late backups.
const LATE_PACE: SignedDuration = SignedDuration::from_mins(60);
/// The interval for counting archives while none is awaited.
const IDLE_PACE: SignedDuration = SignedDuration::from_hours(6);
/// Progress is read this long before a due time, so that an old run does not count as the new one.
const BEFOREHAND: SignedDuration = SAME_RUN;

/// Since when an unconfirmed archive is awaited: the last due time, or a run that the portal queued since the schedule
/// came into force (a POST may cause one at once).
pub fn awaited(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Option<Timestamp> {
    let queued = facts
        .last_backup_time()
        .filter(|last| *last >= expected.since && *last <= facts.now);
    let open = |time: &Timestamp| !record.covers(expected, *time);
    expected.due(facts.now).filter(open).or(queued.filter(open))
}

/// The next evidence to ask for; `None` if no further call is worthwhile.
pub fn next_question(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Option<Need> {
    let awaited = awaited(expected, record, facts);
    let wanted = Wanted {
        expected,
        record,
        facts,
        awaited,
        now: facts.now,
    };
    if facts.progress.is_not_yet() && wanted.progress() {
        return Some(Need::Progress);
    }
    if facts.archives.is_not_yet() {
        return wanted.history().then_some(Need::Archives);
    }
    // Without the archives, other evidence is of no use.
    facts.archives.answer()?;
    if facts.events.is_not_yet() && wanted.events() {
        return Some(Need::Events);
    }
    if facts.other.is_not_yet() && wanted.other_schedule() {
        return Some(Need::OtherSchedule);
    }
    (facts.is_saas && facts.bill.is_not_yet()).then_some(Need::Bill)
}

/// Whether each call is worthwhile.
struct Wanted<'a> {
    expected: &'a Expected,
    record: &'a Record,
    facts: &'a Facts<'a>,
    awaited: Option<Timestamp>,
    now: Timestamp,
}

impl Wanted<'_> {
    fn progress(&self) -> bool {
        let asked = self.record.seen.progress_asked_at;
        match self.awaited {
            Some(awaited) => !self.is_listed_once(awaited) && self.is_due(asked, self.progress_pace(awaited)),
            None => asked.is_none() || self.is_before_a_run(self.record.seen.progress_at),
        }
    }

    /// Whether a run is due soon and the progress before it was not read yet.
    fn is_before_a_run(&self, read: Option<Timestamp>) -> bool {
        let next = self.expected.times.next(self.now);
        let soon = next.filter(|next| next.duration_since(self.now) <= BEFOREHAND);
        soon.is_some_and(|next| read.is_none_or(|read| next.duration_since(read) > BEFOREHAND))
    }

    fn history(&self) -> bool {
        if self.facts.requested {
            return true;
        }
        let seen = &self.record.seen;
        if !self.is_due(seen.history_failed_at, CONFIRMED_AFTER) {
            return false;
        }
        let missed_once = self.missed().is_some_and(|due| self.record.is_missed_once(due));
        if self.record.is_missing_once() || missed_once {
            return true;
        }
        let read_since = |time| seen.read_since(time, self.now);
        let missed = self
            .missed()
            .is_some_and(|due| !read_since(due + self.expected.deadline));
        let Some(awaited) = self.awaited else {
            return missed || self.is_ripe() || self.is_due(seen.history_at, IDLE_PACE);
        };
        if self.facts.is_running() && self.now < awaited + self.expected.deadline {
            return false;
        }
        let over = seen
            .over_at
            .is_some_and(|over| over >= awaited && !read_since(over));
        let queued = self.facts.last_backup_time().filter(|last| *last >= awaited);
        let read = seen.history_at.filter(|at| *at >= awaited);
        let since = read.or(queued);
        let waited = since.is_some() && self.is_due(since, self.history_pace(awaited));
        missed || over || self.is_ripe() || waited && !self.is_listed_once(awaited)
    }

    /// The trail shows whether a person made an unconfirmed archive, why a run failed, and why a backup is missing.
    fn events(&self) -> bool {
        let failed = self.awaited.is_some_and(|awaited| self.has_failed_since(awaited));
        let run = self.record.last_run.as_ref().map(|run| &run.id);
        let unexplained = failed && self.record.seen.explained.as_ref() != run;
        unexplained
            || self.is_unsettled()
            || self.may_be_misjudged()
            || newest_unconfirmed(self.expected, self.record, self.facts).is_some()
    }

    /// Whether the awaited archive may be one that the trail did not tell from a manual one yet.
    fn may_be_misjudged(&self) -> bool {
        let archives = self.facts.archives.answer().into_iter().flatten();
        let manual = &self.record.seen.manual;
        self.awaited.is_some_and(|awaited| {
            let mut new = archives.filter(|archive| archive.created_on >= awaited);
            new.any(|archive| manual.contains(&archive.id))
        })
    }

    fn other_schedule(&self) -> bool {
        self.is_unsettled()
    }

    /// Whether a backup is missing and not all evidence about it was read.
    fn is_unsettled(&self) -> bool {
        let missed = self.missed();
        missed.is_some() && missed != self.record.seen.settled
    }

    fn missed(&self) -> Option<Timestamp> {
        let missed = self.expected.missed(self.now);
        missed.filter(|due| !self.record.covers(self.expected, *due))
    }

    fn is_listed_once(&self, awaited: Timestamp) -> bool {
        let candidate = self.record.candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.created_on.0 >= awaited) && !self.record.vanished()
    }

    /// Whether a candidate was listed long enough ago to be confirmed.
    fn is_ripe(&self) -> bool {
        let candidate = self.record.candidate.as_ref().filter(|_| !self.record.vanished());
        candidate.is_some_and(|candidate| self.is_due(Some(candidate.first_listed.0), CONFIRMED_AFTER))
    }

    fn has_failed_since(&self, awaited: Timestamp) -> bool {
        self.facts.run_error().is_some() && self.record.may_have_run_since(awaited)
    }

    /// Whether further evidence is not urgent: the verdict is known, or the backup is long overdue.
    fn is_slow(&self, awaited: Timestamp) -> bool {
        let failure = self.record.last_failure.as_ref();
        let patience = PATIENCE.min(self.expected.deadline);
        self.now >= awaited + patience
            || failure.is_some_and(|failure| failure.time.0 >= awaited)
            || self.record.vanished()
    }

    fn progress_pace(&self, awaited: Timestamp) -> SignedDuration {
        if self.is_slow(awaited) {
            LATE_PACE
        } else {
            SignedDuration::ZERO
        }
    }

    fn history_pace(&self, awaited: Timestamp) -> SignedDuration {
        if self.is_slow(awaited) {
            LATE_PACE
        } else {
            CONFIRMED_AFTER
        }
    }

    /// Whether `pace` has passed since `last`. A time in the future comes from a wrong clock and counts as due.
    fn is_due(&self, last: Option<Timestamp>, pace: SignedDuration) -> bool {
        last.is_none_or(|last| last > self.now || self.now.duration_since(last) >= pace)
    }
}

/// The newest archive of the schedule, unless it is the one that was confirmed last.
fn newest_unconfirmed<'a>(expected: &Expected, record: &Record, facts: &'a Facts<'_>) -> Option<&'a Archive> {
    let archives = facts.archives.answer()?.iter();
    let eligible = archives.filter(|archive| record.is_eligible(archive, expected, facts.trail(), facts.now));
    let confirmed = record.last_backup.as_ref().map(|backup| &backup.id);
    eligible
        .max_by_key(|archive| archive.created_on)
        .filter(|archive| confirmed != Some(&archive.id))
}

/// The start of the audit trail to read: it must cover runs that may have blocked the awaited one, and runs that made
/// archives that are not recorded yet.
pub fn trail_from(expected: &Expected, record: &Record, facts: &Facts<'_>) -> Timestamp {
    const BEFORE: SignedDuration = SignedDuration::from_hours(24);
    let awaited = awaited(expected, record, facts).unwrap_or(facts.now);
    let newest = newest_unconfirmed(expected, record, facts);
    let newest = newest.map_or(awaited, |newest| newest.created_on);
    // An archive made since the last passed due time may count as its backup.
    let passed = expected.deadline_passed(facts.now).unwrap_or(awaited);
    let from = newest.min(awaited).min(passed);
    from.checked_sub(BEFORE).unwrap_or(Timestamp::MIN)
}

/// When new evidence or a new verdict is expected, by the portal's clock: around a due time, at a deadline, or when an
/// archive can be confirmed.
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
    // With a long backupDeadline, the deadline of an earlier due time may still lie ahead.
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
