//! Evidence of backups that is late, not to be had, or about another run; and first starts that lie far ahead.

use docspace_backup_operator::api::{DocSpaceBackupSchedule, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulated_portal::{Fault, FaultBody, Installation, Outcome};

use crate::{
    believed::{assert_never, told_of},
    hidden::canaries::Versions,
    world::{Setup, World, at, condition, into_a_folder, is_ready, message, reason},
};

fn status(object: &DocSpaceBackupSchedule) -> &Status {
    object.status.as_ref().expect("a status")
}

fn fresh(object: &DocSpaceBackupSchedule) -> Option<(&str, &str)> {
    condition(object, "BackupFresh").map(|fresh| (fresh.status.as_str(), fresh.reason.as_str()))
}

/// The proxy gives up before the audit trail answers.
fn slow_trail() -> Fault {
    Fault::answer(504, FaultBody::Html).to("events/filter")
}

fn failing_since(object: &DocSpaceBackupSchedule) -> Option<Timestamp> {
    let since = status(object).audit_trail_failing_since.as_ref();
    since.map(|time| time.0)
}

fn last_backup(object: &DocSpaceBackupSchedule) -> Option<Timestamp> {
    let backup = status(object).last_backup.as_ref();
    backup.map(|backup| backup.created_on.0)
}

#[tokio::test]
async fn an_archive_waits_for_a_trail_that_fails_beyond_its_deadline() {
    let world = World::with_ready_at(13).await;
    let versions = Versions::of(&world);
    let trail = world.server.order(slow_trail());
    world.live_until("11-23 13:10");
    let object = world.look("nightly", "Confirming").await;
    let since = failing_since(&object);
    assert_eq!(since, Some(at("11-23 13:10")));
    for time in ["11-23 13:42", "11-23 15:05"] {
        world.live_until(time);
        let object = world.request("nightly").await;
        assert_eq!(fresh(&object), Some(("Unknown", "Confirming")), "{time}");
        assert_eq!(failing_since(&object), since, "{time}");
        assert!(is_ready(&object));
    }
    world.server.clear_fault(trail);
    let object = world.request("nightly").await;
    assert_eq!(fresh(&object), Some(("True", "BackupFound")));
    assert_eq!(failing_since(&object), None);
    assert_eq!(last_backup(&object), Some(at("11-23 13:08")));
    assert_never("BackupFresh", "False", &versions, &world).await;
}

#[tokio::test]
async fn the_only_archive_that_is_kept_waits_for_the_trail_over_a_restart() {
    let mut world = World::at_noon(Installation::default()).await;
    let mut object = world.nightly_at(13);
    object.spec.backups_stored = 1;
    world.create(&object).await;
    world.ready("nightly").await;
    world.proved("11-23 13:10", "11-23 13:42").await;
    let versions = Versions::of(&world);
    let trail = world.server.order(slow_trail());
    world.live_until("11-24 13:10");
    let object = world.request("nightly").await;
    assert_eq!(
        fresh(&object),
        Some(("True", "BackupFound")),
        "it counts until the deadline"
    );
    let since = failing_since(&object);
    assert!(since.is_some());
    // The cleaner takes the one before.
    world.live_until("11-24 13:20");
    let object = world.request("nightly").await;
    assert_eq!(status(&object).backup_count, Some(1));
    world.live_until("11-24 15:05");
    let object = world.request("nightly").await;
    assert_eq!(fresh(&object), Some(("Unknown", "Confirming")));

    world.operator.kill().await;
    world.operator.restart().await;
    for _ in 0..2 {
        let object = world.request("nightly").await;
        assert_eq!(fresh(&object), Some(("Unknown", "Confirming")));
        assert_eq!(failing_since(&object), since);
    }
    world.server.clear_fault(trail);
    let object = world.request("nightly").await;
    assert_eq!(fresh(&object), Some(("True", "BackupFound")));
    assert_eq!(last_backup(&object), Some(at("11-24 13:08")));
    assert_never("BackupFresh", "False", &versions, &world).await;
    for reason in ["Overdue", "Vanished"] {
        assert_eq!(world.events(reason).await, 0, "{reason}");
    }
}

#[tokio::test]
async fn a_persons_failure_of_the_evening_is_not_that_of_the_night() {
    // Without a trail, progress alone must tell.
    for audit in [true, false] {
        let world = World::at_noon(Installation::saas()).await;
        world.portal.change(|tenant| tenant.audit = audit);
        world.create(&world.in_the_cloud(world.nightly())).await;
        world.ready("nightly").await;
        world.proved("11-23 12:12", "11-23 12:42").await;
        let versions = Versions::of(&world);
        world.live_until("11-23 22:00");
        world
            .portal
            .next_run(false, Outcome::Fails("No space left on device".into()));
        world.portal.start_backup(false);
        // Nobody has looked since noon.
        world.live_until("11-24 03:05");
        for _ in 0..2 {
            let object = world.request("nightly").await;
            assert_eq!(fresh(&object), Some(("True", "BackupFound")), "audit {audit}");
        }
        for time in ["11-24 03:12", "11-24 03:42", "11-24 05:05"] {
            world.live_until(time);
            let object = world.request("nightly").await;
            assert_eq!(reason(&object, "BackupFresh"), Some("BackupFound"), "{time}");
        }
        assert_eq!(last_backup(&world.get("nightly").await), Some(at("11-24 03:08")));
        let told = told_of("BackupFresh", &versions, &world).await;
        assert!(told.iter().all(|(status, _)| status == "True"), "{told:?}");
        assert_eq!(status(&world.get("nightly").await).last_failure, None);
        assert_eq!(world.events("Failed").await, 0);
    }
}

#[tokio::test]
async fn an_archive_is_no_persons_for_good_because_its_event_was_late() {
    let world = World::at_noon(Installation::default()).await;
    world.create(&into_a_folder(world.nightly_at(13))).await;
    world.ready("nightly").await;
    let versions = Versions::of(&world);
    world.live_until("11-23 13:04");
    world.portal.start_backup(false);
    world.live_until("11-23 13:06");
    assert_eq!(world.portal.archives(false).len(), 1, "the person's");
    world.portal.next_run(false, Outcome::Hangs);
    world.live_until("11-23 13:18");
    world.portal.hold_events();
    world.portal.end_run(false, Outcome::Succeeds);
    world.live_until("11-23 13:20");
    let object = world.request("nightly").await;
    assert_eq!(status(&object).backup_count, Some(2));
    assert_eq!(
        fresh(&object),
        Some(("Unknown", "NotDueYet")),
        "the only run about that time in the trail is the person's"
    );
    world.portal.write_held_events();
    let object = world.proved("11-23 13:52", "11-23 14:25").await;
    assert_eq!(last_backup(&object), Some(at("11-23 13:18")));
    assert_never("BackupFresh", "False", &versions, &world).await;
}

/// A portal with a schedule at this time whose first start is far ahead, and what BackupFresh says of it.
async fn first_start_ahead(now: &str, zone: &str, cron: serde_json::Value, reason: &str) -> (World, String) {
    let world = Setup::default().start(&[]).await;
    world.server.clock().set(at(now));
    world
        .portal
        .change(|tenant| tenant.time_zone = Some(zone.to_owned()));
    let mut object = world.nightly();
    object.spec.cron_params = serde_json::from_value(cron).expect("cronParams");
    world.create(&object).await;
    world.ready("nightly").await;
    let object = world.fresh("nightly", reason).await;
    let words = message(&object, "BackupFresh").to_owned();
    (world, words)
}

impl World {
    /// Lets the portal live until this first start: it makes no backup before, and one then, which counts.
    async fn starts_first_at(&self, first: &str) {
        let first: Timestamp = first.parse().expect("a time");
        let next = status(&self.get("nightly").await).next_backup_time.clone();
        assert_eq!(next.map(|time| time.0), Some(first));
        let left = first.duration_since(self.server.clock().now());
        self.server.live(left);
        assert!(self.portal.archives(false).is_empty(), "none before");
        self.server.live(SignedDuration::from_mins(10));
        assert_eq!(self.portal.archives(false).len(), 1);
        self.look("nightly", "Confirming").await;
        self.server.live(SignedDuration::from_mins(32));
        self.look("nightly", "BackupFound").await;
    }
}

#[tokio::test]
async fn a_day_that_february_lacks_is_due_in_march() {
    let cron = json!({"period": "EveryMonth", "hour": 3, "day": 30});
    let (world, words) = first_start_ahead("02-10 12:00", "UTC", cron, "NotDueYet").await;
    let first = "2026-03-30T03:00:00Z";
    assert!(words.contains(first), "{words}");
    let object = world.get("nightly").await;
    assert_eq!(fresh(&object), Some(("Unknown", "NotDueYet")));
    assert_eq!(world.events("NeverStarts").await, 0);
    world.starts_first_at(first).await;
}

#[tokio::test]
async fn an_hour_that_comes_only_in_summer_time_says_when_it_starts() {
    let cron = json!({"period": "EveryDay", "hour": 19, "day": 0});
    let (world, words) = first_start_ahead("11-23 12:00", "America/New_York", cron, "StartsLate").await;
    // Summer time begins on this day.
    let first = "2027-03-14T23:00:00Z";
    assert!(words.contains(first), "{words}");
    let object = world.get("nightly").await;
    assert_eq!(fresh(&object), Some(("False", "StartsLate")));
    assert_eq!(world.event("StartsLate").await.0, "Warning");
    world.starts_first_at(first).await;
}
