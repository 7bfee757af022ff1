//! Decides what to do from facts alone: no I/O, no clock of its own.
//!
//! The caller repeats [`decide`] after each learnt fact until it names a plan. The order of its lines is the order of
//! the rules; each verdict says what the user can decide.

pub mod deletion;
pub mod removed_by_portal;

use jiff::SignedDuration;

use crate::{
    api::{AdoptionPolicy, AppliedReason, ManagementPolicy, Tally},
    portal::Access,
    rules::{
        backup::next_question::next_question,
        decide::{deletion::decide_deletion, removed_by_portal::Remover},
        drift::{at_a_doubted_time, counted, not_shown},
        facts::{Asked, Facts, Slot},
        lost_write::LostWrite,
        plan::{Need, Plan, Step, Write},
        reason::{Reason, Verdict},
    },
    schedule::{Held, Schedule},
};

/// A second foreign change within this time after a correction is contested.
pub const CONTEST_WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// The largest backupsStored that DocSpace accepts (trap 10).
const MOST_STORED: usize = 30;

/// The next step for these facts. If the portal needs no change, the evidence of backups is learnt, too.
pub fn decide(facts: &Facts<'_>) -> Step {
    let step = decide_schedule(facts);
    // Evidence is dated by the portal's clock, which must not be in doubt.
    let left = matches!(step, Step::Do(Plan::Nothing | Plan::Refuse(_))) && !facts.clock.is_in_doubt();
    match &facts.expected {
        Ok(expected) if left && facts.deletion.is_none() && matches!(facts.held, Asked::Answered(_)) => {
            next_question(expected, &facts.record, facts).map_or(step, Step::Ask)
        }
        _ => step,
    }
}

/// The schedules of portal and manifest.
struct Compared<'a> {
    facts: &'a Facts<'a>,
    access: &'a Access,
    wanted: &'a Schedule,
    held: Option<&'a Held>,
}

fn decide_schedule(facts: &Facts<'_>) -> Step {
    if facts.deletion.is_some() {
        return if facts.finalizer {
            decide_deletion(facts)
        } else {
            Step::Do(Plan::Nothing)
        };
    }
    if facts.spec.suspend {
        return Step::Do(Plan::Suspend);
    }
    if let Some(wait) = facts.asked_to_wait.as_ref().filter(|wait| !wait.of_writes) {
        return Step::refuse(wait.verdict(facts.local_now));
    }
    let (wanted, access) = match (&facts.wanted, &facts.access) {
        (Some(Err(verdict)), _) | (_, Some(Err(verdict))) => return Step::refuse(verdict.clone()),
        (Some(Ok(wanted)), Some(Ok(access))) => (wanted, access),
        _ => return Step::Ask(Need::Secrets),
    };
    if let Some(verdict) = conflict(facts) {
        return Step::refuse(verdict);
    }
    let held = match &facts.held {
        Asked::NotYet => return Step::Ask(Need::Schedule),
        Asked::Failed(error) => return Step::refuse(error),
        Asked::Answered(held) => held.as_ref(),
    };
    if facts.identity_due && facts.identity.is_none() {
        return Step::Ask(Need::Identity);
    }
    let difference = wanted.difference(held.map(|held| &held.schedule));
    if difference.is_empty() {
        return decide_equal(facts, wanted);
    }
    if facts.spec.management_policy == ManagementPolicy::Observe {
        return Step::refuse(Verdict::new(
            Reason::OutOfSync,
            "The portal's schedule differs from the manifest (status.difference); managementPolicy is Observe, so the \
             operator does not change it",
        ));
    }
    let compared = Compared {
        facts,
        access,
        wanted,
        held,
    };
    compared.decide_different()
}

fn conflict(facts: &Facts<'_>) -> Option<Verdict> {
    match &facts.slot {
        Slot::Taken(by) if facts.spec.management_policy == ManagementPolicy::Enforce => Some(Verdict::new(
            Reason::Conflict,
            format!(
                "The portal has one schedule for dump={}, and it belongs to {by}; delete one of the two objects",
                facts.spec.dump
            ),
        )),
        _ => None,
    }
}

fn decide_equal(facts: &Facts<'_>, wanted: &Schedule) -> Step {
    if facts.spec.management_policy == ManagementPolicy::Observe {
        return Step::Do(Plan::Nothing);
    }
    if let LostWrite::Ours {
        reason,
        is_wanted: true,
        ..
    } = facts.lost_write
    {
        return before_taking(facts, Plan::Adopt(reason));
    }
    match facts.owned() {
        Some(applied) if applied.schedule == wanted.shown_as_applied() => Step::Do(Plan::Nothing),
        Some(_) => Step::Do(Plan::Adopt(AppliedReason::Changed)),
        None => before_taking(facts, Plan::Adopt(AppliedReason::Adopted)),
    }
}

/// Reads the portal's settings and key before this object takes ownership of anything.
fn before_taking(facts: &Facts<'_>, plan: Plan) -> Step {
    if facts.identity.is_some() {
        Step::Do(plan)
    } else {
        Step::Ask(Need::Identity)
    }
}

