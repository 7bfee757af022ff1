//! Fields that count, and those that repeat what the portal said.

use super::*;
use crate::{
    api::{REQUESTED_AT, SecretVersion, Unconfirmed},
    portal::{Credential, KeyInfo, PortalSettings},
    rules::{credentials::Identity, status::fields},
    schedule::Param,
};

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn tally(count: i32, last: Timestamp) -> Tally {
    Tally {
        count,
        last_time: Time(last),
    }
}

fn applied(reason: Option<AppliedReason>) -> Kept {
    Kept {
        applied: reason,
        ..outcome(Reason::InSync)
    }
}

#[test]
fn corrections_count_for_a_day_after_the_last_foreign_change() {
    let counted = |before: Option<Tally>, reason, drift: Option<Timestamp>| {
        let object = good();
        let before = before.as_ref();
        let facts = Facts {
            corrections: before,
            ..facts(&object)
        };
        let mut status = Status {
            drift: drift.map(|since| Drift {
                since: Time(since),
                correction_waits: false,
                removed_by_portal: false,
            }),
            ..Status::default()
        };
        fields::corrections(&object, &facts, &applied(reason), &mut status);
        status.corrections.map(|tally| (tally.count, tally.last_time.0))
    };
    let corrected = Some(AppliedReason::Corrected);
    let lately = || Some(tally(2, ago(23)));
    assert_eq!(counted(None, corrected, None), Some((1, now())));
    assert_eq!(counted(lately(), corrected, None), Some((3, now())));
    assert_eq!(
        counted(Some(tally(2, ago(24))), corrected, None),
        Some((1, now()))
    );
    assert_eq!(
        counted(lately(), Some(AppliedReason::Recreated), None),
        Some((2, ago(23)))
    );
    assert_eq!(counted(lately(), Some(AppliedReason::Changed), None), None);
    assert_eq!(counted(lately(), None, None), Some((2, ago(23))));
    assert_eq!(counted(Some(tally(2, ago(24))), None, None), None);
    // A new drift begins the day anew, and none is counted without a correction before.
    assert_eq!(counted(lately(), None, Some(now())), Some((2, now())));
    assert_eq!(counted(None, None, Some(now())), None);
}

#[test]
fn a_drift_that_lasts_is_no_new_change() {
    let drift = json!({"since": "2026-11-24T11:00:00Z"});
    let object = object(1, json!({"drift": drift}));
    let before = tally(1, ago(2));
    let facts = Facts {
        corrections: Some(&before),
        ..facts(&object)
    };
    let mut status = object.status.clone().expect("a status");
    fields::corrections(&object, &facts, &applied(None), &mut status);
    assert_eq!(status.corrections, Some(before.clone()));
}

#[test]
fn a_recorded_drift_tells_what_its_correction_waits_for() {
    use Reason::{
        BackupRunning, Contested, InSync, RemovedByPortal, ServerError, Verifying, WouldDeleteArchives,
    };
    let after = |hour: Option<i64>, reason, requested, before: Option<(bool, bool)>| {
        let mut object = good();
        let mine = applied_by(&object);
        object.status.as_mut().expect("a status").applied = Some(mine);
        let facts = Facts {
            held: Asked::Answered(hour.and_then(held)),
            requested,
            ..facts(&object)
        };
        let drift = |(correction_waits, removed_by_portal)| Drift {
            since: Time(ago(5)),
            correction_waits,
            removed_by_portal,
        };
        let mut status = Status {
            drift: before.map(drift),
            ..Status::default()
        };
        fields::drift(&facts, &outcome(reason), &mut status);
        let drift = status.drift?;
        Some((drift.correction_waits, drift.removed_by_portal))
    };
    let nothing = Some((false, false));
    let (waits, by_portal) = (Some((true, false)), Some((false, true)));
    // The portal's hour, the verdict, requested; before and after
    for (hour, reason, requested, before, expected) in [
        (Some(5), Verifying, false, None, nothing),
        (Some(5), Verifying, true, None, waits),
        (Some(5), WouldDeleteArchives, true, None, nothing),
        (Some(5), BackupRunning, false, None, waits),
        (None, RemovedByPortal, false, None, by_portal),
        // A passing failure leaves what was decided, and a verdict that stays decides anew.
        (Some(5), ServerError, false, None, nothing),
        (Some(5), ServerError, false, waits, waits),
        (None, ServerError, false, by_portal, by_portal),
        (Some(5), Contested, false, waits, nothing),
        (None, Contested, false, by_portal, nothing),
        // It is as it should be again.
        (Some(3), InSync, false, waits, None),
    ] {
        assert_eq!(
            after(hour, reason, requested, before),
            expected,
            "{hour:?} {reason} {requested} {before:?}"
        );
    }
}

