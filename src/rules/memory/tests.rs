use serde_json::json;

use super::*;
use crate::{
    portal::{Failure, PortalError},
    rules::{
        reason::{Reason, Verdict},
        sample,
    },
    schedule::Held,
};

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn object(annotations: serde_json::Value, status: serde_json::Value) -> DocSpaceBackupSchedule {
    let metadata = json!({"name": "nightly", "generation": 3, "annotations": annotations});
    sample::object(&metadata, &status)
}

#[test]
fn a_request_soon_after_the_last_one_waits_and_nothing_else_does() {
    let trigger = |requested_at: &str, generation| Trigger {
        generation,
        requested_at: Some(requested_at.into()),
        deleting: false,
        finalizer: true,
        secrets: Vec::new(),
        slot: Slot::Free,
        status: 0,
    };
    let now = Instant::now();
    let seconds = Duration::from_secs;
    let mut memory = Memory {
        seen: Some(trigger("one", 1)),
        next_look: Some(now + seconds(60)),
        ..Memory::default()
    };
    assert_eq!(memory.request_waits(&trigger("two", 1), now), None);
    memory.requested_look = Some(now);
    let waits = |memory: &Memory, of, after| {
        let (requested_at, generation) = of;
        memory.request_waits(&trigger(requested_at, generation), now + seconds(after))
    };
    assert_eq!(waits(&memory, ("two", 1), 0), Some(REQUESTS_APART));
    assert_eq!(waits(&memory, ("three", 1), 1), Some(REQUESTS_APART - seconds(1)));
    assert_eq!(waits(&memory, ("two", 1), 3), None);
    assert_eq!(waits(&memory, ("two", 2), 0), None, "the spec is new, too");
    memory.next_look = Some(now + seconds(1));
    assert_eq!(waits(&memory, ("two", 1), 0), Some(seconds(1)));
    assert_eq!(waits(&memory, ("two", 1), 2), None, "a check is due anyway");
}

#[test]
fn a_value_that_the_status_does_not_repeat_is_a_request() {
    let requested = |annotations, status| is_requested(&object(annotations, status));
    let echo = |value: &str| json!({"lastHandledReconcileAt": value});
    assert!(!requested(json!({}), json!({})));
    assert!(!requested(json!({}), echo("one")));
    assert!(requested(json!({REQUESTED_AT: "one"}), json!({})));
    assert!(requested(json!({REQUESTED_AT: "two"}), echo("one")));
    assert!(!requested(json!({REQUESTED_AT: "one"}), echo("one")));
}

#[test]
fn a_trigger_has_what_may_make_a_check_necessary() {
    let of = |object: &DocSpaceBackupSchedule| Trigger::of(object, vec![None], Slot::Free);
    let plain = object(json!({}), json!({}));
    let trigger = of(&plain);
    assert_eq!((trigger.generation, trigger.requested_at.as_deref()), (3, None));
    assert!(!trigger.deleting && !trigger.finalizer);
    let requested = of(&object(json!({REQUESTED_AT: "one"}), json!({})));
    assert_eq!(requested.requested_at.as_deref(), Some("one"));
    assert_ne!(of(&object(json!({}), json!({"schedule": "another"}))), trigger);
    let mut going = plain.clone();
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    going.metadata.finalizers = Some(vec![crate::api::FINALIZER.into()]);
    let going = of(&going);
    assert!(going.deleting && going.finalizer);
}

#[test]
fn a_portals_wish_to_wait_ends_with_its_time_a_change_or_a_request() {
    let until = now() + SignedDuration::from_secs(30);
    let wait = AskedToWait {
        of_writes: false,
        until,
        verdict: Verdict::new(Reason::RateLimited, "later"),
    };
    let memory = |generation| Memory {
        asked_to_wait: Some(Box::new((generation, wait.clone()))),
        ..Memory::default()
    };
    let plain = object(json!({}), json!({}));
    assert_eq!(memory(3).asked_to_wait(&plain, now()), Some(wait.clone()));
    assert_eq!(memory(3).asked_to_wait(&plain, until), None);
    assert_eq!(memory(2).asked_to_wait(&plain, now()), None);
    let requested = object(json!({REQUESTED_AT: "one"}), json!({}));
    assert_eq!(memory(3).asked_to_wait(&requested, now()), None);

    let verdict = wait.verdict(now());
    assert_eq!(
        (verdict.reason, verdict.message.as_str()),
        (Reason::RateLimited, "later")
    );
    assert_eq!(verdict.retry_after, Some(Duration::from_secs(30)));
    let of_writes = AskedToWait {
        of_writes: true,
        ..wait
    };
    assert_eq!(of_writes.verdict(now()).retry_after, None);
}

#[test]
fn settings_and_key_are_due_after_six_hours_or_a_failure() {
    let mut memory = Memory::default();
    let nothing = Status::default();
    assert!(memory.identity_due(&nothing, now()));
    memory.identity_at = Some(now());
    assert!(!memory.identity_due(&nothing, now() + SignedDuration::from_secs(6 * 3600 - 1)));
    assert!(memory.identity_due(&nothing, now() + SignedDuration::from_hours(6)));

    // The settings were read, and the status has lost them.
    memory.knows_portal = true;
    assert!(memory.identity_due(&nothing, now()));
    let told = serde_json::from_value(json!({"portal": {"standalone": true}})).expect("a status");
    assert!(!memory.identity_due(&told, now()));
    memory.knows_portal = false;

    let object = object(json!({}), json!({}));
    let mut facts = Facts::new(&object.spec, now());
    memory.learn(&facts);
    assert_eq!(memory.identity_at, Some(now()));
    facts.held = Asked::Failed(PortalError {
        failure: Failure::TimedOut,
        status: None,
        message: "late".into(),
        date: None,
        retry_after: None,
    });
    memory.learn(&facts);
    assert_eq!(memory.identity_at, None, "the portal or the key may have changed");
}

