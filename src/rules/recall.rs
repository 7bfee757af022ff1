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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::{
        api::FINALIZER,
        rules::{
            asked_to_wait::AskedToWait,
            facts::{Asked, Bill},
            memory::Failures,
            reason::{Reason, Row, Verdict},
            sample,
        },
    };

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn object(status: serde_json::Value) -> DocSpaceBackupSchedule {
        let metadata = json!({
            "name": "nightly", "uid": "me", "generation": 1, "finalizers": [FINALIZER],
            "annotations": {"docspace.onlyoffice.com/requestedAt": "one"},
        });
        sample::object(&metadata, &status)
    }

    fn full() -> DocSpaceBackupSchedule {
        let time = "2026-11-24T10:00:00Z";
        let schedule = json!({
            "storageType": "DataStore", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7, "dump": false,
        });
        let mut observed = schedule.clone();
        observed["lastBackupTime"] = json!("2026-11-24T03:05:00Z");
        object(json!({
            "lastRequest": {
                "operation": "CreateSchedule", "time": time, "url": "https://p.test", "message": "lost",
                "outcomeUnknown": true,
            },
            "applied": {
                "time": time, "reason": "Created", "generation": 1, "uid": "me", "url": "https://p.test",
                "schedule": schedule,
            },
            "observed": observed,
            "hiddenParams": ["bucket"],
            "unconfirmed": {"acceptedTime": time, "checks": 1},
            "drift": {"since": time, "correctionWaits": true},
            "corrections": {"count": 1, "lastTime": time},
            "removals": {"count": 1, "lastTime": time},
            "timeZone": "UTC",
            "inForce": {
                "since": time, "schedule": "EveryDay 03:00 UTC", "storageType": "DataStore", "dump": false,
                "url": "https://p.test",
            },
            "backupCount": 4,
            "portal": {"standalone": false},
            "clockOffsetSeconds": 3600,
        }))
    }

    fn of<'a>(object: &'a DocSpaceBackupSchedule, memory: &Memory) -> Facts<'a> {
        recall(object, memory, Slot::Taken("other".into()), now())
    }

    #[test]
    fn after_a_restart_the_status_tells() {
        let object = full();
        let facts = of(&object, &Memory::default());
        assert!(facts.owned().is_some() && facts.finalizer && facts.write_recorded);
        assert!(facts.never_shown && facts.requested && facts.is_saas && facts.identity_due);
        assert_eq!(
            facts.hidden_params.iter().copied().collect::<Vec<_>>(),
            ["bucket"]
        );
        assert_eq!(facts.corrections.map(|tally| tally.count), Some(1));
        assert_eq!(facts.removals.map(|tally| tally.count), Some(1));
        assert!(matches!(facts.lost_write, LostWrite::Recorded { .. }));
        assert_eq!(facts.lost_elsewhere, None);
        assert!(facts.drift.correction_waits());
        let queued = "2026-11-24T03:05:00Z".parse().expect("a time");
        assert_eq!(facts.last_queued, LastQueued::At(queued));
        assert!(facts.expected.is_ok());
        assert_eq!(facts.record.backup_count, Some(4));
        assert_eq!(facts.slot, Slot::Taken("other".into()));
        assert_eq!(facts.deletion, None);
        let hour = SignedDuration::from_hours(1);
        assert_eq!((facts.now, facts.local_now), (now() + hour, now()));
        assert_eq!(facts.clock, PortalClock::ahead_by(hour));
        assert!(facts.bill.is_not_yet() && facts.failing_since.is_none());
        assert!(!facts.secret_changed && facts.asked_to_wait.is_none());
    }

    #[test]
    fn a_lost_write_to_an_earlier_address_is_not_one_to_this() {
        let mut object = full();
        object.spec.portal.url = "https://q.test".into();
        let facts = of(&object, &Memory::default());
        assert_eq!(facts.lost_write, LostWrite::None);
        assert_eq!(facts.lost_elsewhere.as_deref(), Some("https://p.test"));
    }

    #[test]
    fn without_a_status_nothing_is_known() {
        let object = object(json!(null));
        let facts = of(&object, &Memory::default());
        assert!(facts.owned().is_none() && !facts.write_recorded && !facts.never_shown && !facts.is_saas);
        assert_eq!(
            (facts.lost_write, facts.last_queued),
            (LostWrite::None, LastQueued::NoSchedule)
        );
        assert!(facts.drift.recorded.is_none() && facts.expected.is_err());
        assert_eq!(facts.now, now());
    }

    #[test]
    fn a_clock_is_recalled_for_the_schedule_in_force_only() {
        let mut object = full();
        object.status.as_mut().expect("a status").in_force = None;
        assert_eq!(of(&object, &Memory::default()).now, now());
    }

    /// The state after the own write, which clears lastBackupTime (trap 2).
    #[test]
    fn a_removed_schedule_of_ones_own_was_never_queued() {
        let mut object = full();
        object.status.as_mut().expect("a status").observed = None;
        assert_eq!(of(&object, &Memory::default()).last_queued, LastQueued::Never);
        let queued = LastQueued::At(now());
        let memory = Memory {
            last_held: queued,
            ..Memory::default()
        };
        assert_eq!(of(&object, &memory).last_queued, queued);
    }

    #[test]
    fn a_deletion_is_as_old_as_the_process_knows() {
        let mut object = full();
        object.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
        let began = |memory: &Memory| of(&object, memory).deletion.map(|deletion| deletion.since);
        assert_eq!(began(&Memory::default()), Some(now()));
        let before = now() - SignedDuration::from_mins(4);
        let memory = Memory {
            deletion: Some(Deletion::begins(before)),
            ..Memory::default()
        };
        assert_eq!(began(&memory), Some(before));
    }

    #[test]
    fn memory_goes_before_the_status() {
        let object = full();
        let bill = Bill { free: 2, paid: true };
        let there = now() + SignedDuration::from_hours(2);
        let failures = Failures {
            since: now() - SignedDuration::from_mins(1),
            count: 2,
            row: Row::Portal,
            row_since: now(),
        };
        let memory = Memory {
            clock: Some(PortalClock::ahead_by(SignedDuration::from_hours(2))),
            secret_changed: true,
            failures: Some(failures),
            identity_at: Some(now()),
            bill: Some(Box::new((bill, there, object.spec.portal.clone()))),
            ..Memory::default()
        };
        let facts = of(&object, &memory);
        assert_eq!(facts.now, there);
        assert!(facts.secret_changed && !facts.identity_due);
        assert_eq!(facts.failing_since, Some(failures.since));
        assert!(matches!(facts.bill, Asked::Answered(known) if known == bill));
    }

    #[test]
    fn an_open_request_and_a_wish_to_wait_are_recalled() {
        let mut object = full();
        object.metadata.annotations = None;
        let wait = AskedToWait {
            of_writes: true,
            until: now() + SignedDuration::from_mins(1),
            verdict: Verdict::new(Reason::RateLimited, "later"),
        };
        let mut memory = Memory {
            asked_to_wait: Some(Box::new((1, wait.clone()))),
            ..Memory::default()
        };
        let facts = of(&object, &memory);
        assert_eq!((facts.requested, facts.asked_to_wait), (false, Some(wait)));
        memory.requested = true;
        assert!(of(&object, &memory).requested);
    }
}
