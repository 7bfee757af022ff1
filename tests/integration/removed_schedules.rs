//! Missing schedules: removed by the portal for billing reasons, or deleted by a person, once or repeatedly.

use docspace_backup_operator::api::{AppliedReason, DocSpaceBackupSchedule};
use serde_json::json;
use simulated_portal::{Archive, Installation};

use crate::world::{World, applied_reason, at, condition, every_day, message, reason};

/// A portal in the cloud that has made its free backups, and an object for 13 o'clock.
async fn used_up() -> World {
    let world = World::at_noon(Installation::saas()).await;
    world.portal.change(|tenant| tenant.free_backups = Some(2));
    for (id, made) in [("first", "11-05 13:08"), ("second", "11-06 13:08")] {
        let archive = Archive::scheduled(id, at(made)).in_storage(5);
        world.portal.add_archive(false, archive);
    }
    world.create(&world.in_the_cloud(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world
}

/// The object once it has looked and put back what the portal had removed.
async fn restored(world: &World) -> DocSpaceBackupSchedule {
    world.check_now().await;
    world
        .wait("nightly", |object| {
            applied_reason(object) == Some(AppliedReason::Recreated)
        })
        .await
}

/// A portal that has made its free backups, after the schedule was removed, restored and removed again.
async fn removed_twice() -> World {
    let world = used_up().await;
    world.live_until("11-23 13:12");
    assert_eq!(world.cron(), None, "the portal removed it");
    let object = restored(&world).await;
    let removals = object.status.and_then(|status| status.removals);
    assert_eq!(removals.map(|removals| removals.count), Some(1));
    assert_eq!(world.event("ScheduleRecreated").await.0, "Warning");

    world.live_until("11-23 13:25");
    assert_eq!(world.cron(), None, "the portal removed it again");
    world.check_now().await;
    let object = world.stalled("nightly", "RemovedByPortal").await;
    let words = message(&object, "Ready");
    assert!(
        words.contains("free backups of the month are used up (2 were made)"),
        "{words}"
    );
    assert_eq!(world.posts(), 2);
    world
}

#[tokio::test]
async fn what_the_portal_removes_is_restored_once_a_month() {
    let world = removed_twice().await;
    world.live_until("11-30 23:50");
    world.check_now().await;
    world.fresh("nightly", "Overdue").await;
    world.stalled("nightly", "RemovedByPortal").await;
    assert_eq!((world.posts(), world.cron()), (2, None));

    world.live_until("12-01 00:10");
    world.check_now().await;
    let object = world.ready("nightly").await;
    assert_eq!(applied_reason(&object), Some(AppliedReason::Recreated));
    let removals = object.status.and_then(|status| status.removals);
    assert_eq!(removals.map(|removals| removals.count), Some(1), "of December");
    assert_eq!((world.posts(), world.cron()), (3, Some(every_day(13))));
    world.proved("12-01 13:10", "12-01 13:42").await;
}

#[tokio::test]
async fn what_the_portal_removed_twice_is_restored_when_asked_for() {
    let world = removed_twice().await;
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "Ready"), Some("InSync"));
    assert_eq!((world.posts(), world.cron()), (3, Some(every_day(13))));
    let removals = object.status.and_then(|status| status.removals);
    assert_eq!(removals.map(|removals| removals.count), Some(2));
}

#[tokio::test]
async fn what_the_portal_removed_twice_is_written_when_the_manifest_changes() {
    let world = removed_twice().await;
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 14}}}))
        .await;
    let object = world.ready("nightly").await;
    assert_eq!(applied_reason(&object), Some(AppliedReason::Changed));
    assert_eq!((world.posts(), world.cron()), (3, Some(every_day(14))));
}

