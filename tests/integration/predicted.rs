//! Warnings before the damage: hours that never come, storage types without a storage, two schedules at one hour,
//! quotas.

use serde_json::json;
use simulated_portal::{Archive, Installation};

use crate::world::{Setup, World, at, is_ready, message, reason};

#[tokio::test]
async fn an_hour_that_never_comes_is_told_at_once_and_withdrawn_when_it_came() {
    let world = World::at_noon(Installation::default()).await;
    world
        .portal
        .change(|tenant| tenant.time_zone = Some("America/New_York".into()));
    world.create(&world.nightly_at(22)).await;
    let object = world.fresh("nightly", "NeverStarts").await;
    assert!(is_ready(&object), "the schedule is as the manifest says");
    let words = message(&object, "BackupFresh");
    assert!(
        words.contains("3.7.2") && words.contains("earlier cronParams.hour"),
        "{words}"
    );
    assert_eq!(
        object.status.and_then(|status| status.next_backup_time),
        None,
        "there is none"
    );
    assert_eq!(world.event("NeverStarts").await.0, "Warning");
    let (_, text) = world.event("ScheduleCreated").await;
    assert!(text.contains("does not start it at this hour"), "{text}");
    world.live_until("11-24 12:00");
    assert!(world.portal.archives(false).is_empty(), "it never starts");
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("NeverStarts"));

    // Somebody's run sets the portal's clock going.
    world.portal.set_last_backup_time(false, Some(at("11-24 12:00")));
    let object = world.look("nightly", "Overdue").await;
    let next = object.status.and_then(|status| status.next_backup_time);
    assert_eq!(next.map(|time| time.0), Some(at("11-25 03:00")));
    world.proved("11-25 03:10", "11-25 03:42").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_storage_that_is_none_is_told_at_once_and_then_fails() {
    let world = World::at_noon(Installation::default()).await;
    world.create(&harness::from_api_docs(&world.server.url())).await;
    let object = world.fresh("nightly", "StorageCannotBackUp").await;
    assert!(is_ready(&object), "the schedule is as the manifest says");
    let words = message(&object, "BackupFresh");
    assert!(words.contains("ThirdPartyConsumer"), "{words}");
    assert_eq!(world.event("StorageCannotBackUp").await.0, "Warning");
    world.request("nightly").await;
    world.live_until("11-23 12:12");
    let object = world.look("nightly", "Failed").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("Unknown storage type."), "{words}");
}

#[tokio::test]
async fn of_two_schedules_at_one_hour_one_is_dropped() {
    let world = World::with_ready_at(13).await;
    let dump = world.dump_at(13);
    world.create(&dump).await;
    world.ready("dump").await;
    let (kind, text) = world.event("SameHour").await;
    assert_eq!(kind, "Warning");
    assert!(text.contains("DocSpaceBackupSchedule nightly"), "{text}");

    world.live_until("11-23 13:12");
    world.request("dump").await;
    world.look("nightly", "Confirming").await;
    world.live_until("11-23 13:42");
    world.look("nightly", "BackupFound").await;
    world.live_until("11-23 15:05");
    let object = world.look("dump", "Dropped").await;
    let words = message(&object, "BackupFresh");
    assert!(words.contains("other schedule"), "{words}");
    assert_eq!(world.event("Dropped").await.0, "Warning");
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "BackupFresh"), Some("BackupFound"));
}

#[tokio::test]
async fn an_hour_that_becomes_that_of_the_other_schedule_is_told() {
    let world = World::with_ready_at(13).await;
    let dump = world.dump_at(15);
    world.create(&dump).await;
    world.ready("dump").await;
    world.request("dump").await;
    assert_eq!(world.events("SameHour").await, 0);
    world.live_until("11-23 12:01");
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 15}}}))
        .await;
    let (_, text) = world.event("SameHour").await;
    assert!(text.contains("DocSpaceBackupSchedule dump"), "{text}");
}

#[tokio::test]
async fn two_schedules_that_come_at_once_at_one_hour_are_told() {
    let world = World::at_noon(Installation::default()).await;
    let nightly = world.nightly_at(13);
    let dump = world.dump_at(13);
    tokio::join!(world.create(&nightly), world.create(&dump));
    for name in ["nightly", "dump"] {
        world.ready(name).await;
        // What the first look has told is there when the second has ended.
        world.request(name).await;
    }
    let told = world.events("SameHour").await;
    assert!((1..=2).contains(&told), "{told} Events");
}

#[tokio::test]
async fn the_last_free_backup_of_a_month_is_told() {
    let world = Setup::default()
        .installation(Installation::saas())
        .of_one_process("it tells once, another tells again")
        .start(&[])
        .await;
    world.server.clock().set(at("11-23 12:00"));
    world.portal.change(|tenant| tenant.free_backups = Some(2));
    let made = Archive::scheduled("made", at("11-05 03:08")).in_storage(5);
    world.portal.add_archive(false, made);
    world.create(&world.in_the_cloud(world.nightly_at(13))).await;
    world.ready("nightly").await;
    world.request("nightly").await;
    let (kind, text) = world.event("FreeBackupsLow").await;
    assert_eq!(kind, "Warning");
    assert!(text.starts_with("1 free backups were made this month"), "{text}");
    world.request("nightly").await;
    assert_eq!(world.events("FreeBackupsLow").await, 1);
}
