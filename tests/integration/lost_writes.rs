//! A write whose outcome is unknown concerns its slot: whichever object comes there waits for it, also after the object
//! that made it is gone.

use docspace_backup_operator::api::{
    AppliedReason, DeletionPolicy, DocSpaceBackupSchedule, LastRequest, Operation,
};
use jiff::SignedDuration;
use serde_json::json;
use simulated_portal::Fault;

use crate::world::{
    World, applied_reason, condition, every_day, is_observed, is_ready, message, ready_reason_is,
};

const KEPT_IN_MEMORY: &str = "what a lost write wrote is kept in memory only";

impl World {
    /// Applies the object; the portal's proxy answers its POST with 502, and nothing of it has reached the portal yet.
    async fn loses_the_post_of(&self, object: &DocSpaceBackupSchedule) {
        let lost = Fault::bad_gateway().to("createbackupschedule").times(1);
        self.server.order(lost);
        self.create(object).await;
        let name = object.metadata.name.as_deref().expect("a name");
        self.told(name, "OutcomeUnknown").await;
        assert_eq!(self.posts(), 1);
    }

    /// Deletes the object, which waits for its lost write.
    async fn waits_with_the_deletion_of(&self, name: &str) -> DocSpaceBackupSchedule {
        self.delete(name).await;
        let waits = |object: &DocSpaceBackupSchedule| {
            ready_reason_is(object, "OutcomeUnknown")
                && message(object, "Ready").contains("before it deletes the schedule")
        };
        let object = self.wait(name, waits).await;
        assert_eq!(
            condition(&object, "Reconciling").map(|it| (it.status.as_str(), it.reason.as_str())),
            Some(("True", "OutcomeUnknown"))
        );
        object
    }

    async fn remove_finalizers(&self, name: &str) {
        self.patch(name, json!({"metadata": {"finalizers": null}})).await;
    }
}

fn last_request(object: &DocSpaceBackupSchedule) -> &LastRequest {
    let status = object.status.as_ref().expect("a status");
    status.last_request.as_ref().expect("a request")
}

/// How an object goes although its write is lost.
#[derive(Clone, Copy, Debug)]
enum Goes {
    Orphaned,
    WithoutItsFinalizer,
}

#[tokio::test]
async fn an_object_that_is_applied_again_waits_for_the_lost_write_of_the_one_before() {
    for goes in [Goes::Orphaned, Goes::WithoutItsFinalizer] {
        let world = World::of_one_process(KEPT_IN_MEMORY).await;
        let mut object = world.nightly();
        if let Goes::Orphaned = goes {
            object.spec.deletion_policy = DeletionPolicy::Orphan;
        }
        world.loses_the_post_of(&object).await;
        match goes {
            Goes::Orphaned => world.delete("nightly").await,
            Goes::WithoutItsFinalizer => {
                world.waits_with_the_deletion_of("nightly").await;
                world.remove_finalizers("nightly").await;
            }
        }
        world.gone("nightly").await;

        world.create(&object).await;
        let object = world.told("nightly", "OutcomeUnknown").await;
        assert!(object.status.is_some_and(|status| status.last_request.is_none()));
        world.request("nightly").await;
        world.told("nightly", "OutcomeUnknown").await;
        assert_eq!(world.posts(), 1, "{goes:?}");

        // DocSpace carries it out now.
        world.hold(&world.nightly());
        world.check_now().await;
        let object = world.ready("nightly").await;
        assert_eq!(applied_reason(&object), Some(AppliedReason::Created), "{goes:?}");
        assert_eq!((world.posts(), world.cron()), (1, Some(every_day(3))), "{goes:?}");

        // It is settled, and stands in nobody's way.
        world
            .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
            .await;
        world.ready("nightly").await;
        assert_eq!((world.posts(), world.cron()), (2, Some(every_day(5))), "{goes:?}");
    }
}