#[test]
fn restorations_count_for_a_calendar_month() {
    let counted = |before: Option<Tally>, reason| {
        let object = good();
        let mine = applied_by(&object);
        let facts = Facts {
            removals: before.as_ref(),
            ownership: Ownership::Ours(&mine),
            ..facts(&object)
        };
        let mut status = Status::default();
        fields::removals(&facts, &applied(reason), &mut status);
        status.removals.map(|tally| (tally.count, tally.last_time.0))
    };
    let this_month = || Some(tally(1, ago(23 * 24)));
    let last_month = || Some(tally(1, ago(24 * 24)));
    let again = Some(AppliedReason::Recreated);
    assert_eq!(counted(None, again), Some((1, now())));
    assert_eq!(counted(this_month(), again), Some((2, now())));
    assert_eq!(counted(last_month(), again), Some((1, now())));
    assert_eq!(counted(this_month(), None), Some((1, ago(23 * 24))));
    assert_eq!(
        counted(this_month(), Some(AppliedReason::Corrected)),
        Some((1, ago(23 * 24)))
    );
    assert_eq!(counted(last_month(), None), None);
}

#[test]
fn what_another_portal_removed_does_not_count() {
    let (object, before) = (good(), tally(1, ago(1)));
    let facts = Facts {
        removals: Some(&before),
        ownership: Ownership::None,
        ..facts(&object)
    };
    let counted = |reason| {
        let mut status = Status::default();
        fields::removals(&facts, &applied(reason), &mut status);
        status.removals
    };
    assert_eq!(counted(Some(AppliedReason::Created)), None);
    assert_eq!(counted(Some(AppliedReason::Adopted)), None);
    assert_eq!(counted(None), Some(before.clone()));
}

#[test]
fn checks_of_an_accepted_schedule_count_until_the_portal_shows_it() {
    let before = Unconfirmed {
        accepted_time: Time(ago(1)),
        checks: 2,
    };
    let request = |facts: &Facts<'_>| {
        crate::rules::outcome::request(facts.spec, Operation::CreateSchedule, None, now())
    };
    let counted = |known: Option<Unconfirmed>, hour: Option<i64>, written: bool| {
        let object = good();
        let mut facts = facts(&object);
        facts.unconfirmed = known;
        facts.held = hour.map_or(Asked::NotYet, |hour| Asked::Answered(held(hour)));
        let mut outcome = applied(written.then_some(AppliedReason::Changed));
        outcome.request = written.then(|| request(&facts));
        let mut status = Status {
            unconfirmed: Some(before.clone()),
            ..Status::default()
        };
        fields::unconfirmed(&facts, &outcome, &mut status);
        status.unconfirmed.map(|it| (it.accepted_time.0, it.checks))
    };
    let known = || Some(before.clone());
    assert_eq!(counted(known(), Some(3), false), None);
    assert_eq!(counted(known(), Some(9), false), Some((ago(1), 3)));
    assert_eq!(counted(known(), None, false), Some((ago(1), 2)));
    // It is of another schedule.
    assert_eq!(counted(None, Some(9), false), None);
    assert_eq!(counted(None, None, false), Some((ago(1), 2)));
    assert_eq!(counted(known(), Some(9), true), Some((now(), 1)));
    assert_eq!(counted(known(), None, true), Some((now(), 0)));
    assert_eq!(counted(None, Some(3), true), None);
    // A write that failed was not accepted.
    let object = good();
    let mut facts = facts(&object);
    facts.held = Asked::Answered(held(9));
    let failed = Kept {
        request: Some(request(&facts)),
        ..outcome(Reason::Rejected)
    };
    let mut status = Status::default();
    fields::unconfirmed(&facts, &failed, &mut status);
    assert_eq!(status.unconfirmed, None);
}

