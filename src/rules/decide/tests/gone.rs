//! Deleted objects and removed schedules.

use super::*;

#[test]
fn deletion() {
    let owner = |held| Scene::applied(held).deleted(1);
    let mine = || owner(held(|_| {}));
    let failing = |minutes| {
        Scene::applied(None)
            .deleted(minutes)
            .with(|f| f.held = Asked::Failed(error(Failure::TimedOut)))
    };
    let missing = |minutes| {
        let verdict = Verdict::new(Reason::SecretMissing, "Secret key does not exist");
        Scene::applied(None)
            .deleted(minutes)
            .with(move |f| f.access = Some(Err(verdict.clone())))
    };
    check(vec![
        ("without our finalizer", Scene::new().deleted(1), "nothing"),
        ("as applied", mine(), "delete"),
        ("nothing there", owner(None), "release"),
        (
            "changed by somebody",
            owner(held(earlier_hour)),
            "release, left behind",
        ),
        (
            "a Secret's value cannot be compared, and need not be",
            owner(held(|s| {
                drop(s.params.insert("ssekey".into(), Param::plain("old")))
            })),
            "delete",
        ),
        (
            "never applied, outcome known",
            Scene::new().deleted(1).with(|f| f.finalizer = true),
            "release",
        ),
        (
            "never applied, outcome not known",
            Scene::new()
                .deleted(1)
                .with(|f| (f.finalizer, f.write_recorded) = (true, false)),
            "release, left behind",
        ),
        (
            "never applied, the outcome of a write to another portal not known",
            Scene::new()
                .deleted(1)
                .with(|f| (f.finalizer, f.lost_elsewhere) = (true, Some("https://q.test".into()))),
            "release, left behind",
        ),
        (
            "somebody else's slot",
            mine().with(|f| f.slot = Slot::Taken("another".into())),
            "release, left behind",
        ),
        ("applied elsewhere", mine().with(moved), "release, left behind"),
        (
            "suspended",
            mine().spec(|spec| spec.suspend = true),
            "release, left behind",
        ),
        (
            "observed",
            mine().spec(|spec| spec.management_policy = ManagementPolicy::Observe),
            "release, left behind",
        ),
        (
            "orphaned",
            mine().spec(|spec| spec.deletion_policy = DeletionPolicy::Orphan),
            "release, left behind",
        ),
        (
            "the CRD goes",
            mine().with(|f| f.crd_going = Some(Ok(true))),
            "release, left behind",
        ),
        (
            "whether the CRD goes is asked first",
            mine().with(|f| f.crd_going = None),
            "observe CrdState",
        ),
        (
            "then for the key",
            mine().with(|f| (f.access, f.held) = (None, Asked::NotYet)),
            "observe Access",
        ),
        (
            "then for the schedule",
            mine().with(|f| f.held = Asked::NotYet),
            "observe Schedule",
        ),
        ("the portal cannot be reached", failing(4), "refuse TimedOut"),
        (
            "the portal cannot be reached for five minutes",
            failing(5),
            "release, left behind",
        ),
        ("the Secret is gone", missing(4), "refuse SecretMissing"),
        (
            "the Secret is gone for five minutes",
            missing(5),
            "release, left behind",
        ),
    ]);
}

#[test]
fn why_a_schedule_stays_is_told() {
    let why = |scene: Scene| match scene.step() {
        Step::Do(Plan::Release(why)) => why.expect("a reason"),
        step => panic!("{step:?}"),
    };
    let others = || held(earlier_hour);
    assert_eq!(
        why(Scene::applied(others()).deleted(1)),
        "it differs from the one that this object wrote"
    );
    // The object has no schedule there yet, but may still get one.
    let never_applied = Scene::first_contact(others()).deleted(5).with(|f| {
        f.finalizer = true;
        f.lost_write = LostWrite::Ours {
            since: ago(6),
            reason: AppliedReason::Created,
            is_wanted: true,
        };
    });
    assert!(why(never_applied).contains("DocSpace may still carry it out"));
}