#[test]
fn a_bill_is_of_its_portal_its_month_and_six_hours() {
    let object = object(json!({}), json!({}));
    let portal = &object.spec.portal;
    let bill = Bill { free: 3, paid: false };
    let learnt = |at: Timestamp| {
        let facts = Facts {
            bill: Asked::Answered(bill),
            ..Facts::new(&object.spec, at)
        };
        let mut memory = Memory::default();
        memory.learn(&facts);
        memory
    };
    let hours = SignedDuration::from_hours;
    let memory = learnt(now());
    assert_eq!(memory.recent_bill(portal, now()), Some(bill));
    assert_eq!(
        memory.recent_bill(portal, now() + hours(6) - SignedDuration::from_secs(1)),
        Some(bill)
    );
    assert_eq!(memory.recent_bill(portal, now() + hours(6)), None);
    let other = PortalSpec {
        url: "https://other.test".into(),
        ..portal.clone()
    };
    assert_eq!(memory.recent_bill(&other, now()), None);
    let end = "2026-11-30T23:00:00Z".parse().expect("a time");
    assert_eq!(learnt(end).recent_bill(portal, end + hours(2)), None);

    // One that is recalled is not read anew.
    let mut memory = learnt(now());
    let again = Facts {
        bill: Asked::Answered(bill),
        ..Facts::new(&object.spec, now() + hours(5))
    };
    memory.learn(&again);
    assert_eq!(memory.recent_bill(portal, now() + hours(7)), None);
}

#[test]
fn a_clock_that_stands_still_is_counted() {
    let object = object(json!({}), json!({}));
    let mut memory = Memory::default();
    let mut look = |seconds| {
        memory.learn(&Facts::new(
            &object.spec,
            now() + SignedDuration::from_secs(seconds),
        ));
        memory.standstills
    };
    assert_eq!([look(0), look(0), look(0)], [0, 1, 2]);
    assert_eq!([look(1), look(0)], [0, 1]);
}

#[test]
fn what_the_portal_queued_last_is_known_when_the_schedule_is_gone() {
    let object = object(json!({}), json!({}));
    let mut memory = Memory::default();
    let mut learnt = |shown: Option<Option<Timestamp>>| {
        let held = shown.map(|last_backup_time| Held {
            schedule: Schedule::without_secrets(&object.spec),
            last_backup_time,
        });
        memory.learn(&Facts {
            held: Asked::Answered(held),
            ..Facts::new(&object.spec, now())
        });
        memory.last_held
    };
    assert_eq!(learnt(Some(None)), LastQueued::Never);
    assert_eq!(learnt(Some(Some(now()))), LastQueued::At(now()));
    assert_eq!(learnt(None), LastQueued::At(now()));
}

#[test]
fn failures_in_a_row_keep_their_beginning_and_missing_secrets_begin_anew() {
    let at = |seconds| now() + SignedDuration::from_secs(seconds);
    let mut memory = Memory::default();
    let mut failed = |row, seconds| {
        let failures = memory.failed(row, at(seconds));
        (failures.count, failures.since, failures.row_since)
    };
    assert_eq!(failed(Row::Portal, 0), (1, at(0), at(0)));
    assert_eq!(failed(Row::Portal, 1), (2, at(0), at(0)));
    assert_eq!(failed(Row::NoDocSpace, 2), (3, at(0), at(2)));
    assert_eq!(failed(Row::NoDocSpace, 3), (4, at(0), at(2)));
    assert_eq!(failed(Row::Secrets, 4), (1, at(4), at(4)));
    assert_eq!(failed(Row::Secrets, 5), (2, at(4), at(4)));
    assert_eq!(failed(Row::Portal, 6), (1, at(6), at(6)));
}

#[test]
fn after_a_fault_only_the_time_that_it_lasts_is_known() {
    let deletion = Deletion::begins(now());
    let mut memory = Memory {
        deletion: Some(deletion.clone()),
        kubernetes_failures: 4,
        requested: true,
        hung: true,
        ..Memory::default()
    };
    memory.forget_after_a_fault();
    assert_eq!((memory.deletion, memory.kubernetes_failures), (Some(deletion), 4));
    assert!(!memory.requested && !memory.hung);
}

#[test]
fn only_a_secrets_version_that_changed_costs_no_check() {
    let trigger = |version: &str, generation| Trigger {
        generation,
        requested_at: None,
        deleting: false,
        finalizer: true,
        secrets: vec![Some(version.into())],
        slot: Slot::Free,
        status: 0,
    };
    let (now, minute) = (Instant::now(), Duration::from_secs(60));
    let mut memory = Memory {
        seen: Some(trigger("1", 1)),
        next_look: Some(now + minute),
        is_resolved: true,
        ..Memory::default()
    };
    assert_eq!(memory.not_yet(&trigger("1", 1), now), Some(minute));
    assert_eq!(memory.not_yet(&trigger("2", 1), now), None);
    assert_eq!(memory.secrets_only(&trigger("2", 1), now), Some(minute));
    assert_eq!(memory.secrets_only(&trigger("2", 2), now), None);
    assert_eq!(memory.secrets_only(&trigger("2", 1), now + 2 * minute), None);
    memory.is_resolved = false;
    assert_eq!(memory.secrets_only(&trigger("2", 1), now), None);
}
