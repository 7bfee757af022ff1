//! A second POST may cost a paid backup. Which events must not cause one, and what follows a POST whose answer is lost.

use docspace_backup_operator::api::{AppliedReason, FINALIZER};
use serde_json::json;
use simulated_portal::{Fault, FaultBody};

use crate::world::{World, applied_reason, condition, every_day, is_observed};

#[tokio::test]
async fn fifty_reconciles_of_an_equal_schedule_make_one_post() {
    let mut world = World::with_ready_nightly().await;
    for round in 0..10 {
        // Checks, a Secret whose same value is written again, a wiped status, a restart, a request.
        world.look_after(async |world| world.check_now().await).await;
        world.look_after(async |world| world.check_now().await).await;
        world.set_key(&world.key).await;
        world.look_after(async |world| world.check_now().await).await;
        world.wipe_status("nightly").await;
        world.ready("nightly").await;
        if round % 2 == 0 {
            world.operator.stop().await;
        } else {
            world.operator.kill().await;
        }
        world.operator.restart().await;
        world.request("nightly").await;
    }
    assert_eq!(world.posts(), 1);
    assert!(world.looks() >= 50, "only {} looks at the portal", world.looks());
}

#[tokio::test]
async fn a_trigger_that_brings_nothing_new_costs_no_call() {
    let world = World::with_ready_nightly().await;
    let calls = world.calls();
    world
        .patch("nightly", json!({"metadata": {"labels": {"team": "storage"}}}))
        .await;
    world.create(&world.named("witness")).await;
    world.stalled("witness", "Conflict").await;
    world.assert_calls(calls);
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_settled_by_a_look() {
    let world = World::new().await;
    world
        .server
        .order(Fault::lost_answer().to("createbackupschedule").times(1));
    world.create(&world.nightly()).await;
    let status = world.ready("nightly").await.status.expect("a status");
    assert_eq!(world.posts(), 1);
    assert_eq!(
        status.applied.map(|applied| applied.reason),
        Some(AppliedReason::Created)
    );
    let request = status.last_request.expect("a request");
    assert_eq!(request.status_code, None, "{}", request.message);
}

#[tokio::test]
async fn a_post_that_was_not_carried_out_is_not_repeated_soon() {
    let mut world = World::new().await;
    world
        .server
        .order(Fault::bad_gateway().to("createbackupschedule").times(1));
    world.create(&world.nightly()).await;
    let object = world.told("nightly", "OutcomeUnknown").await;
    assert_eq!(
        condition(&object, "Reconciling").map(|it| it.status.as_str()),
        Some("True")
    );
    assert_eq!(
        object
            .status
            .and_then(|status| status.last_request)
            .and_then(|request| request.status_code),
        Some(502)
    );
    world.request("nightly").await;
    // Nor by the next process, which has it from the status, whatever else was told since.
    world.answer_looks(502, "Bad gateway");
    world.check_now().await;
    world.told("nightly", "ProxyError").await;
    world.operator.restart().await;
    world.server.clear_faults();
    world.request("nightly").await;
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
        .await;
    world.wait("nightly", is_observed).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_accepted_schedule_that_reads_back_otherwise_is_not_posted_again() {
    let mut world = World::new().await;
    let accepted = json!({"response": true, "count": 1, "status": 0, "statusCode": 200});
    world
        .server
        .order(Fault::answer(200, FaultBody::Json(accepted)).to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.does_not_converge("nightly").await;
    world.request("nightly").await;
    world.operator.kill().await;
    world.operator.restart().await;
    world.request("nightly").await;
    world.stalled("nightly", "NotConverging").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn what_did_not_converge_does_not_stand_in_the_way_of_what_does() {
    let world = World::new().await;
    let accepted = json!({"response": true, "count": 1, "status": 0, "statusCode": 200});
    let swallowed = world
        .server
        .order(Fault::answer(200, FaultBody::Json(accepted)).to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.does_not_converge("nightly").await;
    world.server.clear_fault(swallowed);
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
        .await;
    world.ready("nightly").await;
    world.somebody_sets_hour(9);
    world.request("nightly").await;
    world
        .wait("nightly", |object| {
            applied_reason(object) == Some(AppliedReason::Corrected)
        })
        .await;
    assert_eq!(world.cron(), Some(every_day(5)));
}

#[tokio::test]
async fn a_post_that_was_accepted_is_owned_although_the_look_after_it_failed() {
    let world = World::new().await;
    let post = world.server.order(Fault::hang().to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.seen_call("createbackupschedule").await;
    let look = world
        .server
        .order(Fault::answer(503, FaultBody::Empty).to("getbackupschedule"));
    world.server.clear_fault(post);
    world.told("nightly", "ProxyError").await;
    world.server.clear_fault(look);
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.posts(), world.deletes(), world.cron()), (1, 1, None));
}

/// The effect after which the operator is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Finalizer,
    PostSent,
    PostAnswered,
    StatusPatched,
}

#[tokio::test]
async fn a_killed_operator_ends_in_the_same_state() {
    for after in [
        After::Finalizer,
        After::PostSent,
        After::PostAnswered,
        After::StatusPatched,
    ] {
        let mut world = World::new().await;
        let post = world.server.order(Fault::hang().to("createbackupschedule"));
        let mut object = world.nightly();
        if after == After::Finalizer {
            world.operator.kill().await;
            object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        }
        world.create(&object).await;
        if after != After::Finalizer {
            world.seen_call("createbackupschedule").await;
        }
        match after {
            After::Finalizer => {}
            After::PostSent => world.operator.kill().await,
            After::PostAnswered => {
                world.server.order(Fault::hang().to("getbackupschedule"));
                world.server.clear_fault(post);
                let looks_again = |requests: &[simulated_portal::Request]| {
                    requests
                        .last()
                        .is_some_and(|request| request.is_to("getbackupschedule") && request.ended.is_none())
                };
                world.seen(looks_again).await;
                world.operator.kill().await;
            }
            After::StatusPatched => {
                world.server.clear_fault(post);
                world.ready("nightly").await;
                world.operator.kill().await;
            }
        }
        world.server.clear_faults();
        if after != After::Finalizer {
            // What had reached the portal is carried out, whether or not anybody waits for it.
            world
                .seen(|requests| requests.iter().all(|request| request.ended.is_some()))
                .await;
        }
        world.operator.restart().await;
        world.ready("nightly").await;
        let object = world.request("nightly").await;
        assert_eq!(
            (world.posts(), world.cron()),
            (1, Some(every_day(3))),
            "{after:?}"
        );
        let applied = object.status.and_then(|status| status.applied).expect("applied");
        assert_eq!(applied.schedule.cron_params.hour, 3, "{after:?}");
    }
}

#[tokio::test]
async fn an_operator_killed_after_a_delete_ends_in_the_same_state() {
    let why = "the next leader sees the schedule while the DELETE hangs, and sends another";
    let mut world = World::of_one_process(why).await.ready_nightly().await;
    world.server.order(Fault::hang().to("deletebackupschedule"));
    world.delete("nightly").await;
    world.seen_call("deletebackupschedule").await;
    world.operator.kill().await;
    world.server.clear_faults();
    world
        .seen(|requests| requests.iter().all(|request| request.ended.is_some()))
        .await;
    world.operator.restart().await;
    world.gone("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (1, None));
}
