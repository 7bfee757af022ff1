use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::rules::{
    clock::PortalClock,
    facts::Deletion,
    reason::{Row, Verdict},
    sample,
};

const INTERVAL: Duration = Duration::from_secs(900);

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn pace(chance: f64) -> Pace {
    Pace {
        interval: INTERVAL,
        now: now(),
        chance,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// In sync: every day at 3 into Local, with these further fields of the status.
fn object(more: serde_json::Value) -> DocSpaceBackupSchedule {
    let schedule = json!({
        "storageType": "Local", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0}, "backupsStored": 7,
        "dump": false, "lastBackupTime": "2026-11-24T03:05:00Z",
    });
    let conditions = [
        ("Ready", "True", "InSync"),
        ("Synced", "True", "InSync"),
        ("BackupFresh", "True", "BackupFound"),
    ];
    let conditions = conditions.map(|(kind, status, reason)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-11-24T10:00:00Z",
        })
    });
    let mut status = json!({
        "observedGeneration": 1,
        "conditions": conditions,
        "timeZone": "UTC",
        "applied": {
            "time": "2026-11-20T10:00:00Z", "reason": "Created", "generation": 1, "uid": "me", "url": "https://p.test",
            "schedule": schedule,
        },
        "observed": schedule,
        "inForce": {
            "since": "2026-11-20T10:00:00Z", "schedule": "EveryDay 03:00 UTC", "storageType": "Local",
            "url": "https://p.test",
        },
        "lastBackup": {
            "id": "a", "fileName": "a.tar.gz", "createdOn": "2026-11-24T03:10:00Z", "storageType": "Local",
        },
    });
    let fields = status.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    sample::local_object(1, &status)
}

/// What a case changes of an object in sync at noon.
struct Case {
    class: Class,
    reason: Reason,
    asked_for: Option<u64>,
    failures: u32,
    chance: f64,
    interval: Duration,
    deletion: Option<Deletion>,
    doubts_clock: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            class: Class::Ready,
            reason: Reason::InSync,
            asked_for: None,
            failures: 0,
            chance: 0.5,
            interval: INTERVAL,
            deletion: None,
            doubts_clock: false,
        }
    }
}

impl Case {
    fn waits(self) -> u64 {
        let object = object(json!({}));
        let outcome = Kept::of(Verdict {
            retry_after: self.asked_for.map(seconds),
            ..Verdict::new(self.reason, "")
        });
        let failures = Failures {
            since: now(),
            count: self.failures,
            row: Row::Portal,
            row_since: now(),
        };
        let mut facts = Facts::new(&object.spec, now());
        if self.doubts_clock {
            facts.clock = PortalClock::ahead_by(SignedDuration::ZERO);
            facts.clock.hear(now() + SignedDuration::from_hours(1), now());
        }
        facts.deletion = self.deletion;
        let status = object.status.as_ref().expect("a status");
        let retry = Retry {
            pace: Pace {
                interval: self.interval,
                ..pace(self.chance)
            },
            class: self.class,
            failures: (self.failures > 0).then_some(failures),
            outcome: &outcome,
            facts: &facts,
            object: &object,
            status,
            record: &Record::of(status, None),
            standstills: 0,
        };
        retry.wait().as_secs()
    }
}

#[test]
fn checks_are_an_interval_apart_and_spread() {
    let at = |chance| {
        Case {
            chance,
            ..Case::default()
        }
        .waits()
    };
    assert_eq!([at(0.0), at(0.5), at(1.0)], [810, 900, 990]);
}

#[test]
fn a_long_wait_ends_when_new_evidence_is_expected() {
    let at = |chance| {
        Case {
            interval: LONGEST_INTERVAL,
            chance,
            ..Case::default()
        }
        .waits()
    };
    // At 2:55; objects that are due at the same hour are spread over ten seconds.
    let left = 14 * 3600 + 55 * 60;
    assert_eq!([at(0.0), at(0.5), at(1.0)], [left, left + 5, left + 10]);
}

#[test]
fn what_the_user_must_change_is_checked_half_as_often() {
    let stalled = Case {
        class: Class::Stalled,
        reason: Reason::Conflict,
        failures: 1,
        ..Case::default()
    };
    assert_eq!(stalled.waits(), 1800);
}

#[test]
fn failures_are_retried_with_growing_pauses() {
    let after = |failures| {
        Case {
            class: Class::Retrying,
            reason: Reason::Unreachable,
            failures,
            chance: 1.0,
            ..Case::default()
        }
        .waits()
    };
    assert_eq!(
        [after(1), after(2), after(3), after(8), after(9), after(99)],
        [5, 10, 20, 640, 900, 900]
    );
    assert_eq!(backoff(1, pace(0.0)), Duration::from_millis(2500));
    assert_eq!(backoff(0, pace(1.0)), seconds(5));
}

