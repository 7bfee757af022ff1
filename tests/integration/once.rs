//! A second POST may cost a paid backup: what must not bring one, and what becomes of one whose answer is lost.

use docspace_backup_operator::api::AppliedReason;
use serde_json::json;

use crate::world::{World, condition};

#[tokio::test]
async fn fifty_reconciles_of_an_equal_schedule_make_one_post() {
    let mut world = World::with_ready_nightly().await;
    for round in 0..10 {
        // Reconcile-now, a Secret that is touched, a Secret whose value is written anew, a wiped status, a restart.
        world.request("nightly").await;
        world.look_after(async |world| world.touch_secret().await).await;
        world.look_after(async |world| world.set_key(&world.key()).await).await;
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
    world.patch("nightly", json!({"metadata": {"labels": {"team": "storage"}}})).await;
    world.create(&world.named("witness")).await;
    world.stalled("witness", "Conflict").await;
    assert_eq!(world.calls(), calls);
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_settled_by_a_look() {
    let world = World::new().await;
    world.lose_next_post_answer();
    world.create(&world.nightly()).await;
    let status = world.ready("nightly").await.status.expect("a status");
    assert_eq!(world.posts(), 1);
    assert_eq!(status.applied.map(|applied| applied.reason), Some(AppliedReason::Created));
    let request = status.last_request.expect("a request");
    assert_eq!(request.status_code, None, "{}", request.message);
}

#[tokio::test]
async fn a_post_that_was_not_carried_out_is_not_repeated_soon() {
    let world = World::new().await;
    world.answer_next_post_with(502, "<html>Bad Gateway</html>");
    world.create(&world.nightly()).await;
    let object = world.wait("nightly", |object| condition(object, "Ready").is_some_and(|it| it.reason == "OutcomeUnknown")).await;
    assert_eq!(condition(&object, "Reconciling").map(|it| it.status.as_str()), Some("True"));
    assert_eq!(object.status.and_then(|status| status.last_request).and_then(|request| request.status_code), Some(502));
    world.request("nightly").await;
    world.patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}})).await;
    world.wait("nightly", |object| world.observed(object, 2)).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_accepted_schedule_that_reads_back_otherwise_is_not_posted_again() {
    let mut world = World::new().await;
    world.swallow_writes();
    world.create(&world.nightly()).await;
    world.stalled("nightly", "NotConverging").await;
    world.request("nightly").await;
    world.operator.kill().await;
    world.operator.restart().await;
    world.request("nightly").await;
    world.stalled("nightly", "NotConverging").await;
    assert_eq!(world.posts(), 1);
}

/// What is killed after which effect.
#[derive(Clone, Copy, Debug)]
enum After {
    Finalizer,
    PostSent,
    PostAnswered,
    StatusPatched,
    DeleteSent,
}

#[tokio::test]
async fn a_killed_operator_ends_in_the_same_state() {
    for after in [After::Finalizer, After::PostSent, After::PostAnswered, After::StatusPatched] {
        let mut world = World::new().await;
        match after {
            After::Finalizer | After::PostSent => world.delay_next_post(),
            After::PostAnswered => world.delay_look_after_post(),
            _ => {}
        }
        world.create(&world.nightly()).await;
        match after {
            After::Finalizer => drop(world.wait("nightly", |object| object.metadata.finalizers.is_some()).await),
            After::PostSent | After::PostAnswered => world.wait_post().await,
            _ => drop(world.ready("nightly").await),
        }
        world.operator.kill().await;
        world.clear_faults().await;
        world.operator.restart().await;
        let object = world.ready("nightly").await;
        world.request("nightly").await;
        assert_eq!(world.posts(), 1, "{after:?}");
        assert_eq!(world.row().map(|row| row.hour), Some(3), "{after:?}");
        let applied = object.status.and_then(|status| status.applied).expect("applied");
        assert_eq!(applied.schedule.cron_params.hour, 3, "{after:?}");
    }
}

#[tokio::test]
async fn an_operator_killed_after_a_delete_ends_in_the_same_state() {
    let mut world = World::with_ready_nightly().await;
    world.delay_next_delete();
    world.delete("nightly").await;
    world.wait_delete().await;
    world.operator.kill().await;
    world.clear_faults().await;
    world.operator.restart().await;
    world.gone("nightly").await;
    assert!(world.row().is_none(), "{:?}", After::DeleteSent);
    assert_eq!(world.deletes(), 1);
}
