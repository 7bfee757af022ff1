//! From facts and outcome to what is told: the status, the Events, and when to look again.

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

/// What a reconcile has to tell.
#[derive(Debug)]
pub struct Summary {
    /// The status to write; equal to the present one when nothing is to be written.
    pub status: Status,
    /// The Events to publish.
    pub notes: Vec<Note>,
    /// How long until the next look.
    pub wait: Duration,
    seen: Seen,
    requested: bool,
}

/// Sums a look up. What it taught is remembered; what is to be remembered once the status is written, [`Summary::keep`] keeps.
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
            "The portal's clock and the operator's differ by more than 5 minutes",
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
        // What was asked for and has to wait is still asked for.
        requested: facts.requested && reason.is_retried(),
    }
}

impl Summary {
    /// Remembers what the status does not hold, now that it is written.
    pub fn keep(self, memory: &mut Memory) {
        memory.kubernetes_failures = 0;
        memory.requested = self.requested;
        memory.seen_backups = Some(self.seen);
    }
}
