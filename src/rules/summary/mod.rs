//! Turns facts and outcome into the status, the Events and the wait until the next check.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    rules::{
        asked_to_wait::AskedToWait,
        backup::record::{Record, Seen},
        decide::removed_by_portal::month,
        events,
        facts::{Asked, Deletion, Facts},
        memory::Memory,
        note::Note,
        outcome::Kept,
        reason::{Class, Reason},
        retry::{LONGEST_INTERVAL, Pace, Retry},
        status::{READY_LASTS, Report, has_answered_before},
    },
};

/// The result of a reconcile.
#[derive(Debug)]
pub struct Summary {
    /// The status to write; equal to the current one if nothing changed.
    pub status: Status,
    /// The Events to publish.
    pub notes: Vec<Note>,
    /// The wait until the next check.
    pub wait: Duration,
    /// The kstatus class of the verdict.
    pub class: Class,
    seen: Seen,
    requested: bool,
}

/// Sums up a reconcile and updates the memory. [`Summary::keep`] does the rest.
pub fn summary(
    object: &DocSpaceBackupSchedule,
    facts: &Facts<'_>,
    outcome: &Kept,
    memory: &mut Memory,
    pace: Pace,
) -> Summary {
    let verdict = &outcome.verdict;
    let reason = verdict.reason;
    let rule = reason.rule();
    let failures = rule.row.map(|row| memory.failed(row, facts.local_now));
    if failures.is_none() {
        memory.failures = None;
    }
    let lasts = failures.map_or(SignedDuration::ZERO, |failures| {
        facts.local_now.duration_since(failures.row_since)
    });
    // DocSpace answers at the address if it answered a call of this reconcile.
    let answers = has_answered_before(object) || facts.held.answer().is_some() || outcome.applied.is_some();
    let class = rule.class_of(answers, lasts);
    remember_wait(object, facts, outcome, memory);
    let report = Report {
        object,
        facts,
        outcome,
        class,
        failures,
    };
    let (status, seen) = report.status();
    let mut notes = events::notes(object, facts, outcome, &status);
    if let Asked::Answered(bill) = facts.bill {
        let told = memory.bill_told.replace((month(facts.now), bill.free));
        notes.extend(events::free_backups_low(bill).filter(|_| told != memory.bill_told));
    }
    memory.learn(facts);
    memory.hung = matches!(reason, Reason::TimedOut | Reason::Unreachable);
    memory.deletion = facts.deletion.clone().map(|deletion| Deletion {
        // An unknown outcome is settled at the end by reading the portal once more.
        refused: (reason != Reason::OutcomeUnknown).then(|| verdict.message.clone()),
        ..deletion
    });
    // Once for each operator, however often it comes and goes; not again by the next one.
    let is_recorded = |status: &Status| status.clock_offset_seconds.is_some();
    memory.clock_reported |= object.status.as_ref().is_some_and(is_recorded);
    if !memory.clock_reported && facts.clock.large_offset().is_some() {
        memory.clock_reported = true;
        notes.push(Note::warning(
            "ClockSkew",
            "The clocks of the portal and the operator differ by more than 5 minutes; correct them",
        ));
    }
    let retry = Retry {
        pace,
        class,
        failures,
        outcome,
        facts,
        object,
        status: &status,
        record: &Record::of(&status, Some(&seen)),
        standstills: memory.standstills,
    };
    let wait = retry.wait();
    Summary {
        status,
        notes,
        wait,
        class,
        seen,
        // A request that must wait stays open.
        requested: facts.requested && (class == Class::Retrying || facts.clock.needs_second_check()),
    }
}

/// Remembers how long the portal asks to wait, unless this reconcile made no call for that reason.
fn remember_wait(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, outcome: &Kept, memory: &mut Memory) {
    let verdict = &outcome.verdict;
    let of_writes = outcome.request.is_some();
    let longest = if of_writes { LONGEST_INTERVAL } else { READY_LASTS };
    let asked = verdict
        .retry_after
        .filter(|_| verdict.reason != Reason::Verifying);
    let is_new = facts
        .asked_to_wait
        .as_ref()
        .is_none_or(|wait| wait.of_writes && !of_writes);
    if let Some(asked) = asked.filter(|_| is_new)
        && let Ok(until) = facts.local_now.checked_add(asked.min(longest))
    {
        let wait = AskedToWait {
            of_writes,
            until,
            verdict: verdict.clone(),
        };
        memory.asked_to_wait = Some(Box::new((object.metadata.generation.unwrap_or_default(), wait)));
    }
}

impl Summary {
    /// Remembers what is not in the status.
    pub fn keep(self, memory: &mut Memory) {
        memory.requested = self.requested;
        memory.seen_backups = Some(self.seen);
    }
}

#[cfg(test)]
mod tests;