#[tokio::test]
async fn neither_a_restart_nor_a_blip_restores_what_the_portal_removed_twice() {
    let mut world = removed_twice().await;
    world.operator.kill().await;
    world.operator.restart().await;
    world.look_after(async |world| world.check_now().await).await;
    world.answer_looks(502, "");
    world.check_now().await;
    world.told("nightly", "ProxyError").await;
    world.operator.kill().await;
    world.server.clear_faults();
    world.operator.restart().await;
    world.stalled("nightly", "RemovedByPortal").await;
    assert_eq!((world.posts(), world.cron()), (2, None));
}

#[tokio::test]
async fn a_removal_while_the_operator_was_away_is_the_portals_too() {
    let mut world = used_up().await;
    world.operator.kill().await;
    world.live_until("11-23 13:12");
    world.operator.restart().await;
    world.request("nightly").await;
    world
        .wait("nightly", |object| {
            applied_reason(object) == Some(AppliedReason::Recreated)
        })
        .await;
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn where_paid_backup_is_on_a_removal_is_laid_to_the_means_to_pay() {
    let world = World::at_noon(Installation::saas()).await;
    world.portal.change(|tenant| tenant.paid_backup_service = true);
    world.create(&world.in_the_cloud(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.sleep_until("11-23 13:12");
    world.portal.remove_schedule(false);
    restored(&world).await;
    world.portal.remove_schedule(false);
    world.check_now().await;
    let object = world.stalled("nightly", "RemovedByPortal").await;
    let words = message(&object, "Ready");
    assert!(words.contains("no means to pay"), "{words}");
}

#[tokio::test]
async fn a_tariff_that_ran_out_is_told_and_nothing_is_written() {
    let world = World::at_noon(Installation::saas()).await;
    world.create(&world.in_the_cloud(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.shortly_before("11-23 15:00").await;
    world.portal.change(|tenant| tenant.tariff_ran_out = true);
    world.check_now().await;
    let object = world.stalled("nightly", "PlanNotAllowed").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("NotDueYet"));
    let object = world.fresh("nightly", "NoEvidence").await;
    assert_eq!(reason(&object, "Ready"), Some("PlanNotAllowed"));
    assert_eq!((world.posts(), world.cron()), (1, Some(every_day(13))));

    world.portal.change(|tenant| tenant.tariff_ran_out = false);
    world.check_now().await;
    world.ready("nightly").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn what_a_person_deletes_after_it_came_due_is_a_correction() {
    let world = World::with_ready_at(13).await;
    world.live_until("11-23 13:12");
    world.somebody_deletes().await;
    world.check_now().await;
    let object = world
        .wait("nightly", |object| {
            applied_reason(object) == Some(AppliedReason::Corrected)
        })
        .await;
    let status = object.status.expect("a status");
    assert_eq!(status.corrections.map(|corrections| corrections.count), Some(1));
    assert_eq!(status.removals, None);
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(13))));
}

#[tokio::test]
async fn without_the_trail_nobody_is_blamed_for_what_is_gone_after_it_came_due() {
    let world = World::at_noon(Installation::saas()).await;
    world.portal.change(|tenant| tenant.audit = false);
    world.create(&world.in_the_cloud(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.live_until("11-23 13:12");
    world.portal.remove_schedule(false);
    restored(&world).await;
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn a_person_who_fights_back_wins_for_a_day() {
    let world = World::with_ready_at(13).await;
    world.somebody_deletes().await;
    world.check_now().await;
    world
        .wait("nightly", |object| {
            applied_reason(object) == Some(AppliedReason::Corrected)
        })
        .await;
    world.live_until("11-23 12:30");
    world.somebody_deletes().await;
    world.check_now().await;
    let object = world.stalled("nightly", "Contested").await;
    assert_eq!(
        condition(&object, "Synced").map(|synced| synced.status.as_str()),
        Some("False")
    );
    world.live_until("11-24 12:20");
    world.look("nightly", "Overdue").await;
    assert_eq!((world.posts(), world.cron()), (2, None));

    // A quiet day after the last change that was seen.
    world.live_until("11-24 12:40");
    world.check_now().await;
    world.ready("nightly").await;
    assert_eq!((world.posts(), world.cron()), (3, Some(every_day(13))));
}
