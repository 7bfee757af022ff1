//! The table of conditions: one situation a row.

mod conditions;
mod fields;
mod in_force;
mod largest;
mod requests;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::{
    api::{Applied, AppliedReason, Drift, LastRequest, Operation, Tally},
    rules::{drift::SeenDrift, events, ownership::Ownership, reason::Row, sample, status::*},
    schedule::Held,
};

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn object(generation: i64, status: serde_json::Value) -> DocSpaceBackupSchedule {
    sample::local_object(generation, &status)
}

fn condition_json(kind: &str, status: &str, reason: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z"})
}

/// BackupFresh while no schedule is in force.
fn not_due() -> serde_json::Value {
    let mut condition = condition_json("BackupFresh", "Unknown", "NotDueYet");
    condition["message"] = json!("No schedule is in force, so no backup is due");
    condition["observedGeneration"] = json!(1);
    condition
}

/// The CRD's default.
fn fresh() -> DocSpaceBackupSchedule {
    let conditions = [
        condition_json("Ready", "Unknown", "Pending"),
        condition_json("Reconciling", "True", "Pending"),
    ];
    object(1, json!({"observedGeneration": -1, "conditions": conditions}))
}

/// In sync since two hours ago.
fn good() -> DocSpaceBackupSchedule {
    let conditions = [
        condition_json("Ready", "True", "InSync"),
        condition_json("Synced", "True", "InSync"),
        condition_json("CredentialsValid", "True", "Accepted"),
        not_due(),
    ];
    object(1, json!({"observedGeneration": 1, "conditions": conditions}))
}

/// What the object applied.
fn applied_by(object: &DocSpaceBackupSchedule) -> Applied {
    Applied {
        time: Time(now() - SignedDuration::from_hours(9)),
        reason: AppliedReason::Created,
        generation: 1,
        uid: "me".into(),
        url: "https://p.test".into(),
        host_header: None,
        schedule: Schedule::without_secrets(&object.spec).shown_as_applied(),
        secrets: Vec::new(),
    }
}

fn facts(object: &DocSpaceBackupSchedule) -> Facts<'_> {
    Facts {
        ownership: object
            .status
            .as_ref()
            .and_then(|status| status.applied.as_ref())
            .map_or(Ownership::None, Ownership::Ours),
        corrections: object
            .status
            .as_ref()
            .and_then(|status| status.corrections.as_ref()),
        finalizer: true,
        drift: SeenDrift {
            recorded: object
                .status
                .as_ref()
                .and_then(|status| Some((status.drift.as_ref()?, status.observed.as_ref()))),
            sighting: None,
        },
        write_recorded: true,
        wanted: Some(Ok(Schedule::without_secrets(&object.spec))),
        ..Facts::new(&object.spec, now())
    }
}

fn outcome(reason: Reason) -> Kept {
    Kept {
        verdict: Verdict::new(reason, "what happened"),
        applied: None,
        request: None,
        replaced: None,
        notes: Vec::new(),
    }
}

fn report<'a>(
    object: &'a DocSpaceBackupSchedule,
    facts: &'a Facts<'a>,
    outcome: &'a Kept,
    failures: Option<Failures>,
) -> Report<'a> {
    Report {
        object,
        facts,
        outcome,
        class: outcome.verdict.reason.rule().class_of(
            has_answered_before(object),
            failures.map_or(SignedDuration::ZERO, |failures| {
                now().duration_since(failures.row_since)
            }),
        ),
        failures,
    }
}

fn failures(minutes: i64, count: u32) -> Option<Failures> {
    Some(Failures {
        since: now() - SignedDuration::from_mins(minutes),
        count,
        row: Row::Portal,
        row_since: now() - SignedDuration::from_mins(minutes),
    })
}

fn held(hour: i64) -> Option<Held> {
    let mut schedule = Schedule::without_secrets(&good().spec);
    schedule.hour = hour;
    Some(Held {
        schedule,
        last_backup_time: None,
    })
}

/// Ready, Reconciling, Stalled, Synced, CredentialsValid: the first letter of each status, `-` if absent.
fn letters(status: &Status) -> String {
    let letter =
        |kind: &str| condition(Some(status), kind).and_then(|condition| condition.status.chars().next());
    ["Ready", "Reconciling", "Stalled", "Synced", "CredentialsValid"]
        .map(|kind| letter(kind).unwrap_or('-'))
        .iter()
        .collect()
}

