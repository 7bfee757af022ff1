//! Turns facts and outcome into the status, the Events and the wait until the next check.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    rules::{
        backup::record::{Record, Seen},
        decide::removed_by_portal::month,
        events,
        facts::{Asked, Facts},
        memory::Memory,
        note::Note,
        outcome::Kept,
        reason::{Class, Reason},
        retry::{Pace, Retry},
        status::{Report, verified},
    },
};

/// The portal's clock and the operator's may differ by this much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The result of a reconcile.
#[derive(Debug)]
pub struct Summary {
    /// The status to write; equal to the current one if nothing changed.
    pub status: Status,
    /// The Events to publish.
    pub notes: Vec<Note>,
    /// The wait until the next check.
    pub wait: Duration,
    seen: Seen,
    requested: bool,
}

/// Sums up a reconcile and updates the memory. [`Summary::keep`] does the rest once the status is written.
pub fn summary(
    object: &DocSpaceBackupSchedule,
    facts: &Facts<'_>,
    outcome: &Kept,
    memory: &mut Memory,
    pace: Pace,
) -> Summary {
    let reason = outcome.verdict.reason;
    let retries = reason.rule().class_of(verified(object)) == Class::Retrying;
    let failures = retries.then(|| memory.failed(reason == Reason::SecretMissing, facts.local_now));
    if failures.is_none() {
        memory.failures = None;
    }
    let report = Report {
        object,
        facts,
        outcome,
        failures,
    };
    let (status, seen) = report.status();
    let mut notes = events::notes(object, facts, outcome, &status);
    if let Asked::Answered(bill) = facts.bill {
        let told = memory.bill_told.replace((month(facts.now), bill.free));
        notes.extend(events::free_backups_low(bill).filter(|_| told != memory.bill_told));
    }
    memory.learn(facts);
    if !memory.clock_reported && memory.skew.abs() > CLOCK_TOLERANCE {
        memory.clock_reported = true;
        notes.push(Note::warning(
            "ClockSkew",
            "The clocks of the portal and the operator differ by more than 5 minutes; correct them",
        ));
    }
    let retry = Retry {
        pace,
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
        seen,
        // A request that must wait stays open.
        requested: facts.requested && reason.is_retried(),
    }
}

impl Summary {
    /// Remembers what is not in the status, after the status was written.
    pub fn keep(self, memory: &mut Memory) {
        memory.kubernetes_failures = 0;
        memory.requested = self.requested;
        memory.seen_backups = Some(self.seen);
    }
}
