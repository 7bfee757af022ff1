//! The schedule in force, the next start, and Events.

use std::time::Duration;

use super::*;
use crate::{
    portal::PLAUSIBLE,
    rules::{
        backup::{expected::Expected, next_question::next_look},
        clock::PortalClock,
        memory::Memory,
        note::Note,
        retry::Pace,
        summary::summary,
    },
};

/// An object applied to p.test two hours ago and checked since: daily at 3, in Berlin.
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
    type Change = fn(&mut DocSpaceBackupSchedule, &mut Facts<'_>, &mut Kept);
    let since = |change: fn(&mut DocSpaceBackupSchedule), learnt: Change| {
        let mut object = in_force();
        change(&mut object);
        let seen = object.clone();
        let mut facts = facts(&seen);
        facts.held = Asked::Answered(held(3));
        facts.record = Record::of(seen.status.as_ref().expect("a status"), None);
        let mut outcome = outcome(Reason::InSync);
        learnt(&mut object, &mut facts, &mut outcome);
        let (status, _) = report(&object, &facts, &outcome, None).status();
        (
            status.in_force.map(|in_force| in_force.since.0.to_string()),
            status.backup_count,
        )
    };
    let (before, now) = (Some("2026-11-24T10:00:00Z".to_string()), Some(now().to_string()));
    let nothing: Change = |_, _, _| {};
    let zone: Change = |_, facts, _| {
        let settings = crate::portal::PortalSettings {
            time_zone: Some("America/New_York".into()),
            ..Default::default()
        };
        facts.identity = Some(credentials::Identity {
            settings: Some(settings),
            ..Default::default()
        });
    };
    let written: Change = |_, _, outcome| outcome.applied = Some(AppliedReason::Changed);
    let corrected: Change = |_, _, outcome| outcome.applied = Some(AppliedReason::Corrected);

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
fn what_is_known_of_archives_in_another_storage_is_forgotten() {
    let mut object = in_force();
    let status = object.status.as_mut().expect("a status");
    status.in_force.as_mut().expect("in force").storage_type = "DataStore".into();
    let time = || Some(Time(now()));
    let candidate = json!({"id": "a", "firstListed": now(), "createdOn": now()});
    status.candidate = serde_json::from_value(candidate).expect("a candidate");
    (status.vanished_since, status.missed_backup_time) = (time(), time());
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(3));
    facts.record = Record::of(object.status.as_ref().expect("a status"), None);
    let (status, _) = report(&object, &facts, &outcome(Reason::InSync), None).status();
    assert_eq!(
        (status.candidate, status.vanished_since, status.missed_backup_time),
        (None, None, None)
    );
}

#[test]
fn a_beginning_more_than_an_hour_ahead_comes_from_a_wrong_clock() {
    let since = |ahead: i64, held: Asked<Option<Held>>| {
        let mut object = in_force();
        let status = object.status.as_mut().expect("a status");
        let begins = now() + SignedDuration::from_secs(ahead);
        status.in_force.as_mut().expect("in force").since = Time(begins);
        let mut facts = facts(&object);
        facts.held = held;
        let outcome = outcome(Reason::InSync);
        let (status, _) = report(&object, &facts, &outcome, None).status();
        let since = status.in_force.expect("in force").since.0;
        since.duration_since(now()).as_secs()
    };
    let answered = || Asked::Answered(held(3));
    assert_eq!(since(3600, answered()), 3600);
    assert_eq!(since(3601, answered()), 0);
    assert_eq!(
        since(3601, Asked::NotYet),
        3601,
        "the portal's clock was not heard"
    );
}

#[test]
fn with_observe_the_portals_schedule_is_in_force() {
    let mut object = in_force();
    object.spec.management_policy = ManagementPolicy::Observe;
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(5));
    let outcome = outcome(Reason::OutOfSync);
    let (status, _) = report(&object, &facts, &outcome, None).status();
    let in_force = status.in_force.expect("in force");
    assert_eq!(
        (in_force.schedule.as_str(), in_force.since.0),
        ("EveryDay 05:00 Europe/Berlin", now())
    );
    facts.held = Asked::Answered(None);
    let (status, _) = report(&object, &facts, &outcome, None).status();
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
        let outcome = outcome(Reason::InSync);
        let (status, _) = report(&object, &facts, &outcome, None).status();
        status.next_backup_time.map(|time| time.0.to_string())
    };
    assert_eq!(
        next(Some("2026-11-24T02:07:00Z")).as_deref(),
        Some("2026-11-25T02:00:00Z")
    );
    // Due since the write that reset the clock.
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

