//! What to do, from facts alone: no I/O, no clock of its own.
//!
//! [`decide`] is asked again whenever a fact that it wanted has been learnt, until it names a plan. The order of its
//! lines is the order of the rules; each verdict says what the user can decide.

pub mod deletion;
pub mod removed_by_portal;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{AdoptionPolicy, AppliedReason, ManagementPolicy, Tally},
    rules::{
        backup::next_question::need,
        decide::deletion::decide_deletion,
        facts::{Facts, Slot},
        plan::{Need, Plan},
        reason::{Reason, Verdict},
    },
    schedule::Schedule,
};

/// DocSpace may carry out a write for 327 s after its client has gone (R 376); no other is sent meanwhile.
pub const UNKNOWN_OUTCOME_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// A second foreign change within this time after a correction is contested.
pub const CONTEST_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// The plan for these facts; where the portal is left as it is, what its backups tell is learnt, too.
pub fn decide(facts: &Facts<'_>) -> Plan {
    let plan = decide_schedule(facts);
    let left = matches!(plan, Plan::Nothing | Plan::Refuse(_));
    match &facts.expected {
        Ok(expected) if left && facts.deleted_at.is_none() && matches!(facts.held, Some(Ok(_))) => {
            need(expected, &facts.record, facts).map_or(plan, Plan::Observe)
        }
        _ => plan,
    }
}

fn decide_schedule(facts: &Facts<'_>) -> Plan {
    if facts.deleted_at.is_some() {
        return if facts.finalizer {
            decide_deletion(facts)
        } else {
            Plan::Nothing
        };
    }
    if facts.spec.suspend {
        return Plan::Suspend;
    }
    let wanted = match &facts.wanted {
        None => return Plan::Observe(Need::Secrets),
        Some(Err(verdict)) => return Plan::Refuse(verdict.clone()),
        Some(Ok(wanted)) => wanted,
    };
    if let Some(verdict) = conflict(facts) {
        return Plan::Refuse(verdict);
    }
    let held = match &facts.held {
        None => return Plan::Observe(Need::Schedule),
        Some(Err(error)) => return Plan::Refuse(error.into()),
        Some(Ok(held)) => held.as_ref().map(|held| &held.schedule),
    };
    if facts.identity_due && facts.identity.is_none() {
        return Plan::Observe(Need::Identity);
    }
    let difference = wanted.difference(held);
    if difference.is_empty() {
        return decide_equal(facts, wanted);
    }
    if facts.spec.management_policy == ManagementPolicy::Observe {
        return Plan::Refuse(Verdict::new(
            Reason::OutOfSync,
            "The portal's schedule differs from the manifest (status.difference); \
             managementPolicy Observe leaves it so",
        ));
    }
    match reason_to_write(facts, wanted, held, difference.in_secret) {
        Ok(reason) => decide_write(facts, wanted, held, reason),
        Err(plan) => plan,
    }
}

fn conflict(facts: &Facts<'_>) -> Option<Verdict> {
    match &facts.slot {
        Slot::Taken(by) if facts.spec.management_policy == ManagementPolicy::Enforce => Some(Verdict::new(
            Reason::Conflict,
            format!(
                "The portal has one schedule for dump={}, and it belongs to {by}; delete one of the two",
                facts.spec.dump
            ),
        )),
        _ => None,
    }
}

fn decide_equal(facts: &Facts<'_>, wanted: &Schedule) -> Plan {
    if facts.spec.management_policy == ManagementPolicy::Observe {
        return Plan::Nothing;
    }
    if let Some((_, reason)) = facts.unknown.filter(|_| facts.unknown_is_wanted) {
        return before_taking(facts, Plan::Adopt(reason));
    }
    match facts.owned() {
        Some(applied) if applied.schedule == wanted.shown_as_applied() => Plan::Nothing,
        Some(_) => Plan::Adopt(AppliedReason::Changed),
        None => before_taking(facts, Plan::Adopt(AppliedReason::Adopted)),
    }
}

/// What a portal holds that differs from the manifest, told apart: ours to change, foreign to correct, new to us.
fn reason_to_write(
    facts: &Facts<'_>,
    wanted: &Schedule,
    held: Option<&Schedule>,
    in_secret: bool,
) -> Result<AppliedReason, Plan> {
    if facts.not_converging {
        return Err(Plan::Refuse(not_converging()));
    }
    let Some(applied) = facts.owned() else {
        return match held {
            Some(_) if facts.spec.adoption_policy == AdoptionPolicy::Never => {
                Err(Plan::Refuse(Verdict::new(
                    Reason::AdoptionRefused,
                    "The portal holds a different schedule (status.observed), and adoptionPolicy is Never; \
                 make the manifest equal to it, or set adoptionPolicy to Safe to replace it",
                )))
            }
            _ => Ok(AppliedReason::Created),
        };
    };
    // A value that differs although the Secret has not changed was changed in the portal.
    if applied.schedule != wanted.shown_as_applied() || in_secret && facts.secret_changed {
        return Ok(AppliedReason::Changed);
    }
    if held.is_none() && removed_by_portal::by_portal(facts)? {
        return removed_by_portal::restore(facts);
    }
    correction(facts)
}