#[test]
fn the_portal_and_its_key_are_shown_as_read_last() {
    let settings = PortalSettings {
        time_zone: Some("Europe/Berlin".into()),
        version: Some("3.7".into()),
        standalone: Some(true),
        alias: Some("docs".into()),
        base_domain: None,
    };
    let key = KeyInfo {
        id: "a".into(),
        name: "operator".into(),
        may_write: true,
        expires_at: Some(now() + SignedDuration::from_millis(500)),
    };
    let shown = |settings: Option<PortalSettings>, credential, dump| {
        let mut object = object(1, json!({"timeZone": "UTC", "apiKey": {"name": "before"}}));
        object.spec.dump = dump;
        let mut facts = facts(&object);
        facts.identity = Some(Identity {
            settings,
            credential,
            is_to_be_repeated: false,
            mapped_domain: None,
        });
        let mut status = object.status.clone().expect("a status");
        fields::identity(&object, &facts, &mut status);
        status
    };
    let all = shown(Some(settings.clone()), Some(Credential::ApiKey(key)), false);
    assert_eq!(all.time_zone.as_deref(), Some("Europe/Berlin"));
    let portal = all.portal.expect("a portal");
    assert_eq!(
        (portal.version.as_deref(), portal.alias.as_deref()),
        (Some("3.7"), Some("docs"))
    );
    assert_eq!(portal.standalone, Some(true));
    let key = all.api_key.expect("a key");
    assert_eq!((key.id.as_deref(), key.name.as_str()), (Some("a"), "operator"));
    assert_eq!(key.expires_at, Some(Time(now())), "in whole seconds");

    let unread = shown(None, None, false);
    assert_eq!((unread.time_zone.as_deref(), unread.portal), (Some("UTC"), None));
    assert_eq!(unread.api_key.map(|key| key.name).as_deref(), Some("before"));
    let no_zone = PortalSettings {
        time_zone: None,
        ..settings.clone()
    };
    assert_eq!(
        shown(Some(no_zone), None, false).time_zone.as_deref(),
        Some("UTC")
    );
    // A dump is the installation's, whatever the portal's zone.
    assert_eq!(
        shown(Some(settings), None, true).time_zone.as_deref(),
        Some("UTC")
    );
    assert_eq!(shown(None, Some(Credential::SessionToken), false).api_key, None);
}

#[test]
fn a_key_that_may_not_write_suffices_to_observe() {
    for (policy, expected) in [
        (ManagementPolicy::Enforce, "T--TF"),
        (ManagementPolicy::Observe, "T--TT"),
    ] {
        let mut object = good();
        object.spec.management_policy = policy;
        let key = KeyInfo {
            id: "a".into(),
            name: "operator".into(),
            may_write: false,
            expires_at: None,
        };
        let facts = Facts {
            held: Asked::Answered(held(3)),
            identity: Some(Identity {
                credential: Some(Credential::ApiKey(key)),
                ..Identity::default()
            }),
            ..facts(&object)
        };
        let outcome = outcome(Reason::InSync);
        let (status, _) = report(&object, &facts, &outcome, None).status();
        assert_eq!(letters(&status), expected, "{:?}", object.spec.management_policy);
    }
}

#[test]
fn a_request_is_repeated_and_else_nothing() {
    let mut object = good();
    let echoed = |object: &DocSpaceBackupSchedule| {
        let mut status = Status {
            last_handled_reconcile_at: Some("before".into()),
            ..Status::default()
        };
        fields::echo(object, &mut status);
        status.last_handled_reconcile_at
    };
    assert_eq!(echoed(&object).as_deref(), Some("before"));
    object.metadata.annotations = Some([(REQUESTED_AT.into(), "now".into())].into());
    assert_eq!(echoed(&object).as_deref(), Some("now"));
}

#[test]
fn what_is_hidden_now_joins_what_was_hidden_before() {
    let mut object = good();
    object.status.as_mut().expect("a status").hidden_params = vec!["bucket".into()];
    let mut held = held(3);
    let schedule = &mut held.as_mut().expect("a schedule").schedule;
    schedule
        .params
        .insert("region".into(), Param::secret("eu".into()));
    let facts = Facts {
        held: Asked::Answered(held),
        hidden_params: ["bucket"].into(),
        ..facts(&object)
    };
    let outcome = outcome(Reason::OutOfSync);
    let (status, _) = report(&object, &facts, &outcome, None).status();
    assert_eq!(status.hidden_params, ["bucket", "region"]);
}

#[test]
fn versions_of_secrets_are_renewed_only_in_sync_and_with_another_change() {
    let versions = |version: &str| {
        vec![SecretVersion {
            param: "secret".into(),
            name: "storage".into(),
            key: "value".into(),
            resource_version: version.into(),
        }]
    };
    let look = |object: &DocSpaceBackupSchedule, hour, reason, version: &str| {
        let facts = Facts {
            held: Asked::Answered(held(hour)),
            secret_versions: versions(version),
            ..facts(object)
        };
        let outcome = outcome(reason);
        report(object, &facts, &outcome, None).status().0
    };
    let recorded = |hour, reason, changes: bool| {
        let mut object = good();
        let mine = Applied {
            secrets: versions("1"),
            ..applied_by(&object)
        };
        object.status.as_mut().expect("a status").applied = Some(mine);
        object.status = Some(look(&object, hour, reason, "1"));
        if changes {
            object.metadata.annotations = Some([(REQUESTED_AT.into(), "now".into())].into());
        }
        let status = look(&object, hour, reason, "2");
        status.applied.expect("applied").secrets
    };
    assert_eq!(recorded(3, Reason::InSync, true), versions("2"));
    assert_eq!(
        recorded(3, Reason::InSync, false),
        versions("1"),
        "they alone are no reason to write"
    );
    // The portal may still have the old values.
    assert_eq!(recorded(5, Reason::Contested, true), versions("1"));
}