#[test]
fn every_reason_has_its_conditions() {
    // reason, does the portal hold it, conditions of a new object
    let rows = [
        (Reason::InSync, Some(held(3)), "T--TT"),
        (Reason::OutOfSync, Some(held(5)), "F--FT"),
        (Reason::SecretMissing, None, "FT-UU"),
        (Reason::OutcomeUnknown, Some(held(5)), "FT-UT"),
        (Reason::Verifying, Some(held(5)), "FT-UT"),
        (Reason::BackupRunning, Some(held(5)), "FT-FT"),
        (Reason::Unreachable, None, "FT-U-"),
        (Reason::TlsFailed, None, "FT-U-"),
        (Reason::TimedOut, None, "FT-U-"),
        (Reason::RateLimited, None, "FT-U-"),
        (Reason::PortalUnavailable, None, "FT-U-"),
        (Reason::DatabaseDown, None, "FT-U-"),
        (Reason::ServerError, None, "FT-U-"),
        (Reason::ProxyError, None, "FT-U-"),
        (Reason::NotDocSpace, None, "FT-U-"),
        (Reason::Unauthorized, None, "F-TUF"),
        (Reason::KeyNotAllowed, Some(held(5)), "F-TFF"),
        (Reason::UserNotAllowed, None, "F-TUF"),
        (Reason::PlanNotAllowed, Some(None), "F-TFT"),
        (Reason::PortalGone, None, "F-TU-"),
        (Reason::FolderNotFound, Some(None), "F-TFT"),
        (Reason::RouteNotFound, None, "FT-U-"),
        (Reason::Rejected, Some(None), "F-TFT"),
        (Reason::Redirected, None, "FT-U-"),
        (Reason::InvalidAddress, None, "F-TU-"),
        (Reason::OriginNotAllowed, None, "F-TU-"),
        (Reason::AddressNotAllowed, None, "F-TU-"),
        (Reason::SecretInvalid, None, "F-TUF"),
        (Reason::Conflict, None, "F-TU-"),
        (Reason::AdoptionRefused, Some(held(5)), "F-TFT"),
        (Reason::WouldDeleteArchives, Some(None), "F-TFT"),
        (Reason::Contested, Some(held(5)), "F-TFT"),
        (Reason::NotConverging, Some(held(5)), "F-TFT"),
        (Reason::RemovedByPortal, Some(None), "F-TFT"),
    ];
    for (reason, seen, expected) in rows {
        let object = fresh();
        let mut facts = facts(&object);
        facts.held = seen.into();
        let outcome = outcome(reason);
        let report = report(&object, &facts, &outcome, failures(0, 1));
        let (status, _) = report.status();
        assert_eq!(letters(&status), expected, "{reason}");
        assert_eq!(status.observed_generation, Some(1), "{reason}");
        assert!(
            status
                .conditions
                .iter()
                .all(|condition| condition.observed_generation == Some(1)),
            "{reason}"
        );
        let events = events::notes(&object, &facts, &outcome, &status).len();
        assert_eq!(
            events,
            usize::from(reason != Reason::InSync && !reason.is_unproven()),
            "{reason}: one Event unless the outcome brings its own"
        );
    }
}

#[test]
fn a_verified_object_stays_ready_for_an_hour() {
    // minutes since the first failure, failures in a row, conditions, something is written
    let rows = [
        (0, 1, "T--TT", false),
        (1, 2, "T--TT", false),
        (2, 3, "T--UT", true),
        (59, 9, "T--UT", true),
        (60, 10, "FT-UT", true),
    ];
    for reason in [Reason::TimedOut, Reason::NotDocSpace, Reason::ProxyError] {
        for (minutes, count, expected, written) in rows {
            let object = good();
            let facts = facts(&object);
            let outcome = outcome(reason);
            let report = report(&object, &facts, &outcome, failures(minutes, count));
            let (status, _) = report.status();
            assert_eq!(letters(&status), expected, "{reason} for {minutes} min");
            assert_eq!(
                Some(&status) != object.status.as_ref(),
                written,
                "{reason} for {minutes} min"
            );
        }
    }
}