/// The verdict of a schedule that the portal accepts and then gives back as something else.
pub fn not_converging() -> Verdict {
    Verdict::new(
        Reason::NotConverging,
        "The portal accepted the schedule and then gave it back as something else (status.difference); \
         it is not sent again until the manifest or a storage Secret changes",
    )
}

/// A correction may cost a backup and push out an old archive: one a day, unless asked for.
fn correction(facts: &Facts<'_>) -> Result<AppliedReason, Plan> {
    let recent = |tally: &Tally| facts.now.duration_since(tally.last_time.0) < CONTEST_WINDOW;
    if facts.corrections.is_some_and(recent) && !facts.requested && !facts.correction_waits {
        return Err(Plan::Refuse(Verdict::new(
            Reason::Contested,
            "Somebody changed the portal's schedule again within a day of its correction (status.difference); \
             agree on one, then change the manifest or set the annotation docspace.onlyoffice.com/requestedAt",
        )));
    }
    match &facts.progress {
        None => Err(Plan::Observe(Need::Progress)),
        Some(Err(error)) => Err(Plan::Refuse(error.into())),
        Some(Ok(_)) if facts.is_running() => Err(Plan::Refuse(Verdict::new(
            Reason::BackupRunning,
            "The portal's schedule was changed by somebody; it is put back when the running backup has ended",
        ))),
        Some(Ok(_)) => Ok(AppliedReason::Corrected),
    }
}

fn decide_write(
    facts: &Facts<'_>,
    wanted: &Schedule,
    held: Option<&Schedule>,
    reason: AppliedReason,
) -> Plan {
    let after = |now: Timestamp, since| now.duration_since(since);
    let known = |(since, _)| after(facts.local_now, since) < UNKNOWN_OUTCOME_PATIENCE;
    // The portal's clock may stand still, and this one need not be that of the process that wrote.
    let clocks = [facts.now, facts.local_now];
    let told = |since| {
        clocks
            .iter()
            .all(|now| after(*now, since).abs() < UNKNOWN_OUTCOME_PATIENCE)
    };
    if facts.unknown.is_some_and(known) || facts.told_unknown.is_some_and(told) {
        return Plan::Refuse(Verdict::new(
            Reason::OutcomeUnknown,
            "A write to the portal got no answer that tells its outcome, and the portal does not show it; \
             DocSpace may still carry it out, so it is repeated after ten minutes at the earliest",
        ));
    }
    match archives_at_stake(facts, wanted, held, reason) {
        Some(plan) => plan,
        None => before_taking(facts, Plan::Write(reason)),
    }
}

/// Whether the write would make the portal's cleaner delete archives (trap 7), and nobody has said that it may.
fn archives_at_stake(
    facts: &Facts<'_>,
    wanted: &Schedule,
    held: Option<&Schedule>,
    reason: AppliedReason,
) -> Option<Plan> {
    let keeps_as_few = held.is_some_and(|held| held.backups_stored <= wanted.backups_stored);
    let lowered_here = reason == AppliedReason::Changed
        && facts
            .owned()
            .is_some_and(|applied| applied.schedule.backups_stored > wanted.backups_stored);
    if keeps_as_few || lowered_here || facts.spec.adoption_policy == AdoptionPolicy::Always {
        return None;
    }
    let stored = wanted.backups_stored;
    let message = match &facts.archives {
        None => return Some(Plan::Observe(Need::Archives)),
        Some(Ok(archives)) if i64::try_from(archives.len()).is_ok_and(|count| count <= stored) => {
            return None;
        }
        Some(Ok(archives)) => format!(
            "The portal lists {count} archives and would delete the oldest of them, as backupsStored is {stored}; \
             set backupsStored to {count} or more (30 at most), or adoptionPolicy to Always to let them be deleted",
            count = archives.len()
        ),
        Some(Err(error)) => format!(
            "How many archives the portal would delete cannot be told, as its history cannot be read ({error}); \
             set adoptionPolicy to Always to write the schedule all the same"
        ),
    };
    let status = facts
        .archives
        .as_ref()
        .and_then(|archives| archives.as_ref().err())
        .and_then(|error| error.status);
    Some(Plan::Refuse(Verdict {
        status,
        ..Verdict::new(Reason::WouldDeleteArchives, message)
    }))
}

/// Who answers there, and as whom we speak, is looked up before anything becomes ours.
fn before_taking(facts: &Facts<'_>, plan: Plan) -> Plan {
    if facts.identity.is_some() {
        plan
    } else {
        Plan::Observe(Need::Identity)
    }
}

#[cfg(test)]
mod tests;
