//! The facts that status and memory give, before any call.

use jiff::Timestamp;

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    rules::{
        backup::{expected::Expected, record::Record},
        clock::PortalClock,
        drift::SeenDrift,
        facts::{Deletion, Facts, Slot},
        last_queued::LastQueued,
        lost_write::LostWrite,
        memory::{Memory, is_requested},
        ownership::{Ownership, has_finalizer},
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
    let recorded = || {
        let ahead = told.clock_offset_seconds.unwrap_or_default();
        told.in_force.as_ref()?;
        PortalClock::recorded(ahead, now)
    };
    let clock = memory.clock.or_else(recorded).unwrap_or_default().at_next_check();
    let there = clock.at(now);
    Facts {
        ownership,
        hidden_params: status.map(Status::hidden_params).unwrap_or_default(),
        corrections: status.and_then(|status| status.corrections.as_ref()),
        finalizer: has_finalizer(object.metadata.finalizers.as_ref()),
        deletion: object
            .metadata
            .deletion_timestamp
            .as_ref()
            .map(|_| memory.deletion.clone().unwrap_or_else(|| Deletion::begins(now))),
        requested: memory.requested || is_requested(object),
        lost_write: LostWrite::recorded(&object.spec, told),
        lost_elsewhere: LostWrite::elsewhere(&object.spec, told),
        never_shown: told.unconfirmed.is_some(),
        asked_to_wait: memory.asked_to_wait(object, now),
        drift: SeenDrift {
            recorded: status.and_then(|status| Some((status.drift.as_ref()?, status.observed.as_ref()))),
            sighting: memory.sighting.clone(),
        },
        write_recorded: status.is_some_and(|status| status.last_request.is_some()),
        secret_changed: memory.secret_changed,
        identity_due: memory.identity_due(told, now),
        removals: status.and_then(|status| status.removals.as_ref()),
        // Nothing remembered of a removed schedule: assume the state after our own write.
        last_queued: LastQueued::shown(told.observed.as_ref())
            .or(memory.last_held)
            .or(if wrote {
                LastQueued::Never
            } else {
                LastQueued::NoSchedule
            }),
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
        clock,
        ..Facts::new(&object.spec, now)
    }
}