#[test]
fn clocks_that_differ_are_told_once_whichever_operator_looks() {
    let pace = Pace {
        interval: Duration::from_secs(900),
        now: now(),
        chance: 0.5,
    };
    let told = |object: &DocSpaceBackupSchedule, memory: &mut Memory, minutes: i64| {
        let mut facts = facts(object);
        facts.clock = PortalClock::ahead_by(SignedDuration::from_mins(minutes));
        let summary = summary(object, &facts, &outcome(Reason::InSync), memory, pace);
        let is_it = |note: &&Note| note.reason == "ClockSkew";
        let told = summary.notes.iter().filter(is_it).count();
        (told, object_with(object, summary.status))
    };
    let mut memory = Memory::default();
    let (count, object) = told(&good(), &mut memory, 5);
    assert_eq!(count, 0);
    let (count, object) = told(&object, &mut memory, 6);
    assert_eq!(count, 1);
    assert_eq!(told(&object, &mut memory, 6).0, 0);

    // The next operator finds it in the status, and does not repeat it where it comes and goes.
    let mut memory = Memory::default();
    let (count, object) = told(&object, &mut memory, 6);
    assert_eq!(count, 0);
    let (_, object) = told(&object, &mut memory, 5);
    assert_eq!(told(&object, &mut memory, 6).0, 0);
}

#[test]
fn a_recorded_clock_offset_follows_large_changes_only() {
    let shown = |before: Option<i64>, seconds: i64| {
        let object = object(1, json!({"clockOffsetSeconds": before}));
        let mut facts = facts(&object);
        facts.clock = PortalClock::ahead_by(SignedDuration::from_secs(seconds));
        let outcome = outcome(Reason::InSync);
        let (status, _) = report(&object, &facts, &outcome, None).status();
        status.clock_offset_seconds
    };
    assert_eq!(shown(None, 3600), Some(3600));
    assert_eq!(shown(Some(3600), 3900), Some(3600), "small changes are no news");
    assert_eq!(shown(Some(3600), 3901), Some(3901));
    assert_eq!(shown(Some(3600), 300), None, "the clocks agree again");
}

fn object_with(object: &DocSpaceBackupSchedule, status: Status) -> DocSpaceBackupSchedule {
    DocSpaceBackupSchedule {
        status: Some(status),
        ..object.clone()
    }
}

#[test]
fn after_a_write_the_first_start_counts_if_it_is_still_to_come() {
    // Written at 10:00 UTC, and never queued.
    let first_start = |hour| {
        let object = in_force();
        let mut status = object.status.clone().expect("a status");
        let applied = status.applied.as_mut().expect("applied");
        applied.schedule.cron_params.hour = hour;
        status.observed = Some(applied.schedule.clone());
        let expected = Expected::of(&object, &status).expect("in force");
        expected.first_start.map(|start| start.to_string())
    };
    assert_eq!(first_start(3), None);
    assert_eq!(first_start(23).as_deref(), Some("2026-11-24T22:00:00Z"));
    assert_eq!(first_start(11), None, "it is due at once");
}

#[test]
fn a_deadline_of_an_older_crd_is_limited() {
    let deadline = |text: &str| {
        let mut object = in_force();
        object.spec.backup_deadline = Some(text.parse().expect("a duration"));
        let status = object.status.clone().expect("a status");
        let expected = Expected::of(&object, &status).expect("in force");
        // No time of the portal is too early or too late for it.
        for now in [PLAUSIBLE.start, PLAUSIBLE.end] {
            let _ = (
                expected.missed(now),
                next_look(&expected, &Record::default(), now),
            );
        }
        expected.deadline
    };
    assert_eq!(deadline("90m"), SignedDuration::from_mins(90));
    let longest = SignedDuration::from_hours(7 * 24);
    for huge in ["169h", "999999h"] {
        assert_eq!(deadline(huge), longest, "{huge}");
    }
}

#[test]
fn nothing_was_due_before_the_object_existed() {
    // In force since 10:00 by the portal's clock, which was wrong then.
    let since = |offset: Option<i64>| {
        let mut object = in_force();
        let created = "2026-11-24T11:00:00Z".parse().expect("a time");
        object.metadata.creation_timestamp = Some(Time(created));
        let mut status = object.status.clone().expect("a status");
        status.clock_offset_seconds = offset;
        let expected = Expected::of(&object, &status).expect("in force");
        expected.since.to_string()
    };
    assert_eq!(since(None), "2026-11-24T10:55:00Z");
    assert_eq!(
        since(Some(-3600)),
        "2026-11-24T10:00:00Z",
        "by the portal's clock"
    );
}
