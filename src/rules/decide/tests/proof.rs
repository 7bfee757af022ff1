//! One check alone is no proof.

use crate::rules::{asked_to_wait::AskedToWait, clock::PortalClock, decide::tests::*};

#[test]
fn a_drift_is_corrected_after_two_checks_that_show_the_same() {
    let drift = || Scene::applied(held(earlier_hour));
    let seen = |scene: Scene, seconds: i64, held: Option<Held>| {
        let sighting = Sighting {
            held: held.map(|held| held.schedule.digest()),
            at: now() - SignedDuration::from_secs(seconds),
            changes: 0,
        };
        scene.with(move |f| f.drift.sighting = Some(sighting.clone()))
    };
    let recorded = |scene: Scene, held: Option<Held>| {
        scene.with(move |f| {
            let drift = Drift {
                since: Time(ago(20)),
                correction_waits: false,
                removed_by_portal: false,
            };
            let shown = held.as_ref().map(Held::shown);
            f.drift.sighting = None;
            f.drift.recorded = Some((Box::leak(Box::new(drift)), Box::leak(Box::new(shown)).as_ref()));
        })
    };
    let at_another_time = |checks: u8| {
        seen(Scene::applied(None), 60, None).with(move |f| {
            f.clock = PortalClock::ahead_by(SignedDuration::ZERO);
            for hour in 1..=checks {
                f.clock = f.clock.at_next_check();
                let ahead = SignedDuration::from_hours(hour.into());
                f.clock.hear(now() + ahead, now());
            }
        })
    };
    check(vec![
        (
            "the first check",
            drift().with(|f| f.drift.sighting = None),
            "refuse Verifying",
        ),
        (
            "too soon",
            seen(drift(), 9, held(earlier_hour)),
            "refuse Verifying",
        ),
        (
            "ten seconds later",
            seen(drift(), 10, held(earlier_hour)),
            "write Corrected",
        ),
        (
            "something else than before",
            seen(drift(), 60, held(|s| s.hour = 6)),
            "refuse Verifying",
        ),
        (
            "gone now, changed before",
            seen(Scene::applied(None), 60, held(earlier_hour)),
            "refuse Verifying",
        ),
        (
            "gone at both",
            seen(Scene::applied(None), 60, None),
            "write Corrected",
        ),
        (
            "gone at both, the second at another time",
            at_another_time(1),
            "refuse Verifying",
        ),
        (
            "gone at each, each at another time",
            at_another_time(2),
            "write Corrected",
        ),
        (
            "an earlier process saw it",
            recorded(drift(), held(earlier_hour)),
            "write Corrected",
        ),
        (
            "an earlier process saw another",
            recorded(drift(), held(|s| s.hour = 6)),
            "refuse Verifying",
        ),
        (
            "a change of the manifest needs no proof",
            drift()
                .with(|f| f.drift.sighting = None)
                .had_applied(|applied| applied.cron_params.hour = 9),
            "write Changed",
        ),
    ]);
}

#[test]
fn an_accepted_schedule_has_a_minute_to_show() {
    let refused = |seconds: i64, checks: i32| {
        let scene = Scene::applied(held(earlier_hour)).with(move |f| {
            f.unconfirmed = Some(Unconfirmed {
                accepted_time: Time(now() - SignedDuration::from_secs(seconds)),
                checks,
            });
        });
        match scene.step() {
            Step::Do(Plan::Refuse(verdict)) => {
                (verdict.reason, verdict.retry_after.map(|wait| wait.as_secs()))
            }
            step => panic!("{step:?}"),
        }
    };
    // Seconds since it was accepted, checks before this one; seconds until the next.
    for (seconds, checks, next) in [
        (0, 0, 2),
        (2, 1, 3),
        (5, 2, 10),
        (15, 3, 15),
        (30, 4, 30),
        (3600, 0, 10),
        (3630, 3, 10),
        (20, 6, 40),
    ] {
        assert_eq!(
            refused(seconds, checks),
            (Reason::Verifying, Some(next)),
            "{checks} checks after {seconds} s"
        );
    }
    assert_eq!(refused(60, 5), (Reason::NotConverging, None));
    assert_eq!(refused(86_400, 6), (Reason::NotConverging, None));
}

