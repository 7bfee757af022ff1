//! Poor evidence: unreadable histories, runs that hang, portals that report little, restarts.

use docspace_backup_operator::api::ManagementPolicy;
use serde_json::json;
use simulated_portal::{Fault, FaultBody, File, Installation, Outcome};

use crate::world::{Setup, World, at, condition, into_a_folder, is_ready, message, reason};

#[tokio::test]
async fn a_warning_of_the_portal_goes_with_its_archive() {
    let world = World::with_ready_at(13).await;
    let warning = "2 files could not be read";
    world
        .portal
        .next_run(false, Outcome::SucceedsWithWarning(warning.into()));
    world.live_until("11-23 13:10");
    let object = world.look("nightly", "Confirming").await;
    assert!(message(&object, "BackupFresh").contains(warning));
    world.live_until("11-23 13:42");
    let object = world.look("nightly", "BackupFound").await;
    assert!(message(&object, "BackupFresh").contains(warning));
    let (kind, text) = world.event("BackupWarning").await;
    assert_eq!(kind, "Warning");
    assert!(text.contains(warning), "{text}");
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_no_evidence() {
    let world = World::with_ready_at(13).await;
    let unread = world
        .server
        .order(Fault::answer(503, FaultBody::Empty).to("getbackuphistory"));
    world.live_until("11-23 15:05");
    let object = world.look("nightly", "NoEvidence").await;
    assert!(is_ready(&object), "the schedule is as the manifest says");
    world.server.clear_fault(unread);
    // It is tried again after half an hour.
    world.proved("11-23 15:36", "11-23 16:08").await;
}

#[tokio::test]
async fn a_run_that_hangs_is_under_way_until_it_is_lost() {
    let world = World::with_ready_at(13).await;
    world.portal.next_run(false, Outcome::Hangs);
    world.live_until("11-23 13:10");
    world.look("nightly", "Running").await;
    world.live_until("11-23 15:05");
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("Running"));
    world.server.restart_services();
    world.live_until("11-23 16:10");
    world.look("nightly", "Overdue").await;
}

#[tokio::test]
async fn a_first_run_that_failed_before_it_was_looked_at_says_why() {
    let world = World::with_ready_at(3).await;
    world
        .portal
        .next_run(false, Outcome::Fails("No space left on device".into()));
    world.live_until("11-23 12:15");
    let object = world.look("nightly", "Failed").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("No space left on device"), "{words}");
}

#[tokio::test]
async fn without_an_audit_trail_a_failure_is_told_and_a_persons_archive_counts() {
    let world = Setup::default()
        .installation(Installation::saas())
        .of_one_process("without a trail, only who saw the run before knows that this is another")
        .start(&[])
        .await;
    world.server.clock().set(at("11-23 12:00"));
    world.portal.change(|tenant| tenant.audit = false);
    let mut object = world.in_the_cloud(world.nightly_at(13));
    object.spec.storage_type = serde_json::from_value(json!("DataStore")).expect("a storage type");
    object.spec.storage_params = Vec::new();
    world.create(&object).await;
    world.ready("nightly").await;
    assert_eq!(world.event("ArchivesExpire").await.0, "Warning");
    world.live_until("11-23 12:55");
    world.request("nightly").await;
    world
        .portal
        .next_run(false, Outcome::Fails("No space left on device".into()));
    world.live_until("11-23 13:10");
    world.look("nightly", "Failed").await;
    world.portal.start_backup(false);
    world.proved("11-23 14:15", "11-23 14:50").await;
}

#[tokio::test]
async fn an_observed_schedule_is_proved_without_a_write() {
    let world = World::at_noon(Installation::default()).await;
    world.hold(&world.nightly_at(13));
    let mut object = world.nightly_at(13);
    object.spec.management_policy = ManagementPolicy::Observe;
    world.create(&object).await;
    world.ready("nightly").await;
    world.fresh("nightly", "NotDueYet").await;
    let object = world.proved("11-23 13:10", "11-23 13:42").await;
    assert!(object.metadata.finalizers.is_none());
    assert_eq!(world.posts(), 0);
}

