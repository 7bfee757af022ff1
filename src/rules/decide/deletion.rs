//! What to do about an object that is being deleted.

use jiff::SignedDuration;

use crate::{
    api::{DeletionPolicy, ManagementPolicy},
    rules::{
        facts::{Facts, Slot},
        plan::{Need, Plan},
        reason::Verdict,
    },
};

/// After this long a deletion no longer waits for the portal.
pub const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The plan for an object that carries our finalizer.
pub fn decide_deletion(facts: &Facts<'_>) -> Plan {
    let Some(applied) = facts.owned() else {
        return Plan::Release(left_by_no_owner(facts));
    };
    let left = |why: &str| Plan::Release(Some(why.into()));
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
        None => return Plan::Observe(Need::CrdState),
        Some(Err(verdict)) => return retry_deletion(facts, verdict.clone()),
        Some(Ok(true)) => return left("the CRD is being deleted"),
        Some(Ok(false)) => {}
    }
    match (&facts.access, &facts.held) {
        (None, _) => Plan::Observe(Need::Access),
        (Some(Err(verdict)), _) => retry_deletion(facts, verdict.clone()),
        (_, None) => Plan::Observe(Need::Schedule),
        (_, Some(Err(error))) => retry_deletion(facts, error.into()),
        (_, Some(Ok(None))) => Plan::Release(None),
        (_, Some(Ok(Some(held)))) if held.schedule.is_as_applied(&applied.schedule) => Plan::Delete,
        (_, Some(Ok(Some(_)))) => left("it is not as this object wrote it"),
    }
}

/// What an object may leave behind that does not own its slot.
fn left_by_no_owner(facts: &Facts<'_>) -> Option<String> {
    match facts.applied {
        _ if facts.unknown.is_some() || facts.told_unknown.is_some() => {
            Some("a write was under way whose outcome is not known".into())
        }
        Some(applied) if !facts.same_address => Some(format!("this object's was written to {}", applied.url)),
        None if !facts.write_recorded => Some("a write may have been under way that was not recorded".into()),
        _ => None,
    }
}

/// Tries again for a while, then lets the object go: a deletion is never blocked for ever.
pub fn retry_deletion(facts: &Facts<'_>, verdict: Verdict) -> Plan {
    let waited = facts
        .deleted_at
        .map(|since| facts.local_now.duration_since(since));
    if waited.is_some_and(|waited| waited >= DELETION_PATIENCE) {
        Plan::Release(Some(verdict.message))
    } else {
        Plan::Refuse(verdict)
    }
}
