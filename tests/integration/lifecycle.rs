//! One object from its creation to its deletion, and what people do to the portal meanwhile.

use docspace_backup_operator::api::{
    AdoptionPolicy, AppliedReason, DeletionPolicy, DocSpaceBackupSchedule, ManagementPolicy, Operation,
};
use serde_json::json;

use crate::world::{World, applied_reason, condition, every_day, is_observed, is_ready};

#[tokio::test]
async fn a_manifest_becomes_a_schedule_and_its_status_tells() {
    let world = World::new().await;
    world.create(&world.nightly()).await;
    let object = world.ready("nightly").await;
    let status = object.status.expect("a status");

    assert_eq!(status.observed_generation, Some(1));
    let request = status.last_request.expect("a request");
    assert_eq!(
        (request.operation, request.status_code),
        (Operation::CreateSchedule, Some(200))
    );
    let applied = status.applied.expect("applied");
    assert_eq!((applied.reason, applied.generation), (AppliedReason::Created, 1));
    assert_eq!(Some(applied.uid), object.metadata.uid);
    let observed = status.observed.expect("observed");
    assert_eq!(
        (observed.storage_type.as_str(), observed.cron_params.hour),
        ("ThirdPartyConsumer", 3)
    );
    assert_eq!(status.schedule.as_deref(), Some("EveryDay 03:00 UTC"));
    assert!(status.difference.is_empty());
    assert_eq!(status.api_key.map(|key| key.name).as_deref(), Some("full"));
    assert_eq!(world.posts(), 1);
    assert_eq!(
        world
            .portal
            .schedule(false)
            .map(|row| (row.cron, row.backups_stored)),
        Some((every_day(3), 7))
    );
    world.event("ScheduleCreated").await;
    assert_eq!(world.all_events().await.len(), 1, "one Event for a new object");
    // A new object costs six.
    world.assert_calls(6);
}

#[tokio::test]
async fn an_equal_schedule_is_adopted_without_a_write() {
    let world = World::new().await;
    world.hold(&world.nightly());
    world.create(&world.nightly()).await;
    let object = world.ready("nightly").await;
    assert_eq!(applied_reason(&object), Some(AppliedReason::Adopted));
    assert_eq!(world.posts(), 0);
}

#[tokio::test]
async fn a_change_of_the_manifest_is_written_once() {
    let world = World::with_ready_nightly().await;
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
        .await;
    let object = world.ready("nightly").await;
    assert_eq!(applied_reason(&object), Some(AppliedReason::Changed));
    assert_eq!(world.posts(), 2);
    assert_eq!(world.cron(), Some(every_day(5)));
}

fn was_corrected(object: &DocSpaceBackupSchedule) -> bool {
    is_ready(object) && applied_reason(object) == Some(AppliedReason::Corrected)
}

#[tokio::test]
async fn a_changed_schedule_is_put_back_and_then_contested() {
    let world = World::with_ready_nightly().await;
    world.somebody_sets_hour(9);
    world.request("nightly").await;
    let corrected = world.wait("nightly", was_corrected).await;
    let status = corrected.status.expect("a status");
    assert_eq!(status.corrections.map(|corrections| corrections.count), Some(1));
    assert_eq!(status.replaced.map(|replaced| replaced.cron_params.hour), Some(9));
    assert_eq!(world.cron(), Some(every_day(3)));
    world.event("ScheduleCorrected").await;

    // A check without a request is no leave to correct again.
    world.somebody_sets_hour(10);
    world.check_now().await;
    world.stalled("nightly", "Contested").await;
    assert_eq!(world.cron(), Some(every_day(10)));

    world.request("nightly").await;
    world.ready("nightly").await;
    assert_eq!(world.cron(), Some(every_day(3)));
}

#[tokio::test]
async fn a_schedule_that_somebody_deletes_is_put_back() {
    let world = World::with_ready_nightly().await;
    world.somebody_deletes().await;
    world.check_now().await;
    world.wait("nightly", was_corrected).await;
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(3))));
}

