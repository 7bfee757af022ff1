//! What follows from the values of the Secrets.

use crate::{
    api::DocSpaceBackupSchedule,
    rules::{
        facts::Facts,
        memory::{Lost, Memory, Resolved, Written},
    },
};

/// Takes in the resolved Secrets; `secret_versions` of the facts are those of this reconcile. A changed Secret or spec makes
/// settings and key due; an accepted write of the same schedule is recognized, or the slot's lost one.
pub fn take_resolved(
    facts: &mut Facts<'_>,
    memory: &mut Memory,
    object: &DocSpaceBackupSchedule,
    resolved: &Resolved,
    lost: Option<&Lost>,
) {
    let generation = object.metadata.generation.unwrap_or_default();
    let before = memory.resolved.take();
    let same_secrets = before
        .as_ref()
        .is_some_and(|(_, before)| before.versions == resolved.versions);
    if before.as_ref().is_some_and(|(of, _)| *of != generation) || !same_secrets {
        facts.identity_due = true;
    }
    memory.secret_changed |= match &before {
        Some((_, before)) => before.wanted.difference(Some(&resolved.wanted)).in_secret,
        None => !has_applied_versions(facts),
    };
    facts.secret_changed = memory.secret_changed;

    let written = Written::of(resolved);
    if memory.accepted_write.is_none() && was_accepted(facts, &written) {
        memory.accepted_write = Some(Box::new(written.clone()));
    }
    let unconfirmed = object
        .status
        .as_ref()
        .and_then(|status| status.unconfirmed.clone());
    let is_this = memory.accepted_write.as_deref() == Some(&written);
    facts.unconfirmed = unconfirmed.filter(|_| is_this);
    know_lost_write(facts, lost, &written);
    memory.resolved = Some((generation, resolved.clone()));
}

/// Whether a write of this process with an unknown outcome wrote this.
pub fn know_lost_write(facts: &mut Facts<'_>, lost: Option<&Lost>, written: &Written) {
    if let Some(lost) = lost {
        facts.lost_write = lost.as_fact(lost.written == *written);
    }
}

/// Whether an earlier process wrote this schedule with the same versions of the Secrets.
fn was_accepted(facts: &Facts<'_>, written: &Written) -> bool {
    let applied = facts.ownership.ours();
    applied.is_some_and(|applied| applied.schedule == written.wanted.shown_as_applied())
        && has_applied_versions(facts)
}

/// Whether the values from Secrets come from the same keys and versions as those of the applied schedule. Other versions
/// may have the same values.
fn has_applied_versions(facts: &Facts<'_>) -> bool {
    let applied = facts.ownership.ours();
    applied.is_some_and(|applied| applied.secrets == facts.secret_versions)
}