#[test]
fn a_missing_secret_stalls_after_five_minutes() {
    for (minutes, expected) in [(0, "FT-UU"), (4, "FT-UU"), (5, "F-TUU")] {
        let object = good();
        let facts = facts(&object);
        let outcome = outcome(Reason::SecretMissing);
        let report = report(&object, &facts, &outcome, failures(minutes, 3));
        assert_eq!(letters(&report.status().0), expected, "{minutes} min");
    }
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let object = good();
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(3));
    let mut outcome = outcome(Reason::InSync);
    let (first, _) = report(&object, &facts, &outcome, None).status();
    let mut object = good();
    object.status = Some(first.clone());
    outcome.verdict = Verdict::new(Reason::InSync, "what happened");
    let mut later = self::facts(&object);
    (later.held, later.now) = (Asked::Answered(held(3)), now() + SignedDuration::from_hours(1));
    let report = report(&object, &later, &outcome, None);
    assert_eq!(report.status().0, first);
    assert!(events::notes(&object, &later, &outcome, &first).is_empty());
}

#[test]
fn suspended_keeps_what_was_while_the_schedule_is_as_applied() {
    let applied = json!({
        "time": "2026-11-24T10:00:00Z", "reason": "Created", "generation": 1, "uid": "me", "url": "https://p.test",
        "schedule": {
            "storageType": "Local", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0}, "backupsStored": 7,
            "dump": false, "storageParams": [{"key": "filePath", "value": "/b"}],
        },
    });
    for (hour, expected) in [(3, "T--TT"), (4, "U---T")] {
        let mut object = good();
        object.status.as_mut().expect("a status").applied = serde_json::from_value(applied.clone()).ok();
        object.metadata.generation = Some(2);
        object.spec.cron_params.hour = hour;
        let facts = facts(&object);
        let outcome = outcome(Reason::Suspended);
        let report = report(&object, &facts, &outcome, None);
        let (status, _) = report.status();
        assert_eq!(letters(&status), expected, "hour {hour}");
        assert_eq!(
            condition(Some(&status), "Suspended").map(|condition| condition.status.as_str()),
            Some("True")
        );
        assert_eq!(status.observed_generation, Some(2));
    }
}

#[test]
fn corrections_are_counted_for_a_day() {
    let tally = |count: i32, hours: i64| {
        Some(Tally {
            count,
            last_time: Time(now() - SignedDuration::from_hours(hours)),
        })
    };
    // before, what was applied, verdict, the portal's hour before and now, count and hours since
    let rows = [
        (
            None,
            Some(AppliedReason::Corrected),
            Reason::InSync,
            (3, 3),
            Some((1, 0)),
        ),
        (
            tally(1, 3),
            Some(AppliedReason::Corrected),
            Reason::InSync,
            (3, 3),
            Some((2, 0)),
        ),
        (
            tally(1, 25),
            Some(AppliedReason::Corrected),
            Reason::InSync,
            (3, 3),
            Some((1, 0)),
        ),
        (
            tally(1, 3),
            Some(AppliedReason::Changed),
            Reason::InSync,
            (3, 3),
            None,
        ),
        (tally(1, 3), None, Reason::InSync, (3, 3), Some((1, 3))),
        (tally(1, 25), None, Reason::InSync, (3, 3), None),
        (tally(1, 3), None, Reason::Contested, (5, 5), Some((1, 3))),
        (tally(1, 3), None, Reason::Contested, (5, 6), Some((1, 0))),
    ];
    for (before, applied, reason, (hour_before, hour_now), expected) in rows {
        let mut object = good();
        let mine = applied_by(&object);
        let status = object.status.as_mut().expect("a status");
        status.corrections = before.clone();
        status.observed = held(hour_before).map(|held| held.shown());
        status.applied = Some(mine);
        // An earlier check has told the same.
        status.drift = (hour_before == hour_now).then(|| Drift {
            since: Time(now() - SignedDuration::from_hours(5)),
            correction_waits: false,
            removed_by_portal: false,
        });
        let mut facts = facts(&object);
        facts.held = Asked::Answered(held(hour_now));
        let outcome = Kept {
            applied,
            ..outcome(reason)
        };
        let report = report(&object, &facts, &outcome, None);
        let counted = report
            .status()
            .0
            .corrections
            .map(|tally| (tally.count, now().duration_since(tally.last_time.0).as_hours()));
        assert_eq!(counted, expected, "{before:?} {applied:?} {reason}");
    }
}