#[tokio::test]
async fn an_object_that_takes_the_slot_over_waits_for_the_lost_write_of_the_other() {
    for portal_is_ahead in [0, 3].map(SignedDuration::from_hours) {
        let mut world = World::new().await;
        world.server.clock().advance(portal_is_ahead);
        world.loses_the_post_of(&world.nightly()).await;
        let mut second = world.named("second");
        second.spec.cron_params.hour = 5;
        // Which of two objects that own nothing comes first depends on their age in seconds.
        world.patch("nightly", json!({"spec": {"suspend": true}})).await;
        world.create(&second).await;
        world.told("second", "OutcomeUnknown").await;

        // Nor does a later process write, which has it from the status of the other.
        world.operator.restart().await;
        world.request("second").await;
        world.told("second", "OutcomeUnknown").await;
        assert_eq!((world.posts(), world.cron()), (1, None), "{portal_is_ahead}");
    }
}

#[tokio::test]
async fn a_deletion_waits_for_the_lost_write_and_deletes_what_it_wrote() {
    let world = World::of_one_process(KEPT_IN_MEMORY).await;
    let object = world.in_the_cloud(world.dump_at(3));
    world.loses_the_post_of(&object).await;
    let waiting = world.waits_with_the_deletion_of("dump").await;
    let request = last_request(&waiting);
    assert_eq!(
        (request.operation, request.status_code, request.outcome_unknown),
        (Operation::CreateSchedule, Some(502), true)
    );
    assert_eq!(request.url.as_deref(), Some(world.server.url().as_str()));
    assert_eq!(request.host_header, Some(world.portal.host()));
    assert!(request.dump);

    // A check that finds nothing is no reason to let it go.
    world.look_after(async |world| world.check("dump").await).await;
    world.waits_with_the_deletion_of("dump").await;
    assert_eq!(world.deletes(), 0);

    world.hold(&object);
    assert!(world.portal.schedule(true).is_some());
    world.check("dump").await;
    world.gone("dump").await;
    assert_eq!(world.portal.schedule(true), None);
    assert_eq!((world.posts(), world.deletes()), (1, 1));
    world.event("ScheduleDeleted").await;
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
}

#[tokio::test]
async fn a_lost_change_is_deleted_once_it_has_come() {
    let world = World::of_one_process(KEPT_IN_MEMORY).await.ready_nightly().await;
    let lost = Fault::bad_gateway().to("createbackupschedule").times(1);
    world.server.order(lost);
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
        .await;
    world.told("nightly", "OutcomeUnknown").await;
    // The portal still holds what was applied before: deleted now, the later one would stay.
    world.waits_with_the_deletion_of("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (0, Some(every_day(3))));
    world.hold(&world.nightly_at(5));
    world.check("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.posts(), world.deletes(), world.cron()), (2, 1, None));
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
}

#[tokio::test]
async fn what_is_left_behind_is_named_with_its_old_address() {
    let world = World::new().await;
    let host = world.portal.host();
    world.create(&world.in_the_cloud(world.nightly())).await;
    let object = world.ready("nightly").await;
    assert_eq!(last_request(&object).host_header.as_ref(), Some(&host));
    world.leave_nightly_behind().await;
    let (kind, text) = world.event("ScheduleLeftBehind").await;
    let old = format!("{} (Host {host})", world.server.url());
    assert_eq!(kind, "Warning");
    assert!(
        text.starts_with(&format!("A schedule may remain in the portal {old}: ")),
        "{text}"
    );
    let log = world.operator.log();
    assert!(log.contains(&old), "{log}");
}

#[tokio::test]
async fn a_lost_write_to_an_old_address_is_named_when_the_object_goes() {
    let world = World::new().await;
    world
        .loses_the_post_of(&world.in_the_cloud(world.nightly()))
        .await;
    world.leave_nightly_behind().await;
    let (_, text) = world.event("ScheduleLeftBehind").await;
    assert!(text.contains(&world.server.url()), "{text}");
}

#[tokio::test]
async fn a_lost_write_to_an_old_address_does_not_hold_up_the_new_one() {
    let world = World::new().await;
    world.loses_the_post_of(&world.nightly()).await;
    let (other, key) = World::another_server().await;
    world.set_secret("other", &[("apiKey", key.as_bytes())]).await;
    let there = json!({"url": other.url(), "apiKeySecretRef": {"name": "other"}});
    world.patch("nightly", json!({"spec": {"portal": there}})).await;
    let object = world
        .wait("nightly", |object| is_observed(object) && is_ready(object))
        .await;
    assert_eq!(last_request(&object).url, Some(other.url()));
    assert_eq!((world.posts(), other.log().posts().len()), (1, 1));
}
