//! The facts that status and memory give, before any call.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{DocSpaceBackupSchedule, Status, condition},
    rules::{
        backup::{expected::Expected, record::Record},
        facts::{Facts, Slot},
        last_queued::LastQueued,
        lost_write::LostWrite,
        memory::Memory,
        ownership::{Ownership, has_finalizer},
        reason::Reason,
    },
};

/// The facts of an object before any call; `now` is the operator's clock.
pub fn recall<'a>(
    object: &'a DocSpaceBackupSchedule,
    memory: &Memory,
    slot: Slot,
    now: Timestamp,
) -> Facts<'a> {
    let status = object.status.as_ref();
    let ownership = status.map_or(Ownership::None, |status| Ownership::of(object, status));
    let wrote = !matches!(ownership, Ownership::None);
    let unlooked = Status::default();
    let told = status.unwrap_or(&unlooked);
    // Until the portal answers, its clock is assumed to differ as before.
    let there = now.checked_add(memory.skew).unwrap_or(now);
    Facts {
        ownership,
        hidden_params: status.map(Status::hidden_params).unwrap_or_default(),
        corrections: status.and_then(|status| status.corrections.as_ref()),
        finalizer: has_finalizer(object.metadata.finalizers.as_ref()),
        deleted_at: object.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        requested: memory.requested || is_requested(object),
        lost_write: match &memory.lost_write {
            Some(lost) => lost.as_fact(false),
            None => LostWrite::recorded(told),
        },
        correction_waits: is_ready_for(told, Reason::BackupRunning),
        write_recorded: status.is_some_and(|status| status.last_request.is_some()),
        secret_changed: memory.secret_changed,
        identity_due: memory.identity_due(now),
        removals: status.and_then(|status| status.removals.as_ref()),
        // Nothing remembered of a removed schedule: assume the state after our own write.
        last_queued: LastQueued::shown(told.observed.as_ref())
            .or(memory.last_held)
            .or(if wrote {
                LastQueued::Never
            } else {
                LastQueued::NoSchedule
            }),
        removed_by_portal: is_ready_for(told, Reason::RemovedByPortal),
        is_saas: told
            .portal
            .as_ref()
            .is_some_and(|portal| portal.standalone == Some(false)),
        expected: Expected::of(object, told),
        record: Record::of(told, memory.seen_backups.as_ref()),
        slot,
        failing_since: memory.failures.map(|failures| failures.since),
        bill: memory.recent_bill(&object.spec.portal, there).into(),
        now: there,
        ..Facts::new(&object.spec, now)
    }
}

/// Whether Ready has this reason.
fn is_ready_for(status: &Status, reason: Reason) -> bool {
    condition(Some(status), "Ready").is_some_and(|ready| ready.reason == reason.to_string())
}

/// Whether the annotation requestedAt has a value that the status does not repeat yet.
pub fn is_requested(object: &DocSpaceBackupSchedule) -> bool {
    let requested = object.annotations().get(crate::api::REQUESTED_AT);
    let echoed = object
        .status
        .as_ref()
        .and_then(|status| status.last_handled_reconcile_at.as_ref());
    requested.is_some() && requested != echoed
}
