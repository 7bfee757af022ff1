//! What status and memory recall of an object before anything was asked.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{DocSpaceBackupSchedule, Status, condition},
    rules::{
        backup::{expected::Expected, record::Record},
        facts::{Facts, Slot},
        lost_write::LostWrite,
        memory::Memory,
        ownership::{has_finalizer, own_applied, same_address},
        reason::Reason,
    },
};

/// What status and memory know of an object at this time, by the operator's clock, before anything was asked.
pub fn known<'a>(
    object: &'a DocSpaceBackupSchedule,
    memory: &Memory,
    slot: Slot,
    now: Timestamp,
) -> Facts<'a> {
    let status = object.status.as_ref();
    let applied = status.and_then(|status| own_applied(object, status));
    let unlooked = Status::default();
    let told = status.unwrap_or(&unlooked);
    // Until it answers, the portal's clock is as far off as it was.
    let there = now.checked_add(memory.skew).unwrap_or(now);
    let seen = told.observed.as_ref();
    let seen = seen.map(|observed| observed.last_backup_time.as_ref().map(|time| time.0));
    Facts {
        applied,
        same_address: applied.is_some_and(|applied| same_address(applied, &object.spec)),
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
        // Where nothing is remembered of a schedule that is gone: as our own write has left it.
        seen_last_backup_time: seen.or(memory.last_held).or(applied.map(|_| None)),
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

/// Whether this is the reason of Ready.
fn is_ready_for(status: &Status, reason: Reason) -> bool {
    condition(Some(status), "Ready").is_some_and(|ready| ready.reason == reason.to_string())
}

/// The annotation requestedAt has a value that the status does not echo yet.
pub fn is_requested(object: &DocSpaceBackupSchedule) -> bool {
    let requested = object.annotations().get(crate::api::REQUESTED_AT);
    let echoed = object
        .status
        .as_ref()
        .and_then(|status| status.last_handled_reconcile_at.as_ref());
    requested.is_some() && requested != echoed
}
