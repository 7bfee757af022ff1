//! The conditions table: a situation a row.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::{
    api::{AppliedReason, LastRequest, Operation, Tally},
    rules::{events, status::*},
    schedule::Held,
};

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn object(generation: i64, status: serde_json::Value) -> DocSpaceBackupSchedule {
    let object = json!({
        "metadata": {"name": "nightly", "namespace": "docspace", "uid": "me", "generation": generation},
        "spec": {
            "portal": {"url": "https://p.test", "apiKeySecretRef": {"name": "key"}},
            "storageType": "Local",
            "storageParams": [{"key": "filePath", "value": "/b"}],
            "cronParams": {"period": "EveryDay", "hour": 3},
            "backupsStored": 7,
        },
        "status": status,
    });
    serde_json::from_value(object).expect("a valid object")
}

fn condition_json(kind: &str, status: &str, reason: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z"})
}

/// What is said of backups while no schedule is in force.
fn not_due() -> serde_json::Value {
    let mut condition = condition_json("BackupFresh", "Unknown", "NotDueYet");
    condition["message"] = json!("No schedule is in force, so no backup is due");
    condition["observedGeneration"] = json!(1);
    condition
}

/// As the CRD defaults it.
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

fn facts(object: &DocSpaceBackupSchedule) -> Facts<'_> {
    Facts {
        applied: object.status.as_ref().and_then(|status| status.applied.as_ref()),
        same_address: true,
        corrections: object
            .status
            .as_ref()
            .and_then(|status| status.corrections.as_ref()),
        finalizer: true,
        write_recorded: true,
        wanted: Some(Ok(Schedule::without_secrets(&object.spec))),
        ..Facts::new(&object.spec, now())
    }
}

fn deed(reason: Reason) -> Deed {
    Deed {
        verdict: Verdict::new(reason, "what happened"),
        applied: None,
        request: None,
        replaced: None,
        notes: Vec::new(),
        released: false,
    }
}

fn report<'a>(
    object: &'a DocSpaceBackupSchedule,
    facts: &'a Facts<'a>,
    deed: &'a Deed,
    failures: Option<Failures>,
) -> Report<'a> {
    Report {
        object,
        facts,
        deed,
        failures,
    }
}

