//! When the operator checks a portal without a trigger. The portal's clock stops shortly before a due time.

use jiff::SignedDuration;
use serde_json::json;

use crate::world::{Setup, World, at};

const SHORTLY: SignedDuration = SignedDuration::from_secs(2);

/// An object that is looked at once a day where nothing else is due, shortly before this time.
async fn shortly_before(time: &str) -> World {
    let world = Setup::default()
        .of_one_process("it knows the portal's clock, another would begin with its own")
        .start(&[])
        .await;
    world.server.clock().set(at(time) - SHORTLY);
    let mut object = world.nightly_at(13);
    object.spec.interval = serde_json::from_value(json!("24h")).expect("a duration");
    world.create(&object).await;
    world.ready("nightly").await;
    world
}

#[tokio::test]
async fn a_backup_is_followed_from_before_it_is_due_until_it_is_confirmed() {
    let world = shortly_before("11-23 12:55").await;
    // What ran before is known before the new run comes.
    world.seen_call("getbackupprogress").await;
    let clock = world.server.clock();
    let live_until = |time| {
        world
            .server
            .live((at(time) - SHORTLY).duration_since(clock.now()))
    };
    // A pass of the scheduler after it was due.
    live_until("11-23 13:20");
    world.fresh("nightly", "Confirming").await;
    // Half an hour after it was listed.
    live_until("11-23 13:50");
    world.fresh("nightly", "BackupFound").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_is_told_at_once() {
    let world = shortly_before("11-23 12:55").await;
    world.seen_call("getbackupprogress").await;
    let clock = world.server.clock();
    clock.set(at("11-23 15:00") - SHORTLY);
    world.look_after(async |_| ()).await;
    clock.set(at("11-23 15:00"));
    world.fresh("nightly", "Overdue").await;
}