impl Compared<'_> {
    /// Classifies a difference: our change, a foreign change to correct, or a first contact.
    fn decide_different(&self) -> Step {
        let facts = self.facts;
        if let Some(unconfirmed) = &facts.unconfirmed {
            return Step::refuse(not_shown(&counted(unconfirmed), facts.local_now));
        }
        if facts.owned().is_none() {
            if self.held.is_some() && facts.spec.adoption_policy == AdoptionPolicy::Never {
                return Step::refuse(Verdict::new(
                    Reason::AdoptionRefused,
                    "The portal holds a different schedule (status.observed), and adoptionPolicy is Never; make the \
                     manifest equal to it, or set adoptionPolicy to Safe to replace it",
                ));
            }
            return self.write(AppliedReason::Created);
        }
        if !facts.is_drift() {
            return self.write(AppliedReason::Changed);
        }
        if let Some(verdict) = facts.drift.unproven(self.held, facts.local_now) {
            return Step::refuse(verdict);
        }
        if facts.clock.needs_second_check() {
            return Step::refuse(at_a_doubted_time());
        }
        let remover = match self.held {
            Some(_) => Remover::Somebody,
            None => removed_by_portal::remover(facts),
        };
        match remover {
            Remover::Unsettled(step) => step,
            Remover::Portal => {
                removed_by_portal::hold(facts).unwrap_or_else(|| self.write(AppliedReason::Recreated))
            }
            Remover::Somebody => {
                hold_correction(facts).unwrap_or_else(|| self.write(AppliedReason::Corrected))
            }
        }
    }

    fn write(&self, reason: AppliedReason) -> Step {
        let facts = self.facts;
        if let Some(wait) = facts.asked_to_wait.as_ref().filter(|wait| wait.of_writes) {
            return Step::refuse(wait.verdict(facts.local_now));
        }
        if facts.lost_write.may_still_land(facts.local_now) {
            return Step::refuse(Verdict::new(
                Reason::OutcomeUnknown,
                "The outcome of the last write is unknown, and the portal does not show its result; DocSpace may still \
                 carry it out, so the operator repeats it after ten minutes at the earliest",
            ));
        }
        if let Some(step) = self.hold_for_archives(reason) {
            return step;
        }
        let write = Write {
            reason,
            access: self.access.clone(),
            wanted: self.wanted.clone(),
            over: self.held.cloned(),
        };
        before_taking(facts, Plan::Write(Box::new(write)))
    }

    /// Holds a write that would make the portal's cleaner delete archives (trap 7) without the user's consent.
    fn hold_for_archives(&self, reason: AppliedReason) -> Option<Step> {
        let (facts, stored) = (self.facts, self.wanted.backups_stored);
        let keeps_as_few = self
            .held
            .is_some_and(|held| held.schedule.backups_stored <= stored);
        let lowered_here = reason == AppliedReason::Changed
            && facts
                .owned()
                .is_some_and(|applied| applied.schedule.backups_stored > stored);
        if keeps_as_few || lowered_here || facts.spec.adoption_policy == AdoptionPolicy::Always {
            return None;
        }
        let (status, message) = match &facts.archives {
            Asked::NotYet => return Some(Step::Ask(Need::Archives)),
            Asked::Answered(archives) if i64::try_from(archives.len()).is_ok_and(|count| count <= stored) => {
                return None;
            }
            Asked::Answered(archives) => (None, would_delete(archives.len(), stored)),
            Asked::Failed(error) if !error.failure.is_lasting_refusal() => return Some(Step::refuse(error)),
            Asked::Failed(error) => {
                let message = format!(
                    "The portal's history cannot be read ({error}), so it is unknown how many archives a write would \
                     delete; set adoptionPolicy to Always to write the schedule anyway"
                );
                (error.status, message)
            }
        };
        Some(Step::refuse(Verdict {
            status,
            ..Verdict::new(Reason::WouldDeleteArchives, message)
        }))
    }
}

/// The cleaner counts scheduled archives only; the history does not tell them from manual ones.
fn would_delete(count: usize, stored: i64) -> String {
    let raise = if count <= MOST_STORED {
        format!("set backupsStored to {count} or more, or set")
    } else {
        "no backupsStored is high enough for all of them (30 at most; archives that people made are never deleted), so \
         delete archives in the portal, or set"
            .into()
    };
    format!(
        "The portal lists {count} archives and would delete the oldest scheduled ones of them, because backupsStored is \
         {stored}; {raise} adoptionPolicy to Always to allow the deletion"
    )
}

/// What a correction waits for. A correction may cost a backup and an old archive, so there is one a day unless
/// requested.
fn hold_correction(facts: &Facts<'_>) -> Option<Step> {
    let recent = |tally: &Tally| facts.now.duration_since(tally.last_time.0) < CONTEST_WINDOW;
    if facts.corrections.is_some_and(recent) && !facts.requested && !facts.drift.correction_waits() {
        return Some(Step::refuse(Verdict::new(
            Reason::Contested,
            "Somebody changed the portal's schedule again within a day of its correction (status.difference); agree on \
             one schedule, then change the manifest or set the annotation docspace.onlyoffice.com/requestedAt",
        )));
    }
    match &facts.progress {
        Asked::NotYet => Some(Step::Ask(Need::Progress)),
        Asked::Failed(error) => Some(Step::refuse(error)),
        Asked::Answered(_) if facts.is_running() => Some(Step::refuse(Verdict::new(
            Reason::BackupRunning,
            "Somebody changed the portal's schedule; the operator restores it when the running backup has ended",
        ))),
        Asked::Answered(_) => None,
    }
}

#[cfg(test)]
mod tests;