#[test]
fn hidden_values_hide_only_themselves() {
    let mut applied = wanted().shown_as_applied();
    assert!(
        applied
            .storage_params
            .iter()
            .any(|param| param.key == "ssekey" && param.value == HIDDEN)
    );
    let there = held(|_| {}).expect("held").schedule;
    assert!(there.is_as_applied(&applied));
    applied.storage_params.retain(|param| param.key != "ssekey");
    assert!(!there.is_as_applied(&applied));
}

#[test]
fn a_schedule_that_is_gone_was_removed_by_somebody_or_by_the_portal() {
    // Applied an hour ago, at 11; due at 3 every day, so it is due at once; gone at noon.
    let gone = || {
        let mut scene = Scene::applied(None).with(in_force).with(|f| {
            f.last_queued = LastQueued::Never;
            f.deleted = Asked::Answered(Some(false));
        });
        scene.removals = None;
        scene
    };
    let ran = || gone().with(|f| f.last_queued = LastQueued::At(ago(30)));
    let again = |days: i64| {
        let mut scene = gone();
        scene.removals = Some(Tally {
            count: 1,
            last_time: Time(ago(days * 24 * 60)),
        });
        scene
    };
    let unknown = |f: &mut Facts<'_>| f.deleted = Asked::Answered(None);
    let bill = |f: &mut Facts<'_>| f.bill = Asked::Answered(Bill { free: 2, paid: false });
    check(vec![
        ("came due, nobody deleted it", gone(), "write Recreated"),
        (
            "came due, the trail is asked first",
            gone().with(|f| f.deleted = Asked::NotYet),
            "observe Deletion",
        ),
        (
            "came due, somebody deleted it",
            gone().with(|f| f.deleted = Asked::Answered(Some(true))),
            "write Corrected",
        ),
        ("came due, no trail", gone().with(unknown), "write Recreated"),
        (
            "came due, the trail fails",
            gone().with(|f| f.deleted = Asked::Failed(error(Failure::ServerError))),
            "refuse ServerError",
        ),
        (
            "came due, the trail fails, asked for",
            gone().with(|f| (f.deleted, f.requested) = (Asked::Failed(error(Failure::ServerError)), true)),
            "write Recreated",
        ),
        (
            "came due, the trail fails for long",
            gone().with(|f| {
                f.deleted = Asked::Failed(error(Failure::ServerError));
                f.failing_since = Some(f.local_now - SignedDuration::from_hours(1));
            }),
            "write Recreated",
        ),
        (
            "had run, so it is not due",
            ran().with(|f| f.deleted = Asked::NotYet),
            "write Corrected",
        ),
        (
            "the zone is not known",
            gone().with(|f| f.expected = Err(Unexpected::ZoneUnknown)),
            "write Corrected",
        ),
        (
            "a backup is running",
            ran().with(|f| f.progress = running()),
            "refuse BackupRunning",
        ),
        ("again this month, why", again(2), "observe Bill"),
        ("again this month", again(2).with(bill), "refuse RemovedByPortal"),
        (
            "again this month, the bill cannot be read",
            again(2).with(|f| f.bill = Asked::Failed(error(Failure::ServerError))),
            "refuse RemovedByPortal",
        ),
        (
            "again this month, asked for",
            again(2).with(|f| f.requested = true),
            "write Recreated",
        ),
        ("again the month after", again(25), "write Recreated"),
        (
            "stalled so, and checked again",
            again(2).with(removed_before).with(bill),
            "refuse RemovedByPortal",
        ),
        (
            "stalled so, and the month is over",
            again(25).with(removed_before),
            "write Recreated",
        ),
        (
            "stalled so, and the manifest changed",
            again(2).with(bill).had_applied(|a| a.cron_params.hour = 5),
            "write Changed",
        ),
        (
            "it would cost archives",
            gone().with(|f| (f.archives, f.events) = (Asked::Answered(archives(8)), Asked::Answered(None))),
            "refuse WouldDeleteArchives",
        ),
    ]);
    let message = |bill| match again(2).with(move |f| f.bill = Asked::Answered(bill)).step() {
        Step::Do(Plan::Refuse(verdict)) => verdict.message,
        plan => panic!("{plan:?}"),
    };
    assert!(message(Bill { free: 2, paid: false }).contains("(2 were made) and paid backup is off"));
    assert!(message(Bill { free: 0, paid: true }).contains("no means to pay"));
}
