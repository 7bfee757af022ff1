//! Decides about objects that are being deleted.

use jiff::SignedDuration;

use crate::{
    api::{DeletionPolicy, ManagementPolicy},
    rules::{
        facts::{Asked, Facts, Slot},
        lost_write::LostWrite,
        ownership::Ownership,
        plan::{Need, Plan, Step},
        reason::Verdict,
    },
};

/// A deletion waits this long for the portal.
pub const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The next step for an object that carries our finalizer.
pub fn decide_deletion(facts: &Facts<'_>) -> Step {
    let Some(applied) = facts.owned() else {
        return Step::Do(Plan::Release(left_by_no_owner(facts)));
    };
    let left = |why: &str| Step::Do(Plan::Release(Some(why.into())));
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
    match &facts.held {
        Asked::NotYet => Step::Ask(Need::Schedule),
        Asked::Failed(error) => retry_deletion(facts, error.into()),
        Asked::Answered(None) => Step::Do(Plan::Release(None)),
        Asked::Answered(Some(held)) if held.schedule.is_as_applied(&applied.schedule) => {
            Step::Do(Plan::Delete { access })
        }
        Asked::Answered(Some(_)) => left("it differs from the one that this object wrote"),
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
    let waited = facts.local_now.duration_since(facts.deleted_at?);
    (waited >= DELETION_PATIENCE).then(|| verdict.message.clone())
}

/// Why an object that does not own its slot may still leave a schedule behind.
fn left_by_no_owner(facts: &Facts<'_>) -> Option<String> {
    match facts.ownership {
        _ if facts.lost_write != LostWrite::None => Some("the outcome of the last write is unknown".into()),
        Ownership::Elsewhere(applied) => Some(format!("this object wrote its schedule to {}", applied.url)),
        Ownership::None if !facts.write_recorded => {
            Some("the operator may have written it without recording that".into())
        }
        _ => None,
    }
}