#[tokio::test]
async fn a_correction_waits_for_a_running_backup() {
    let world = World::with_ready_nightly().await;
    world.set_running(true);
    world.somebody_sets_hour(9);
    world.check_now().await;
    world.told("nightly", "BackupRunning").await;
    assert_eq!(world.posts(), 1);
    world.set_running(false);
    world.request("nightly").await;
    world.ready("nightly").await;
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn a_request_that_has_to_wait_is_still_asked_for() {
    let mut world = World::with_ready_nightly().await;
    world.somebody_sets_hour(9);
    world.request("nightly").await;
    world.wait("nightly", was_corrected).await;
    world.somebody_sets_hour(10);
    world.check_now().await;
    world.stalled("nightly", "Contested").await;
    world.set_running(true);
    world.request("nightly").await;
    world.told("nightly", "BackupRunning").await;
    // Also of a process that has not heard it.
    world.operator.restart().await;
    world.set_running(false);
    world.ready("nightly").await;
    assert_eq!(world.cron(), Some(every_day(3)));
}

#[tokio::test]
async fn a_schedule_at_an_address_that_was_given_up_is_named_when_the_object_goes() {
    let world = World::with_ready_nightly().await;
    world.leave_nightly_behind().await;
    world.event("ScheduleLeftBehind").await;
    assert_eq!(world.cron(), Some(every_day(3)));
}

#[tokio::test]
async fn deletion_takes_the_schedule_away() {
    let world = World::with_ready_nightly().await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!(world.cron(), None);
    assert_eq!(world.deletes(), 1);
    world.event("ScheduleDeleted").await;
}

#[tokio::test]
async fn deletion_leaves_what_somebody_has_changed() {
    let world = World::with_ready_nightly().await;
    world.somebody_sets_hour(9);
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!(world.cron(), Some(every_day(9)));
    world.event("ScheduleLeftBehind").await;
    assert_eq!(world.deletes(), 0);
}

#[tokio::test]
async fn orphaned_observed_and_suspended_objects_go_without_a_call() {
    for change in [
        json!({"deletionPolicy": DeletionPolicy::Orphan}),
        json!({"managementPolicy": ManagementPolicy::Observe}),
        json!({"suspend": true}),
    ] {
        let world = World::with_ready_nightly().await;
        world.patch("nightly", json!({"spec": change})).await;
        world.wait("nightly", is_observed).await;
        let calls = world.calls();
        world.delete("nightly").await;
        world.gone("nightly").await;
        world.assert_calls(calls);
        assert_eq!((world.posts(), world.deletes()), (1, 0), "{change}");
        assert!(world.cron().is_some(), "{change}");
    }
}

#[tokio::test]
async fn refused_and_losing_objects_go_without_touching_the_portal() {
    let world = World::new().await;
    world.hold(&world.nightly());
    world.somebody_sets_hour(9);
    let mut refused = world.named("refused");
    refused.spec.adoption_policy = AdoptionPolicy::Never;
    world.create(&refused).await;
    world.stalled("refused", "AdoptionRefused").await;
    world.delete("refused").await;
    world.gone("refused").await;

    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world.create(&world.named("second")).await;
    let second = world.stalled("second", "Conflict").await;
    let message = condition(&second, "Ready")
        .map(|ready| ready.message.clone())
        .unwrap_or_default();
    assert!(message.contains("DocSpaceBackupSchedule nightly"), "{message}");
    world.delete("second").await;
    world.gone("second").await;

    world.set_key("sk-bogus-0000").await;
    let mut bogus = world.named("bogus");
    bogus.spec.dump = true;
    world.create(&bogus).await;
    world.stalled("bogus", "Unauthorized").await;
    world.delete("bogus").await;
    world.gone("bogus").await;
    assert_eq!((world.posts(), world.deletes()), (1, 0));
    assert_eq!(world.cron(), Some(every_day(3)));
}

#[tokio::test]
async fn whoever_waits_for_the_slot_takes_over() {
    let world = World::with_ready_nightly().await;
    world.create(&world.named("second")).await;
    world.stalled("second", "Conflict").await;
    world.delete("nightly").await;
    world.ready("second").await;
    assert_eq!(world.cron(), Some(every_day(3)));
}

#[tokio::test]
async fn observe_reads_and_never_writes() {
    let world = World::new().await;
    world.hold(&world.nightly());
    world.somebody_sets_hour(9);
    let mut object = world.nightly();
    object.spec.management_policy = ManagementPolicy::Observe;
    world.create(&object).await;
    let object = world.wait("nightly", is_observed).await;
    assert_eq!(
        condition(&object, "Ready").map(|ready| (ready.status.as_str(), ready.reason.as_str())),
        Some(("False", "OutOfSync"))
    );
    assert!(condition(&object, "Stalled").is_none() && condition(&object, "Reconciling").is_none());
    assert_eq!(
        object.status.map(|status| status.difference),
        Some(vec!["cronParams.hour: 3 wanted, 9 in the portal".into()])
    );
    assert!(object.metadata.finalizers.is_none());
    assert_eq!(world.posts(), 0);
}

#[tokio::test]
async fn a_new_address_is_a_first_contact_and_the_old_one_is_left() {
    let world = World::with_ready_nightly().await;
    let (other, key) = World::another_server().await;
    world.set_secret("other", &[("apiKey", key.as_bytes())]).await;
    world
        .patch(
            "nightly",
            json!({"spec": {"portal": {"url": other.url(), "apiKeySecretRef": {"name": "other"}}}}),
        )
        .await;
    world.wait("nightly", is_ready).await;
    assert!(world.cron().is_some(), "the old portal keeps its schedule");
    assert_eq!(other.log().posts().len(), 1);
    world.event("ScheduleLeftBehind").await;
    assert_eq!(world.deletes(), 0);
}
