use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    api::{LastRequest, Operation},
    portal::{Failure, PortalError},
    rules::{clock::PortalClock, facts::Bill, reason::Verdict, sample},
};

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn object() -> DocSpaceBackupSchedule {
    sample::object(&json!({"name": "nightly", "generation": 2}), &json!(null))
}

fn pace() -> Pace {
    Pace {
        interval: Duration::from_secs(900),
        now: now(),
        chance: 0.5,
    }
}

fn kept(reason: Reason) -> Kept {
    Kept::of(Verdict::new(reason, "what happened"))
}

/// Sums up a reconcile with these facts.
fn sum(facts: &Facts<'_>, outcome: &Kept, memory: &mut Memory) -> Summary {
    summary(&object(), facts, outcome, memory, pace())
}

#[test]
fn free_backups_are_told_once_for_each_number_and_month() {
    let object = object();
    let mut memory = Memory::default();
    let mut told = |free, time: &str| {
        let mut facts = Facts::new(&object.spec, time.parse().expect("a time"));
        facts.bill = Asked::Answered(Bill { free, paid: false });
        let notes = sum(&facts, &kept(Reason::InSync), &mut memory).notes;
        notes
            .iter()
            .filter(|note| note.reason == "FreeBackupsLow")
            .count()
    };
    assert_eq!(told(1, "2026-11-24T12:00:00Z"), 1);
    assert_eq!(told(1, "2026-11-24T18:00:00Z"), 0);
    assert_eq!(told(2, "2026-11-25T12:00:00Z"), 1);
    assert_eq!(told(2, "2026-12-01T12:00:00Z"), 1);
}

#[test]
fn missing_secrets_stall_after_five_minutes_in_a_row() {
    let object = object();
    let mut memory = Memory::default();
    let mut class = |minutes, reason| {
        let facts = Facts::new(&object.spec, now() + SignedDuration::from_mins(minutes));
        sum(&facts, &kept(reason), &mut memory).class
    };
    assert_eq!(class(0, Reason::SecretMissing), Class::Retrying);
    assert_eq!(class(5, Reason::SecretMissing), Class::Stalled);
    assert_eq!(class(6, Reason::InSync), Class::Ready);
    assert_eq!(class(7, Reason::SecretMissing), Class::Retrying);
}

#[test]
fn who_answered_at_this_check_is_docspace() {
    let object = object();
    let class = |held: Asked<_>, applied| {
        let mut facts = Facts::new(&object.spec, now());
        facts.held = held;
        let mut memory = Memory::default();
        memory.failed(
            crate::rules::reason::Row::NoDocSpace,
            now() - SignedDuration::from_hours(1),
        );
        let outcome = Kept {
            applied,
            ..kept(Reason::NotDocSpace)
        };
        sum(&facts, &outcome, &mut memory).class
    };
    assert_eq!(class(Asked::NotYet, None), Class::Stalled);
    assert_eq!(class(Asked::Answered(None), None), Class::Retrying);
    assert_eq!(
        class(Asked::NotYet, Some(crate::api::AppliedReason::Created)),
        Class::Retrying
    );
}

#[test]
fn a_portal_that_hangs_is_remembered() {
    let object = object();
    let mut memory = Memory::default();
    for (reason, hung) in [
        (Reason::TimedOut, true),
        (Reason::Unreachable, true),
        (Reason::ServerError, false),
        (Reason::InSync, false),
    ] {
        sum(&Facts::new(&object.spec, now()), &kept(reason), &mut memory);
        assert_eq!(memory.hung, hung, "{reason}");
    }
}

#[test]
fn a_deletion_remembers_why_it_waits_unless_a_read_may_end_that() {
    let object = object();
    let refused = |reason| {
        let mut facts = Facts::new(&object.spec, now());
        facts.deletion = Some(Deletion::begins(now()));
        let mut memory = Memory::default();
        sum(&facts, &kept(reason), &mut memory);
        memory.deletion.expect("a deletion").refused
    };
    assert_eq!(refused(Reason::Unreachable).as_deref(), Some("what happened"));
    assert_eq!(refused(Reason::OutcomeUnknown), None);
}

#[test]
fn a_request_that_waits_stays_open() {
    let object = object();
    let requested = |requested, reason, doubts_clock| {
        let mut facts = Facts::new(&object.spec, now());
        facts.requested = requested;
        if doubts_clock {
            facts.clock = PortalClock::ahead_by(SignedDuration::ZERO);
            facts.clock.hear(now() + SignedDuration::from_hours(1), now());
        }
        let mut memory = Memory::default();
        sum(&facts, &kept(reason), &mut memory).keep(&mut memory);
        assert!(memory.seen_backups.is_some());
        memory.requested
    };
    assert!(!requested(false, Reason::Unreachable, false));
    assert!(requested(true, Reason::Unreachable, false));
    assert!(!requested(true, Reason::InSync, false));
    assert!(requested(true, Reason::InSync, true));
}

#[test]
fn a_wish_to_wait_is_kept_for_reads_an_hour_and_for_writes_a_day_at_most() {
    const HOUR: u64 = 3600;
    let object = object();
    let asked = |seconds: u64, of_writes: bool, before: Option<AskedToWait>, reason| {
        let mut facts = Facts::new(&object.spec, now());
        facts.asked_to_wait = before;
        let error = PortalError {
            failure: Failure::RateLimited,
            status: Some(429),
            message: "later".into(),
            date: None,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let request = LastRequest {
            operation: Operation::CreateSchedule,
            time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()),
            url: None,
            host_header: None,
            dump: false,
            status_code: Some(429),
            message: String::new(),
            outcome_unknown: false,
        };
        let verdict = Verdict {
            reason,
            ..Verdict::from(&error)
        };
        let outcome = Kept {
            request: of_writes.then_some(request),
            ..Kept::of(verdict)
        };
        let mut memory = Memory::default();
        sum(&facts, &outcome, &mut memory);
        let (generation, wait) = *memory.asked_to_wait?;
        assert_eq!((generation, wait.of_writes), (2, of_writes));
        Some(u64::try_from(wait.until.duration_since(now()).as_secs()).expect("later"))
    };
    let limited = Reason::RateLimited;
    assert_eq!(asked(60, false, None, limited), Some(60));
    assert_eq!(asked(2 * HOUR, false, None, limited), Some(HOUR));
    assert_eq!(asked(2 * HOUR, true, None, limited), Some(2 * HOUR));
    assert_eq!(asked(48 * HOUR, true, None, limited), Some(24 * HOUR));
    // Only a check that confirms.
    assert_eq!(asked(60, false, None, Reason::Verifying), None);
    // It is the one that is kept already, and no call was made.
    let before = |of_writes| {
        Some(AskedToWait {
            of_writes,
            until: now(),
            verdict: Verdict::new(limited, "later"),
        })
    };
    assert_eq!(asked(60, false, before(false), limited), None);
    assert_eq!(asked(60, true, before(true), limited), None);
    assert_eq!(asked(60, false, before(true), limited), Some(60));
}