#[test]
fn what_the_portal_asked_to_wait_with_waits_without_a_call() {
    let wait = |of_writes| AskedToWait {
        of_writes,
        until: now() + SignedDuration::from_mins(20),
        verdict: Verdict {
            retry_after: Some(std::time::Duration::from_secs(86_399)),
            ..Verdict::new(Reason::RateLimited, "too many requests")
        },
    };
    let nothing_known = Scene::new().with(move |f| f.asked_to_wait = Some(wait(false)));
    let Step::Do(Plan::Refuse(verdict)) = nothing_known.step() else {
        panic!("it asks something")
    };
    assert_eq!(verdict.retry_after.map(|left| left.as_secs()), Some(20 * 60));
    let reads = Scene::new().with(move |f| f.asked_to_wait = Some(wait(true)));
    let absent = Scene::first_contact(None).with(move |f| f.asked_to_wait = Some(wait(true)));
    let equal = Scene::first_contact(held(|_| {})).with(move |f| f.asked_to_wait = Some(wait(true)));
    check(vec![
        ("writes only: reads go on", reads, "observe Secrets"),
        ("writes only", absent, "refuse RateLimited"),
        ("nothing to write", equal, "adopt Adopted"),
    ]);
}

#[test]
fn a_deletion_waits_for_a_write_that_may_still_be_carried_out() {
    let lost = |minutes: i64, is_wanted| LostWrite::Ours {
        since: ago(minutes),
        reason: AppliedReason::Changed,
        is_wanted,
    };
    let deleted = |scene: Scene, lost: LostWrite, for_minutes| {
        scene
            .deleted(for_minutes)
            .with(move |f| (f.finalizer, f.lost_write) = (true, lost))
    };
    let never_applied = |held| Scene::first_contact(held);
    let locked_out = |f: &mut Facts<'_>| {
        f.held = Asked::NotYet;
        f.deletion.as_mut().expect("a deletion").locked_out = true;
    };
    let refused = |f: &mut Facts<'_>| {
        f.held = Asked::NotYet;
        f.deletion.as_mut().expect("a deletion").refused = Some("the portal hangs".into());
    };
    check(vec![
        (
            "an owner's",
            deleted(Scene::applied(held(|_| {})), lost(1, false), 1),
            "refuse OutcomeUnknown",
        ),
        (
            "an owner's, ten minutes ago",
            deleted(Scene::applied(held(|_| {})), lost(10, false), 1),
            "delete",
        ),
        (
            "an owner's, and the time is over",
            deleted(Scene::applied(held(|_| {})), lost(6, false), 5),
            "delete, left behind",
        ),
        (
            "nothing is there, and the time is over",
            deleted(Scene::applied(None), lost(6, false), 5),
            "release, left behind",
        ),
        (
            "the first one",
            deleted(never_applied(None), lost(1, true), 1),
            "refuse OutcomeUnknown",
        ),
        (
            "the first one was carried out",
            deleted(never_applied(held(|_| {})), lost(1, true), 1),
            "delete",
        ),
        (
            "another schedule is there",
            deleted(never_applied(held(earlier_hour)), lost(10, true), 1),
            "release, left behind",
        ),
        (
            "others held the slot until the time was over",
            Scene::applied(held(|_| {})).deleted(5).with(locked_out),
            "release, left behind",
        ),
        (
            "the time is not over",
            Scene::applied(held(|_| {})).deleted(4).with(refused),
            "observe Schedule",
        ),
        (
            "the time is over, and the portal was asked before",
            Scene::applied(held(|_| {})).deleted(5).with(refused),
            "release, left behind",
        ),
        (
            "the time is over, and the portal was not asked yet",
            Scene::applied(held(|_| {}))
                .deleted(5)
                .with(|f| f.held = Asked::NotYet),
            "observe Schedule",
        ),
    ]);
}

#[test]
fn more_archives_than_any_number_to_keep_are_told_so() {
    let message = |count| {
        let scene = Scene::first_contact(None).with(move |f| f.archives = Asked::Answered(archives(count)));
        match scene.step() {
            Step::Do(Plan::Refuse(verdict)) => verdict.message,
            step => panic!("{step:?}"),
        }
    };
    assert!(message(30).contains("set backupsStored to 30 or more, or set adoptionPolicy"));
    assert!(message(40).contains("no backupsStored is high enough"));
}
