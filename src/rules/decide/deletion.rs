//! Decides about objects that are being deleted.

use jiff::SignedDuration;

use crate::{
    api::{DeletionPolicy, ManagementPolicy},
    rules::{
        facts::{Asked, Facts, Slot},
        lost_write::LostWrite,
        ownership::Ownership,
        plan::{Need, Plan, Step},
        reason::{Reason, Verdict},
    },
    schedule::Held,
};

/// A deletion waits this long for the portal.
pub const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The next step for an object that carries our finalizer.
pub fn decide_deletion(facts: &Facts<'_>) -> Step {
    let left = |why: &str| Step::Do(Plan::Release(Some(why.into())));
    let lost = facts.lost_write != LostWrite::None;
    if facts.owned().is_none() && !lost {
        return Step::Do(Plan::Release(left_by_no_owner(facts)));
    }
    if let Slot::Taken(by) = &facts.slot {
        return left(&format!("it belongs to {by}"));
    }
    if facts.spec.suspend {
        return left("the object is suspended");
    }
    if facts.spec.management_policy == ManagementPolicy::Observe {
        return left("managementPolicy is Observe");
    }
    if facts.spec.deletion_policy == DeletionPolicy::Orphan {
        return left("deletionPolicy is Orphan");
    }
    match &facts.crd_going {
        None => return Step::Ask(Need::CrdState),
        Some(Err(verdict)) => return retry_deletion(facts, verdict.clone()),
        Some(Ok(true)) => return left("the CRD is being deleted"),
        Some(Ok(false)) => {}
    }
    let access = match &facts.access {
        None => return Step::Ask(Need::Access),
        Some(Err(verdict)) => return retry_deletion(facts, verdict.clone()),
        Some(Ok(access)) => access.clone(),
    };
    let held = match &facts.held {
        Asked::NotYet => return ask_in_time(facts),
        Asked::Failed(error) => return retry_deletion(facts, error.into()),
        Asked::Answered(held) => held.as_ref(),
    };
    let is_ours = held.is_some_and(|held| is_applied(facts, held) || is_lost(facts, held));
    // What a lost write wrote is deleted once it is there. Until then the object waits for it.
    let may_follow =
        facts.lost_write.may_still_land(facts.local_now) && !held.is_some_and(|held| is_lost(facts, held));
    if may_follow && !is_over(facts) {
        return Step::refuse(Verdict::new(
            Reason::OutcomeUnknown,
            "The outcome of the last write is unknown, and DocSpace may still carry it out; the operator waits for it, at \
             most 5 minutes, before it deletes the schedule",
        ));
    }
    let follows = may_follow.then(|| MAY_FOLLOW.to_owned());
    let follows = follows.or_else(|| left_by_no_owner(facts));
    match held {
        Some(_) if is_ours => Step::Do(Plan::Delete {
            access,
            left_behind: follows,
        }),
        Some(_) if facts.owned().is_some() => left("it differs from the one that this object wrote"),
        Some(_) => left(MAY_FOLLOW),
        None => Step::Do(Plan::Release(follows)),
    }
}

const MAY_FOLLOW: &str = "the outcome of the last write is unknown, and DocSpace may still carry it out";

fn is_applied(facts: &Facts<'_>, held: &Held) -> bool {
    facts
        .owned()
        .is_some_and(|applied| held.schedule.is_as_applied(&applied.schedule))
}

/// Whether the portal holds what the lost write wrote.
fn is_lost(facts: &Facts<'_>, held: &Held) -> bool {
    let wanted = facts.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
    let is_wanted = matches!(facts.lost_write, LostWrite::Ours { is_wanted: true, .. });
    is_wanted && wanted.is_some_and(|wanted| wanted.difference(Some(&held.schedule)).is_empty())
}

/// The portal is asked until the time is over, and at least once if no other object holds the slot.
fn ask_in_time(facts: &Facts<'_>) -> Step {
    let why = match facts.deletion.as_ref() {
        // Never without the slot's lock.
        Some(deletion) if deletion.locked_out => Some(
            deletion
                .refused
                .clone()
                .unwrap_or_else(|| "the portal was busy with other objects for 5 minutes".into()),
        ),
        Some(deletion) if is_over(facts) => deletion.refused.clone(),
        _ => None,
    };
    match why {
        Some(why) => Step::Do(Plan::Release(Some(why))),
        None => Step::Ask(Need::Schedule),
    }
}

fn retry_deletion(facts: &Facts<'_>, verdict: Verdict) -> Step {
    Step::Do(match give_up(facts, &verdict) {
        Some(left_behind) => Plan::Release(Some(left_behind)),
        None => Plan::Refuse(verdict),
    })
}

/// Why the schedule stays behind, after DELETION_PATIENCE: a deletion is never blocked forever.
pub fn give_up(facts: &Facts<'_>, verdict: &Verdict) -> Option<String> {
    is_over(facts).then(|| verdict.message.clone())
}

fn is_over(facts: &Facts<'_>) -> bool {
    facts
        .deletion
        .as_ref()
        .is_some_and(|deletion| facts.local_now.duration_since(deletion.since) >= DELETION_PATIENCE)
}

/// Why an object that does not own its slot may still leave a schedule behind.
fn left_by_no_owner(facts: &Facts<'_>) -> Option<String> {
    match facts.ownership {
        Ownership::Elsewhere(applied) => {
            Some(format!("this object wrote its schedule to {}", applied.address()))
        }
        _ if facts.lost_elsewhere.is_some() => Some("the outcome of the last write there is unknown".into()),
        Ownership::None if !facts.write_recorded => {
            Some("the operator may have written it without recording that".into())
        }
        _ => None,
    }
}