#[test]
fn what_kubernetes_did_not_do_is_still_due() {
    let mut memory = Memory {
        next_look: Some(std::time::Instant::now() + INTERVAL),
        ..Memory::default()
    };
    let waits = [5, 10, 20].map(|_| after_kubernetes(&mut memory, pace(1.0)));
    assert_eq!(waits, [5, 10, 20].map(seconds));
    assert_eq!((memory.next_look, memory.kubernetes_failures), (None, 3));
}

#[test]
fn a_portal_is_left_alone_for_as_long_as_it_asks_and_an_hour_at_most() {
    let asked = |reason, asked_for| {
        Case {
            class: Class::Retrying,
            reason,
            asked_for: Some(asked_for),
            failures: 1,
            ..Case::default()
        }
        .waits()
    };
    assert_eq!(asked(Reason::RateLimited, 1), 3);
    assert_eq!(asked(Reason::RateLimited, 1200), 1200);
    assert_eq!(asked(Reason::RateLimited, 86_399), 3600);
    // A further check confirms what one has shown, whatever the interval. It counts as no failure.
    let verifying = Case {
        class: Class::Retrying,
        reason: Reason::Verifying,
        asked_for: Some(7),
        ..Case::default()
    };
    assert_eq!(verifying.waits(), 7);
}

#[test]
fn a_doubted_clock_is_heard_again_soon() {
    let doubts = Case {
        doubts_clock: true,
        ..Case::default()
    };
    assert_eq!(doubts.waits(), 10);
}

#[test]
fn a_deletion_is_tried_until_its_patience_ends() {
    let begun = |ago| {
        let since = now() - SignedDuration::from_secs(ago);
        Case {
            deletion: Some(Deletion::begins(since)),
            ..Case::default()
        }
        .waits()
    };
    assert_eq!([begun(0), begun(290), begun(300), begun(900)], [300, 10, 1, 1]);
    // A refusal is put to the proof sooner than one that nobody waits for.
    let refused = Case {
        class: Class::Stalled,
        reason: Reason::Unauthorized,
        deletion: Some(Deletion::begins(now())),
        ..Case::default()
    };
    assert_eq!(refused.waits(), 30);
}

#[test]
fn an_interval_of_an_older_crd_is_limited() {
    let own = |text: &str| {
        let mut spec = object(json!({})).spec;
        spec.interval = Some(text.parse().expect("a duration"));
        own_interval(&spec)
    };
    assert_eq!(own("1s"), Some(SHORTEST_INTERVAL));
    assert_eq!(own("5m"), Some(seconds(300)));
    assert_eq!(own("9999h"), Some(seconds(86_400)));
    assert_eq!(own_interval(&object(json!({})).spec), None);
}

#[test]
fn after_a_start_the_known_are_spread_and_others_come_at_once() {
    let day = Pace {
        interval: LONGEST_INTERVAL,
        ..pace(0.5)
    };
    let wait = |object: &DocSpaceBackupSchedule, pace| after_start(object, pace).as_secs();
    let good = object(json!({}));
    assert_eq!(wait(&good, pace(0.0)), 0);
    assert_eq!(wait(&good, pace(0.5)), 450);
    assert_eq!(wait(&good, day), 12 * 3600);
    // New evidence is expected at 2:55.
    let late = Pace { chance: 1.0, ..day };
    assert_eq!(wait(&good, late), 14 * 3600 + 55 * 60);

    // Their backups are not in order.
    let listed = json!({"candidate": {
        "id": "b", "createdOn": "2026-11-24T11:00:00Z", "firstListed": "2026-11-24T11:59:00Z",
    }});
    let old = json!({"lastBackup": {
        "id": "a", "fileName": "a.tar.gz", "createdOn": "2026-11-23T03:10:00Z", "storageType": "Local",
    }});
    for odd in [listed, old] {
        assert_eq!(wait(&object(odd.clone()), day), 450, "{odd}");
    }
    let mut unfresh = good.clone();
    let status = unfresh.status.as_mut().expect("a status");
    status.conditions[2].status = "False".into();
    assert_eq!(wait(&unfresh, day), 450);

    let mut bad = good.clone();
    bad.status.as_mut().expect("a status").conditions[0].status = "False".into();
    let mut new = good;
    new.status = None;
    assert_eq!((wait(&bad, day), wait(&new, day)), (0, 0));
}
