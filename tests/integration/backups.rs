//! Whether a schedule produces archives: backups that succeed, fail, vanish or go unobserved, and BackupFresh for each.

use docspace_backup_operator::api::{AdoptionPolicy, DocSpaceBackupSchedule, REQUESTED_AT};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulated_portal::{ApiKey, Fault, Installation, Outcome};

use crate::world::{World, at, condition, into_a_folder, is_observed, is_ready, message, reason};

fn last_backup(object: &DocSpaceBackupSchedule) -> Option<Timestamp> {
    let backup = object.status.as_ref()?.last_backup.as_ref();
    backup.map(|backup| backup.created_on.0)
}

#[tokio::test]
async fn a_night_that_works_is_proved_by_an_archive_that_stays() {
    let world = World::with_ready_at(3).await;
    let object = world.fresh("nightly", "NotDueYet").await;
    let next = object.status.and_then(|status| status.next_backup_time);
    assert_eq!(next.map(|time| time.0), Some(at("11-23 12:00")));
    let (_, text) = world.event("ScheduleCreated").await;
    assert!(text.contains("makes a backup within 15 minutes"), "{text}");

    let object = world.proved("11-23 12:12", "11-23 12:42").await;
    assert_eq!(last_backup(&object), Some(at("11-23 12:08")));
    let status = object.status.expect("a status");
    let backup = status.last_backup.expect("a backup");
    assert_eq!(backup.id, world.portal.archives(false)[0].id);
    assert_eq!(backup.storage_type, "ThirdPartyConsumer");
    assert_eq!((status.backup_count, status.candidate), (Some(1), None));
    assert_eq!(
        status.next_backup_time.map(|time| time.0),
        Some(at("11-24 03:00"))
    );
    assert_eq!(status.time_zone.as_deref(), Some("UTC"));

    for (time, at_that_time) in [
        ("11-24 03:12", at("11-23 12:08")),
        ("11-24 03:42", at("11-24 03:08")),
    ] {
        world.live_until(time);
        let object = world.request("nightly").await;
        assert_eq!(reason(&object, "BackupFresh"), Some("BackupFound"), "{time}");
        assert_eq!(last_backup(&object), Some(at_that_time), "{time}");
    }
    assert_eq!(world.event("BackupFound").await.0, "Normal");
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_night_that_fails_says_why_and_the_next_one_heals_it() {
    let world = World::with_ready_at(22).await;
    world.live_until("11-23 21:55");
    world.request("nightly").await;
    world
        .portal
        .next_run(false, Outcome::Fails("No space left on device".into()));
    world.live_until("11-23 22:12");
    let object = world.look("nightly", "Failed").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("No space left on device"), "{words}");
    assert!(is_ready(&object), "the schedule is as the manifest says");
    let failure = object
        .status
        .and_then(|status| status.last_failure)
        .expect("a failure");
    assert_eq!(
        (failure.message.as_str(), failure.time.0),
        ("No space left on device", at("11-23 22:08"))
    );
    let (kind, text) = world.event("Failed").await;
    assert_eq!(kind, "Warning");
    assert!(text.contains("No space left on device"), "{text}");

    let object = world.proved("11-24 22:12", "11-24 22:42").await;
    assert_eq!(last_backup(&object), Some(at("11-24 22:08")));
}

#[tokio::test]
async fn a_failure_far_from_greenwich_is_told_in_utc() {
    let world = World::at_noon(Installation::default()).await;
    world
        .portal
        .change(|tenant| tenant.time_zone = Some("America/New_York".into()));
    world.create(&world.nightly_at(8)).await;
    let object = world.ready("nightly").await;
    let status = object.status.expect("a status");
    assert_eq!(
        status.schedule.as_deref(),
        Some("EveryDay 08:00 America/New_York")
    );
    assert_eq!(
        status.next_backup_time.map(|time| time.0),
        Some(at("11-23 13:00"))
    );
    world.request("nightly").await;
    world.portal.next_run(false, Outcome::Fails("No luck".into()));
    world.live_until("11-23 13:12");
    let object = world.look("nightly", "Failed").await;
    let failure = object.status.and_then(|status| status.last_failure);
    assert_eq!(failure.map(|failure| failure.time.0), Some(at("11-23 13:08")));
}

#[tokio::test]
async fn an_archive_that_the_cleaner_takes_has_vanished() {
    let world = World::at_noon(Installation::on_postgresql()).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world.live_until("11-23 12:10");
    let object = world.look("nightly", "Confirming").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("PostgreSQL"), "{words}");
    let warning = object
        .status
        .and_then(|status| status.candidate)
        .and_then(|candidate| candidate.warning)
        .expect("a warning");
    assert!(warning.contains("PostgreSQL"), "{warning}");
    assert_eq!(world.event("BackupWarning").await.0, "Warning");

    world.live_until("11-23 12:40");
    let object = world.look("nightly", "Vanished").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("PostgreSQL"), "{words}");
    assert_eq!(
        condition(&object, "BackupFresh").map(|fresh| fresh.status.as_str()),
        Some("False")
    );
    assert_eq!(world.event("Vanished").await.0, "Warning");
}