#[tokio::test]
async fn what_vanished_stays_so_over_a_restart_and_is_told_once() {
    let mut world = World::at_noon(Installation::on_postgresql()).await;
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    world.live_until("11-23 13:10");
    world.look("nightly", "Confirming").await;
    world.live_until("11-23 13:42");
    world.look("nightly", "Vanished").await;
    world.event("Vanished").await;
    world.operator.kill().await;
    world.operator.restart().await;
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("Vanished"));
    world.request("nightly").await;
    assert_eq!(world.events("Vanished").await, 1);
}

#[tokio::test]
async fn a_confirmed_archive_that_is_gone_has_vanished_until_the_next_one() {
    let world = World::with_ready_at(13).await;
    world.proved("11-23 13:10", "11-23 13:42").await;
    let id = world.portal.archives(false)[0].id.clone();
    world
        .portal
        .change_archive(false, &id, |archive| archive.file = File::Missing);
    // The archives are counted every six hours.
    world.live_until("11-23 19:45");
    let object = world.look("nightly", "Vanished").await;
    assert_eq!(object.status.and_then(|status| status.backup_count), Some(0));
    for time in ["11-24 13:10", "11-24 13:42"] {
        world.live_until(time);
        world.request("nightly").await;
    }
    let object = world.fresh("nightly", "BackupFound").await;
    let backup = object.status.and_then(|status| status.last_backup);
    assert_eq!(backup.map(|backup| backup.created_on.0), Some(at("11-24 13:08")));
}

#[tokio::test]
async fn a_backup_that_comes_late_clears_its_overdue() {
    let world = World::at_noon(Installation::default()).await;
    let mut object = world.nightly_at(13);
    object.spec.backup_deadline = serde_json::from_value(json!("30m")).expect("a duration");
    world.create(&object).await;
    world.ready("nightly").await;
    world.sleep_until("11-23 13:35");
    let object = world.look("nightly", "Overdue").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("does not show that it started"), "{words}");
    assert_eq!(
        condition(&object, "BackupFresh").map(|fresh| fresh.status.as_str()),
        Some("False")
    );
    // Its services come back.
    world.proved("11-23 14:40", "11-23 15:12").await;
}

#[tokio::test]
async fn an_archive_in_another_storage_than_the_schedules_proves_nothing() {
    let world = World::with_ready_at(3).await;
    world.proved("11-23 12:10", "11-23 12:42").await;
    let spec = serde_json::to_value(into_a_folder(world.nightly()).spec).expect("a spec is JSON");
    let storage = json!({"storageType": spec["storageType"], "storageParams": spec["storageParams"]});
    world.patch("nightly", json!({"spec": storage})).await;
    world.fresh("nightly", "NotDueYet").await;
    let object = world.proved("11-23 12:55", "11-23 13:27").await;
    let backup = object.status.and_then(|status| status.last_backup);
    assert_eq!(backup.map(|backup| backup.storage_type).as_deref(), Some("Local"));
}

#[tokio::test]
async fn without_the_portals_time_zone_nothing_is_expected_of_it_yet() {
    let world = World::at_noon(Installation::default()).await;
    let unread = world
        .server
        .order(Fault::answer(503, FaultBody::Empty).to("settings"));
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    let object = world.fresh("nightly", "NoEvidence").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("time zone"), "{words}");
    world.server.clear_fault(unread);
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("NotDueYet"));
    assert_eq!(
        object.status.and_then(|status| status.time_zone).as_deref(),
        Some("UTC")
    );
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_failure_that_was_there_when_the_operator_started_says_why() {
    let mut world = World::with_ready_at(13).await;
    world.request("nightly").await;
    world.operator.kill().await;
    world
        .portal
        .next_run(false, Outcome::Fails("No space left on device".into()));
    world.live_until("11-23 13:15");
    world.operator.restart().await;
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("Failed"));
    let words = message(&object, "BackupFresh");
    assert!(words.contains("No space left on device"), "{words}");
}