fn failures(minutes: i64, count: u32) -> Option<Failures> {
    Some(Failures {
        since: now() - SignedDuration::from_mins(minutes),
        count,
        secret_missing: false,
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

/// Ready, Reconciling, Stalled, Synced, CredentialsValid: the first letter of each status, `-` where there is none.
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
        (Reason::BackupRunning, Some(held(5)), "FT-FT"),
        (Reason::Unreachable, None, "FT-U-"),
        (Reason::TlsFailed, None, "FT-U-"),
        (Reason::TimedOut, None, "FT-U-"),
        (Reason::RateLimited, None, "FT-U-"),
        (Reason::PortalUnavailable, None, "FT-U-"),
        (Reason::DatabaseDown, None, "FT-U-"),
        (Reason::ServerError, None, "FT-U-"),
        (Reason::ProxyError, None, "FT-U-"),
        (Reason::NotDocSpace, None, "F-TU-"),
        (Reason::Unauthorized, None, "F-TUF"),
        (Reason::KeyNotAllowed, Some(held(5)), "F-TFF"),
        (Reason::UserNotAllowed, None, "F-TUF"),
        (Reason::PlanNotAllowed, Some(None), "F-TFT"),
        (Reason::PortalGone, None, "F-TU-"),
        (Reason::FolderNotFound, Some(None), "F-TFT"),
        (Reason::RouteNotFound, None, "F-TU-"),
        (Reason::Rejected, Some(None), "F-TFT"),
        (Reason::Redirected, None, "F-TU-"),
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
        let deed = deed(reason);
        let report = report(&object, &facts, &deed, failures(0, 1));
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
        let events = events::notes(&object, &facts, &deed, &status).len();
        assert_eq!(
            events,
            usize::from(reason != Reason::InSync),
            "{reason}: one Event unless the deed brings its own"
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
            let deed = deed(reason);
            let report = report(&object, &facts, &deed, failures(minutes, count));
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
fn an_outcome_is_unknown_until_the_portal_shows_it() {
    let mut object = good();
    let status = object.status.as_mut().expect("a status");
    status.last_request = Some(LastRequest {
        operation: Operation::CreateSchedule,
        time: Time(now()),
        status_code: Some(502),
        message: "".into(),
        outcome_unknown: true,
    });
    let facts = facts(&object);
    for (reason, unknown) in [(Reason::ProxyError, true), (Reason::InSync, false)] {
        let deed = deed(reason);
        let report = report(&object, &facts, &deed, failures(0, 1));
        let request = report.status().0.last_request.expect("it is kept");
        assert_eq!(request.outcome_unknown, unknown, "{reason}");
    }
}

#[test]
fn a_write_that_failed_is_told_at_once() {
    let object = good();
    let facts = facts(&object);
    let request = LastRequest {
        operation: Operation::CreateSchedule,
        time: Time(now()),
        status_code: Some(429),
        message: "".into(),
        outcome_unknown: false,
    };
    let deed = Deed {
        request: Some(request),
        ..deed(Reason::RateLimited)
    };
    let report = report(&object, &facts, &deed, failures(0, 1));
    assert_eq!(letters(&report.status().0), "FT-UT");
    assert_eq!(
        report
            .status()
            .0
            .last_request
            .and_then(|request| request.status_code),
        Some(429)
    );
}

#[test]
fn a_missing_secret_stalls_after_five_minutes() {
    for (minutes, expected) in [(0, "FT-UU"), (4, "FT-UU"), (5, "F-TUU")] {
        let object = good();
        let facts = facts(&object);
        let deed = deed(Reason::SecretMissing);
        let report = report(&object, &facts, &deed, failures(minutes, 3));
        assert_eq!(letters(&report.status().0), expected, "{minutes} min");
    }
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let object = good();
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(3));
    let mut deed = deed(Reason::InSync);
    let (first, _) = report(&object, &facts, &deed, None).status();
    let mut object = good();
    object.status = Some(first.clone());
    deed.verdict = Verdict::new(Reason::InSync, "what happened");
    let mut later = self::facts(&object);
    (later.held, later.now) = (Asked::Answered(held(3)), now() + SignedDuration::from_hours(1));
    let report = report(&object, &later, &deed, None);
    assert_eq!(report.status().0, first);
    assert!(events::notes(&object, &later, &deed, &first).is_empty());
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
        let deed = deed(Reason::Suspended);
        let report = report(&object, &facts, &deed, None);
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
        let status = object.status.as_mut().expect("a status");
        status.corrections = before.clone();
        status.observed = held(hour_before).map(|held| held.shown());
        let mut facts = facts(&object);
        facts.held = Asked::Answered(held(hour_now));
        let deed = Deed {
            applied,
            ..deed(reason)
        };
        let report = report(&object, &facts, &deed, None);
        let counted = report
            .status()
            .0
            .corrections
            .map(|tally| (tally.count, now().duration_since(tally.last_time.0).as_hours()));
        assert_eq!(counted, expected, "{before:?} {applied:?} {reason}");
    }
}

/// What was applied to p.test two hours ago, and looked at since: daily at 3, in Berlin.
fn in_force() -> DocSpaceBackupSchedule {
    let schedule = json!({
        "storageType": "Local", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0}, "backupsStored": 7,
        "dump": false, "storageParams": [{"key": "filePath", "value": "/b"}],
    });
    let status = json!({
        "observedGeneration": 1,
        "timeZone": "Europe/Berlin",
        "applied": {
            "time": "2026-11-24T10:00:00Z", "reason": "Created", "generation": 1, "uid": "me",
            "url": "https://p.test", "schedule": schedule,
        },
        "observed": schedule,
        "inForce": {
            "since": "2026-11-24T10:00:00Z", "schedule": "EveryDay 03:00 Europe/Berlin", "storageType": "Local",
            "url": "https://p.test",
        },
        "backupCount": 3,
    });
    object(1, status)
}

#[test]
fn a_schedule_is_in_force_since_its_times_storage_or_portal_changed() {
    type Change = fn(&mut DocSpaceBackupSchedule, &mut Facts<'_>, &mut Deed);
    let since = |change: fn(&mut DocSpaceBackupSchedule), learnt: Change| {
        let mut object = in_force();
        change(&mut object);
        let seen = object.clone();
        let mut facts = facts(&seen);
        facts.held = Asked::Answered(held(3));
        facts.record = Record::of(seen.status.as_ref().expect("a status"), None);
        let mut deed = deed(Reason::InSync);
        learnt(&mut object, &mut facts, &mut deed);
        let (status, _) = report(&object, &facts, &deed, None).status();
        (
            status.in_force.map(|in_force| in_force.since.0.to_string()),
            status.backup_count,
        )
    };
    let (before, now) = (Some("2026-11-24T10:00:00Z".to_string()), Some(now().to_string()));
    let nothing: Change = |_, _, _| {};
    let zone: Change = |_, facts, _| {
        let settings = crate::portal::Settings {
            time_zone: Some("America/New_York".into()),
            ..Default::default()
        };
        facts.identity = Some(credentials::Identity {
            settings: Some(settings),
            ..Default::default()
        });
    };
    let written: Change = |_, _, deed| deed.applied = Some(AppliedReason::Changed);
    let corrected: Change = |_, _, deed| deed.applied = Some(AppliedReason::Corrected);

    assert_eq!(since(|_| {}, nothing), (before.clone(), Some(3)));
    assert_eq!(since(|_| {}, corrected), (before.clone(), Some(3)));
    assert_eq!(
        since(|object| object.spec.backups_stored = 9, written),
        (before.clone(), Some(3))
    );
    assert_eq!(
        since(|object| object.spec.cron_params.hour = 4, nothing),
        (before, Some(3)),
        "not applied yet"
    );
    assert_eq!(
        since(|object| object.spec.cron_params.hour = 4, written),
        (now.clone(), Some(3))
    );
    assert_eq!(since(|_| {}, zone), (now.clone(), Some(3)));
    let elsewhere: fn(&mut DocSpaceBackupSchedule) =
        |object| object.spec.portal.url = "https://q.test".into();
    assert_eq!(
        since(elsewhere, nothing),
        (None, None),
        "what is recorded is another portal's"
    );
    assert_eq!(since(elsewhere, written), (now, None));
}

#[test]
fn with_observe_the_portals_schedule_is_in_force() {
    let mut object = in_force();
    object.spec.management_policy = ManagementPolicy::Observe;
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(5));
    let deed = deed(Reason::OutOfSync);
    let (status, _) = report(&object, &facts, &deed, None).status();
    let in_force = status.in_force.expect("in force");
    assert_eq!(
        (in_force.schedule.as_str(), in_force.since.0),
        ("EveryDay 05:00 Europe/Berlin", now())
    );
    facts.held = Asked::Answered(None);
    let (status, _) = report(&object, &facts, &deed, None).status();
    assert_eq!(status.in_force, None);
}

#[test]
fn the_next_start_is_the_portals() {
    let next = |last: Option<&str>| {
        let object = in_force();
        let mut facts = facts(&object);
        let mut held = held(3);
        held.as_mut().expect("a schedule").last_backup_time = last.map(|last| last.parse().expect("a time"));
        facts.held = Asked::Answered(held);
        let deed = deed(Reason::InSync);
        let (status, _) = report(&object, &facts, &deed, None).status();
        status.next_backup_time.map(|time| time.0.to_string())
    };
    assert_eq!(
        next(Some("2026-11-24T02:07:00Z")).as_deref(),
        Some("2026-11-25T02:00:00Z")
    );
    // Due since the write that started the clock anew.
    assert_eq!(next(None).as_deref(), Some("2026-11-24T10:00:00Z"));
}

#[test]
fn news_of_backups_are_told_once() {
    let told = |before: Option<(&str, &str)>, after: (&str, &str)| {
        let status = |fresh: Option<(&str, &str)>| {
            let fresh = fresh.map(|(status, reason)| condition_json("BackupFresh", status, reason));
            object(1, json!({"conditions": fresh.into_iter().collect::<Vec<_>>()}))
        };
        let (object, after) = (status(before), status(Some(after)).status.expect("a status"));
        events::news(&object, &facts(&object), &after).len()
    };
    let found = ("True", "BackupFound");
    for (before, after, count) in [
        (None, ("Unknown", "NotDueYet"), 0),
        (None, ("False", "NeverStarts"), 1),
        (Some(("Unknown", "Confirming")), found, 1),
        (Some(found), found, 0),
        (Some(found), ("False", "Overdue"), 1),
        (Some(("False", "Overdue")), ("False", "Overdue"), 0),
        (Some(("False", "Overdue")), ("False", "Failed"), 1),
        (Some(("False", "Overdue")), ("Unknown", "Running"), 0),
    ] {
        assert_eq!(told(before, after), count, "{before:?} {after:?}");
    }
}