#[tokio::test]
async fn a_backup_that_a_person_started_is_in_the_way() {
    let world = World::at_noon(Installation::default()).await;
    world.create(&into_a_folder(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.live_until("11-23 12:58");
    world.portal.next_run(false, Outcome::Hangs);
    world.portal.start_backup(false);
    world.live_until("11-23 13:02");
    world.look("nightly", "Running").await;
    world.live_until("11-23 13:10");
    world.portal.end_run(false, Outcome::Succeeds);
    world.live_until("11-23 13:15");
    let object = world.request("nightly").await;
    assert_eq!(
        reason(&object, "BackupFresh"),
        Some("NotDueYet"),
        "a person's archive"
    );
    world.live_until("11-23 15:05");
    let object = world.look("nightly", "Dropped").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("a person"), "{words}");
    assert_eq!(world.event("Dropped").await.0, "Warning");
}

#[tokio::test]
async fn an_archive_that_a_person_made_proves_nothing() {
    let world = World::at_noon(Installation::default()).await;
    world.create(&into_a_folder(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.portal.next_run(false, Outcome::Lost);
    world.live_until("11-23 14:00");
    world.portal.start_backup(false);
    world.live_until("11-23 14:10");
    assert_eq!(world.portal.archives(false).len(), 1);
    world.request("nightly").await;
    world.live_until("11-23 15:05");
    let object = world.look("nightly", "Overdue").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("the portal queued it"), "{words}");
    assert_eq!(object.status.and_then(|status| status.last_backup), None);
    assert_eq!(world.event("Overdue").await.0, "Warning");
}

#[tokio::test]
async fn a_portal_that_was_away_over_two_nights_is_believed_again() {
    let world = World::with_ready_at(3).await;
    world.proved("11-23 12:10", "11-23 12:42").await;
    // A few seconds before the deadline of the next night. Error pages do not show the portal's clock.
    world.shortly_before("11-24 05:00").await;
    let away = world.server.order(Fault::bad_gateway());
    let object = world.look("nightly", "NoEvidence").await;
    assert_eq!(
        condition(&object, "BackupFresh").map(|fresh| fresh.status.as_str()),
        Some("Unknown")
    );
    world.server.clear_fault(away);
    world.sleep_until("11-25 12:00");
    world.look("nightly", "Overdue").await;
    // What is late is looked for once an hour.
    let object = world.proved("11-25 13:05", "11-25 13:40").await;
    assert_eq!(last_backup(&object), Some(at("11-25 12:08")));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn another_time_zone_of_the_portal_begins_anew_without_a_write() {
    let world = World::with_ready_at(3).await;
    world.live_until("11-23 12:10");
    world.look("nightly", "Confirming").await;
    world
        .portal
        .change(|tenant| tenant.time_zone = Some("Europe/Berlin".into()));
    world.live_until("11-23 12:50");
    let moved = |object: &DocSpaceBackupSchedule| {
        let zone = object
            .status
            .as_ref()
            .and_then(|status| status.time_zone.as_deref());
        zone == Some("Europe/Berlin")
    };
    // Another key makes the operator read the settings again.
    world.believe_clock().await;
    let key = world.portal.issue_key(ApiKey::named("another"));
    world.set_key(&key).await;
    let status = world.wait("nightly", moved).await.status.expect("a status");
    assert_eq!(status.schedule.as_deref(), Some("EveryDay 03:00 Europe/Berlin"));
    assert_eq!(
        status.next_backup_time.map(|time| time.0),
        Some(at("11-24 02:00"))
    );
    let in_force = status.in_force.expect("a schedule in force");
    assert_eq!(in_force.since.0, at("11-23 12:50"));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_suspended_object_knows_nothing_of_nights_that_pass() {
    let mut world = World::at_noon(Installation::default()).await;
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    // The deadline passes while the object is suspended.
    let object = world.shortly_before("11-23 15:00").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("NotDueYet"));
    world.operator.stop().await;
    let calls = world.calls();
    world.patch("nightly", json!({"spec": {"suspend": true}})).await;
    world.operator.restart().await;
    let object = world.fresh("nightly", "NoEvidence").await;
    assert_eq!(reason(&object, "Suspended"), Some("Suspended"));
    assert_eq!(
        condition(&object, "Ready").map(|ready| ready.status.as_str()),
        Some("True"),
        "as it was"
    );
    let requested = json!({"metadata": {"annotations": {REQUESTED_AT: "now"}}});
    world.patch("nightly", requested).await;
    world.patch("nightly", json!({"spec": {"interval": "10m"}})).await;
    let object = world.wait("nightly", is_observed).await;
    let echo = object.status.and_then(|status| status.last_handled_reconcile_at);
    assert_eq!(world.calls(), calls);
    assert_ne!(echo.as_deref(), Some("now"));

    world.server.live(SignedDuration::from_mins(75));
    world.patch("nightly", json!({"spec": {"suspend": false}})).await;
    world.fresh("nightly", "Confirming").await;
    world.server.live(SignedDuration::from_mins(30));
    world.look("nightly", "BackupFound").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_operator_that_starts_anew_confirms_what_was_listed_before() {
    let mut world = World::with_ready_at(3).await;
    world.live_until("11-23 12:10");
    world.look("nightly", "Confirming").await;
    world.operator.kill().await;
    world.live_until("11-23 12:42");
    world.operator.restart().await;
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("BackupFound"));
    assert_eq!(last_backup(&object), Some(at("11-23 12:08")));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_refused_adoption_that_is_allowed_ends_in_a_backup() {
    let world = World::at_noon(Installation::default()).await;
    world.hold(&world.nightly_at(9));
    let mut object = world.nightly();
    object.spec.adoption_policy = AdoptionPolicy::Never;
    world.create(&object).await;
    let object = world.stalled("nightly", "AdoptionRefused").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("NotDueYet"));
    world
        .patch("nightly", json!({"spec": {"adoptionPolicy": "Safe"}}))
        .await;
    world.ready("nightly").await;
    world.event("ScheduleReplaced").await;
    world.proved("11-23 12:10", "11-23 12:42").await;
    assert_eq!(world.posts(), 1);
}
